"""Identities are checked when made and masked whenever shown."""

from __future__ import annotations

import pytest

from simgrant.identities import Eid, Iccid, Imei, Imsi, InvalidIdentity, Msisdn


@pytest.mark.parametrize(
    ("kind", "digits"),
    [
        (Imsi, "001010000000001"),
        (Msisdn, "447700900001"),
        (Imei, "490154203237518"),
        (Iccid, "8944110000000000013"),
        (Eid, "89049032000001000000000000000013"),
    ],
)
def test_no_way_of_showing_an_identity_gives_it_away(
    kind: type[Imsi | Msisdn | Imei | Iccid | Eid], digits: str
) -> None:
    identity = kind(digits)
    for shown in (repr(identity), str(identity), f"{identity}", f"{identity:>40}", f"{identity!r}"):
        assert digits not in shown
        assert digits[-4:] not in shown
    assert identity.digits == digits


@pytest.mark.parametrize(
    "text",
    ["", "12345", "0010100000000012", "00101000000000a", "\u0660\u0660\u0661\u0660\u0661\u0660"],
)
def test_what_is_no_imsi_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidIdentity) as refused:
        Imsi(text)
    assert not text or text not in str(refused.value)


def test_equal_digits_of_different_kinds_are_different() -> None:
    assert Imsi("490154203237518") == Imsi("490154203237518")
    assert Imsi("490154203237518") != Imei("490154203237518")
    assert len({Imsi("001010000000001"), Imsi("001010000000001")}) == 1


def test_an_msisdn_is_one_with_or_without_its_plus() -> None:
    assert Msisdn("+447700900001") == Msisdn("447700900001")
    assert Msisdn("447700900001").e164 == "+447700900001"


def test_a_terminal_id_that_is_no_imei_is_none() -> None:
    assert Imei.tac_of("4ab5c6e0-0000-4000-8000-000000000000") == ""
    assert Imei.tac_of("49015420323751²") == ""
    assert Imei.tac_of("490154203237518") == "49015420"
    assert Imei("490154203237518").tac == "49015420"
