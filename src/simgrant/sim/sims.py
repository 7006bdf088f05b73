"""SIM cards as data: the demonstration SIMs, SIMs from files, and their sequence numbers.

A SIM file is TOML (`[[sim]]` tables), JSON (a list, or an object with a list
`sims`) or CSV (with a header), and has the same names in each: `imsi`, `k`,
`opc` or `op`, and optionally `msisdn`, `mnc_digits`, `sqn`, `algorithm` (milenage or tuak),
`res_length`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from simgrant.eap.algorithm import SQN_LIMIT, AkaAlgorithm
from simgrant.eap.identity import permanent_nai
from simgrant.eap.milenage import Milenage, opc_from_op
from simgrant.eap.packet import Variant
from simgrant.eap.tuak import Tuak, topc_from_top
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.nouns import Word, named_noun, replace

DEMO_K: Final = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
"""The key of test set 1 (TS 35.207 §4.3), public and good for tests only."""
DEMO_OPC: Final = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
"""OPc of the same set."""

_DEMO_SIMS: Final = 5
_TEST_MCC: Final = "999"
_TEST_PLMN: Final = "00101"


class Algorithm(Word):
    """The algorithm sets that SIMs have."""

    MILENAGE = "milenage"
    TUAK = "tuak"


class BadSimFile(ValueError):
    """A SIM file cannot be used; the message names file, row and field, and never a key."""


@named_noun
class Sim:
    """One SIM card: who it is and what it keeps secret."""

    imsi: Imsi
    k: bytes = field(repr=False)
    """The subscriber key, 16 bytes; 16 or 32 for TUAK."""
    opc: bytes = field(repr=False)
    """The operator's constant, already bound to `k`, 16 bytes; TOPc, 32, for TUAK."""
    algorithm: Algorithm = Algorithm.MILENAGE
    res_length: int = 8
    """Bytes of RES; 4, 8 or 16 for TUAK."""
    msisdn: Msisdn | None = None
    mnc_digits: int = 2
    """How many digits the MNC has: 2 or 3; a phone reads it from the SIM."""
    sqn: int = 0
    """The highest sequence number the SIM has seen before it is used here."""

    def __post_init__(self) -> None:
        """Refuse wrong sizes; the messages never repeat a key."""
        tuak = self.algorithm is Algorithm.TUAK
        if len(self.k) not in ((16, 32) if tuak else (16,)) or len(self.opc) != (16, 32)[tuak]:
            digits = "32 or 64, and opc 64" if tuak else "and opc 32"
            raise ValueError(f"k must have {digits} hexadecimal digits")
        if self.res_length not in ((4, 8, 16) if tuak else (8,)):
            raise ValueError(f"res_length must be {'4, 8 or 16' if tuak else '8'}")
        if self.mnc_digits not in (2, 3):
            raise ValueError("mnc_digits must be 2 or 3")
        if not 0 <= self.sqn < SQN_LIMIT:
            raise ValueError("sqn must have at most 12 hexadecimal digits")

    @property
    def mcc(self) -> str:
        """Mobile country code."""
        return self.imsi.digits[:3]

    @property
    def mnc(self) -> str:
        """Mobile network code, with its own length."""
        return self.imsi.digits[3 : 3 + self.mnc_digits]

    @property
    def is_test(self) -> bool:
        """Whether its network exists in laboratories only: 001-01, or MCC 999."""
        return self.mcc == _TEST_MCC or self.mcc + self.mnc == _TEST_PLMN

    def keys(self, *, wrong: bool = False) -> AkaAlgorithm:
        """Return its algorithm set with its key, or with that of nobody if told so."""
        k = bytes(len(self.k)) if wrong else self.k
        if self.algorithm is Algorithm.TUAK:
            return Tuak(k, self.opc, res_bytes=self.res_length)
        return Milenage(k, self.opc)

    def nai(self, *, prefix: str = "nai.epc", variant: Variant = Variant.AKA) -> str:
        """Return the root NAI, which EAP_ID is (TS.43 §2.8.1)."""
        return permanent_nai(self.imsi, mcc=self.mcc, mnc=self.mnc, prefix=prefix, variant=variant)


def demo_sims() -> tuple[Sim, ...]:
    """Return the SIMs that the server's demonstration data know."""
    return following(
        Sim(
            imsi=Imsi("001010000000001"),
            k=DEMO_K,
            opc=DEMO_OPC,
            msisdn=Msisdn("+447700900001"),
        ),
        _DEMO_SIMS,
    )


def following(first: Sim, count: int) -> tuple[Sim, ...]:
    """Return `count` SIMs with consecutive IMSIs and numbers, all with the keys of the first."""
    digits = first.imsi.digits
    if int(digits) + count > 10 ** len(digits):
        raise ValueError("there are not that many IMSIs after the first")
    number = first.msisdn
    return tuple(
        replace(
            first,
            imsi=Imsi(str(int(digits) + step).zfill(len(digits))),
            msisdn=number and Msisdn(str(int(number.digits) + step).zfill(len(number.digits))),
        )
        for step in range(count)
    )


# ------------------------------------------------------------------------------------ files


def load_sims(path: Path) -> tuple[Sim, ...]:
    """Read a SIM file by its ending; raise `BadSimFile` with what is wrong and where."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(_READERS[path.suffix.lower()](text))
    except KeyError:
        raise BadSimFile(f"{path}: a SIM file ends in {', '.join(_READERS)}") from None
    except OSError as error:
        raise BadSimFile(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSimFile(f"{path}: not UTF-8") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, csv.Error) as error:
        # The message of a JSON or TOML error gives the place and repeats no value.
        raise BadSimFile(f"{path}: {error}") from None
    sims = []
    for number, row in enumerate(rows, start=1):
        try:
            sims.append(_sim(row))
        except ValueError as error:
            raise BadSimFile(f"{path}: SIM {number}: {error}") from None
    if not sims:
        raise BadSimFile(f"{path}: no SIM in it")
    if len({sim.imsi for sim in sims}) != len(sims):
        raise BadSimFile(f"{path}: the same IMSI twice")
    return tuple(sims)


def _rows_of_toml(text: str) -> Iterable[Any]:
    return _list_in(tomllib.loads(text), "sim")


def _rows_of_json(text: str) -> Iterable[Any]:
    data = json.loads(text)
    return data if isinstance(data, list) else _list_in(data, "sims")


def _rows_of_csv(text: str) -> Iterator[Any]:
    for row in csv.DictReader(io.StringIO(text), strict=True):
        yield {name.strip(): value.strip() for name, value in row.items() if name and value}


_READERS: Final = {".toml": _rows_of_toml, ".json": _rows_of_json, ".csv": _rows_of_csv}


def _list_in(data: Any, name: str) -> list[Any]:
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, list) else []


_FIELDS: Final = frozenset(
    {"imsi", "k", "ki", "opc", "op", "msisdn", "mnc_digits", "sqn", "algorithm", "res_length"}
)


def _sim(row: Any) -> Sim:
    if not isinstance(row, Mapping):
        raise ValueError("not a table of names and values")
    fields = {str(name).strip().lower(): value for name, value in row.items()}
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    try:
        algorithm = Algorithm(str(fields.get("algorithm", "milenage")).lower())
    except ValueError:
        raise ValueError("algorithm must be milenage or tuak") from None
    tuak = algorithm is Algorithm.TUAK
    text = str(fields.get("imsi", ""))
    try:
        imsi = Imsi(text)
        number = str(fields.get("msisdn", ""))
        msisdn = Msisdn(number) if number else None
    except InvalidIdentity as error:
        raise ValueError(str(error)) from None
    k = _key(fields, "k" if "k" in fields else "ki", (16, 32) if tuak else (16,))
    sizes = (32,) if tuak else (16,)
    if "opc" in fields:
        opc = _key(fields, "opc", sizes)
    elif "op" in fields:
        op = _key(fields, "op", sizes)
        opc = topc_from_top(k, op) if tuak else opc_from_op(k, op)
    else:
        raise ValueError("opc or op is missing")
    return Sim(
        imsi=imsi,
        k=k,
        opc=opc,
        algorithm=algorithm,
        res_length=_number(fields, "res_length", 8, "a number of bytes"),
        msisdn=msisdn,
        mnc_digits=_number(fields, "mnc_digits", 2, "2 or 3"),
        sqn=_sqn(fields),
    )


def _number(fields: Mapping[str, Any], name: str, usual: int, meant: str) -> int:
    try:
        return int(fields.get(name, usual))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {meant}") from None


def _key(fields: Mapping[str, Any], name: str, sizes: tuple[int, ...]) -> bytes:
    text = fields.get(name)
    if text is None:
        raise ValueError(f"{name} is missing")
    return key_from(str(text), name=name, sizes=sizes)


def key_from(text: str, *, name: str, sizes: tuple[int, ...] = (16,)) -> bytes:
    """Return the bytes of a hexadecimal key; the error names it and never repeats it."""
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) in sizes:
            return key
    digits = " or ".join(str(2 * size) for size in sizes)
    raise ValueError(f"{name} must have {digits} hexadecimal digits")


def _sqn(fields: Mapping[str, Any]) -> int:
    text = str(fields.get("sqn", "0"))
    try:
        return int(text, 16)
    except ValueError:
        raise ValueError("sqn must have at most 12 hexadecimal digits") from None


# ------------------------------------------------------------------------ sequence numbers


class SqnFile:
    """The sequence numbers that SIMs have accepted, kept from one run to the next.

    Without it every run starts with fresh SIMs, which take any number; with it
    they refuse a replayed vector and an AuC that was set back, as cards do.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one; raise `BadSimFile` if it is something else."""
        self._path = path
        self._taken: dict[str, tuple[int, ...]] = {}
        try:
            for imsi, numbers in json.loads(path.read_text(encoding="utf-8")).items():
                self._taken[imsi] = tuple(int(number, 16) for number in numbers)
        except FileNotFoundError:
            return
        except OSError as error:
            raise BadSimFile(f"{path}: {error.strerror}") from None
        except (ValueError, TypeError, AttributeError):
            raise BadSimFile(f"{path}: not a file of sequence numbers") from None

    def taken(self, imsi: Imsi) -> tuple[int, ...]:
        """Return what this SIM has accepted before; nothing if it is new here."""
        return self._taken.get(imsi.digits, ())

    def keep(self, imsi: Imsi, taken: Iterable[int]) -> None:
        """Remember what this SIM has accepted by now."""
        self._taken[imsi.digits] = tuple(number for number in taken if number)

    def save(self) -> None:
        """Write the file anew, whole or not at all; it holds IMSIs, so it is private."""
        data = {
            imsi: [f"{number:012x}" for number in numbers] for imsi, numbers in self._taken.items()
        }
        try:
            with tempfile.NamedTemporaryFile(
                "w", dir=self._path.parent, prefix=f".{self._path.name}.", delete=False
            ) as file:
                file.write(json.dumps(data, indent=1) + "\n")
            Path(file.name).replace(self._path)
        except OSError as error:
            raise BadSimFile(f"{self._path}: {error.strerror}") from None
