"""Which device a temporary token belongs to (TS.43 §8.9, ADR 0031)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simgrant.flows.marks import HALF_BYTES, is_other, mark, named_mark
from simgrant.wire.request import Ask, ask

ID = b"i" * 16
IMEI, EID = "350000000000033", "89049032123451234512345678901235"

texts = st.text("0123456789abcdefABCDEF-", min_size=1, max_size=40)


def named(terminal_id: str = "", eid: str = "") -> Ask:
    pairs = (("target_terminal_id", terminal_id), ("target_terminal_eid", eid))
    return ask(tuple((name, value) for name, value in pairs if value))


@given(texts, texts, texts, texts)
def test_another_device_is_told_by_whatever_is_named_of_it(
    imei: str, eid: str, other_imei: str, other_eid: str
) -> None:
    held = named_mark(ID, named(imei, eid))
    assert held is not None
    assert len(held) == 2 * HALF_BYTES
    for same in (named(imei, eid), named(imei), named("", eid), named()):
        assert not is_other(ID, same, held)
    is_same = (other_imei.lower() == imei.lower(), other_eid == eid)
    assert is_other(ID, named(other_imei, other_eid), held) == (is_same != (True, True))
    assert is_other(ID, named(other_imei), held) != is_same[0]
    assert is_other(ID, named("", other_eid), held) != is_same[1]


def test_the_halves_of_a_mark_are_of_their_token_and_kind() -> None:
    both = mark(ID, EID, EID)
    assert both[:HALF_BYTES] != both[HALF_BYTES:]
    assert mark(b"j" * 16, EID, EID) != both
    assert named_mark(ID, named(IMEI)) is None
    assert named_mark(ID, named("", EID)) is None
