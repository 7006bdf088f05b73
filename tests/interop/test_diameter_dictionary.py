"""Our dictionary of Diameter beside that of python-diameter, which is not ours.

Hyphens and a leading 3GPP are spelled as one likes; numbers, types and the rest of names are not.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from simgrant.spec.diameter import AvpRow, dictionary

PYTHON = Path(__file__).parents[2] / ".venv-tools/diameter/bin/python"
_LIST = """
import json
from diameter.message.avp.dictionary import AVP_DICTIONARY, AVP_VENDOR_DICTIONARY
found = [[0, code, row] for code, row in AVP_DICTIONARY.items()]
found += [[v, code, row] for v, rows in AVP_VENDOR_DICTIONARY.items() for code, row in rows.items()]
print(json.dumps([[v, code, row["name"], row["type"].__name__] for v, code, row in found]))
"""
_NUMBER = {"Integer32", "Unsigned32"}
_CALLED = {
    "DiameterIdentity": {"OctetString"},
    "DiameterURI": {"OctetString", "Utf8String"},
    "Enumerated": _NUMBER,
    "Unsigned32": _NUMBER,
    "UTF8String": {"Utf8String"},
}
"""What it takes our types for; four bytes are four bytes."""

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHON.exists(), reason="python-diameter is not there (make tools)"),
]


@pytest.fixture(scope="module")
def theirs() -> dict[tuple[int, int], tuple[str, str]]:
    ran = subprocess.run([PYTHON, "-c", _LIST], capture_output=True, text=True, check=True)
    return {
        (vendor, code): (name, kind.removeprefix("Avp"))
        for vendor, code, name, kind in json.loads(ran.stdout)
    }


@pytest.mark.parametrize("row", dictionary().avps.values(), ids=dictionary().avps.keys())
def test_an_avp_has_their_number_and_type(
    row: AvpRow, theirs: dict[tuple[int, int], tuple[str, str]]
) -> None:
    name, kind = theirs[row.vendor, row.code]
    assert _plain(name) == _plain(row.name)
    assert kind in _CALLED.get(row.type, {row.type})


def _plain(name: str) -> str:
    # Theirs has interfaces before names that are there twice: Sh-User-Data.
    bare = name.replace("-", "").replace("_", "").lower()
    return bare.removeprefix("3gpp").removeprefix("sh")
