"""Lists of devices that may have eSIMs: by TAC and by EID, as an operator's staff keep them in CSV.

A list says yes or no of what is in it, and nothing of all else unless its row ``*`` does; what
follows from that is the policy's. Ranges of EIDs may lie inside one another (a maker's, and one
product's in it): the narrowest counts.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from simgrant.nouns import Word, noun

MOST_LETTERS: Final = 8 * 1024 * 1024
MOST_TACS: Final = 100_000
MOST_RANGES: Final = 20_000
TAC_COLUMNS: Final = ("tac", "vendor", "model", "allow")
EID_COLUMNS: Final = ("eid", "vendor", "allow")
_TAC_DIGITS, _EID_DIGITS = 8, 32
_MOST_CELL = 128
_SHOWN_PROBLEMS = 20
_REST = "*"
_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Listing(Word):
    """What a list says of a device."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNLISTED = "unlisted"
    """Nothing: it is not in the list, or there is no list, or the device did not say what it is."""


class BadList(ValueError):
    """A list cannot be taken; the message names the lines."""


@noun
class TacList:
    """What is said of devices by the first eight digits of their IMEI."""

    allowed: Mapping[str, bool] = field(repr=False, hash=False)
    rest: Listing
    """What holds for all that is not in it."""

    def of(self, tac: str) -> Listing:
        """Return what the list says of a TAC; an empty one is of a device without an IMEI."""
        said = self.allowed.get(tac)
        return self.rest if said is None else _listing(said)

    def __len__(self) -> int:
        return len(self.allowed)


@noun
class EidList:
    """What is said of eUICCs by ranges of EIDs, sorted by where they begin, the wider first."""

    firsts: tuple[str, ...]
    lasts: tuple[str, ...]
    around: tuple[int, ...]
    """The range that each lies in, -1 for none."""
    allowed: tuple[bool, ...]
    rest: Listing

    def of(self, eid: str) -> Listing:
        """Return what the narrowest range says that has this EID (32 digits; empty = not known)."""
        place = bisect_right(self.firsts, eid) - 1 if eid else -1
        while place >= 0 and self.lasts[place] < eid:
            place = self.around[place]
        return self.rest if place < 0 else _listing(self.allowed[place])

    def __len__(self) -> int:
        return len(self.firsts)


def read_tacs(text: str) -> TacList:
    """Return the list that a CSV file is; raise `BadList`."""
    problems: list[str] = []
    found: dict[str, bool] = {}
    rest: list[bool] = []
    for line, row, allow in _rows(text, TAC_COLUMNS, MOST_TACS, problems):
        tac = row["tac"]
        if tac == _REST:
            if rest:
                problems.append(f"line {line}: a second row {_REST}")
            rest.append(allow)
        elif not (len(tac) == _TAC_DIGITS and tac.isascii() and tac.isdigit()):
            problems.append(f"line {line}: tac must be {_TAC_DIGITS} digits or {_REST}")
        elif tac in found:
            problems.append(f"line {line}: tac {tac} is named twice")
        else:
            found[tac] = allow
    _refuse(problems)
    return TacList(found, _rest(rest))


def read_eids(text: str) -> EidList:
    """Return the list that a CSV file is; raise `BadList`.

    The column ``eid`` is the first digits of EIDs, such as a maker's (EUM), or a range
    ``first-last`` of first digits, or ``*``.
    """
    problems: list[str] = []
    ranges: list[tuple[str, str, int, bool]] = []
    rest: list[bool] = []
    for line, row, allow in _rows(text, EID_COLUMNS, MOST_RANGES, problems):
        if row["eid"] == _REST:
            if rest:
                problems.append(f"line {line}: a second row {_REST}")
            rest.append(allow)
            continue
        first, dash, last = row["eid"].partition("-")
        last = last if dash else first
        if not (_is_prefix(first) and _is_prefix(last) and len(first) == len(last)):
            problems.append(
                f"line {line}: eid must be 1 to {_EID_DIGITS} digits, first-last, or {_REST}"
            )
        elif last < first:
            problems.append(f"line {line}: the range ends before it begins")
        else:
            ends = (first.ljust(_EID_DIGITS, "0"), last.ljust(_EID_DIGITS, "9"))
            ranges.append((*ends, line, allow))
    # The wider of two that begin alike comes first; of digits of one length, texts sort as numbers.
    ranges.sort(key=lambda each: (each[0], -int(each[1])))
    around = _nested(ranges, problems)
    _refuse(problems)
    firsts, lasts = tuple(each[0] for each in ranges), tuple(each[1] for each in ranges)
    return EidList(firsts, lasts, around, tuple(each[3] for each in ranges), _rest(rest))


def _nested(ranges: list[tuple[str, str, int, bool]], problems: list[str]) -> tuple[int, ...]:
    """Return the range that each lies in, of ranges in their order."""
    around: list[int] = []
    open_: list[int] = []
    for place, (first, last, line, _) in enumerate(ranges):
        while open_ and ranges[open_[-1]][1] < first:
            open_.pop()
        if open_:
            outer_first, outer_last, other, _ = ranges[open_[-1]]
            if (first, last) == (outer_first, outer_last):
                problems.append(f"line {line}: the same range as line {other}")
            elif last > outer_last:
                problems.append(f"line {line}: overlaps the range of line {other}")
        around.append(open_[-1] if open_ else -1)
        open_.append(place)
    return tuple(around)


def _rows(
    text: str, columns: tuple[str, ...], most: int, problems: list[str]
) -> Iterator[tuple[int, dict[str, str], bool]]:
    """Yield the rows of a file with their lines and what they say; note what is wrong."""
    if len(text) > MOST_LETTERS:
        raise BadList(f"more than {MOST_LETTERS} characters")
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header: list[str] | None = None
    count = 0
    try:
        for cells in reader:
            line = reader.line_num
            if not any(map(str.strip, cells)):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                if sorted(header) != sorted(columns):
                    raise BadList(f"line {line}: the first row must be {','.join(columns)}")
                continue
            count += 1
            if count > most:
                raise BadList(f"line {line}: more than {most} rows")
            if len(problems) >= _SHOWN_PROBLEMS:
                return
            if len(cells) != len(header):
                problems.append(f"line {line}: {len(cells)} columns, not {len(header)}")
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            if any(len(cell) > _MOST_CELL for cell in row.values()):
                problems.append(f"line {line}: a text of more than {_MOST_CELL} characters")
                continue
            allow = _ANSWERS.get(row["allow"].lower())
            if allow is None:
                problems.append(f"line {line}: allow must be yes or no")
                continue
            yield line, row, allow
    except csv.Error as error:
        raise BadList(f"line {reader.line_num}: {error}") from None
    if header is None:
        raise BadList(f"is empty: the first row must be {','.join(columns)}")


def _is_prefix(text: str) -> bool:
    return 1 <= len(text) <= _EID_DIGITS and text.isascii() and text.isdigit()


def _refuse(problems: list[str]) -> None:
    if problems:
        raise BadList("; ".join(problems[:_SHOWN_PROBLEMS]))


def _rest(said: list[bool]) -> Listing:
    return _listing(said[0]) if said else Listing.UNLISTED


def _listing(allow: bool) -> Listing:
    return Listing.ALLOWED if allow else Listing.DENIED
