"""Identities are checked when made and masked whenever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("identity", "sound"),
    [
        (Imei("490154203237518"), True),
        (Imei("490154203237517"), False),
        (Imei("490154203237510"), True),  # 0 in the check digit's place
        (Imei("49015420323751"), True),  # without one
        (Imei("4901542032375101"), True),  # an IMEISV has none
        (Iccid("8944500000000000008"), False),
        (Eid("89049032123451234512345678901235"), True),
        (Eid("89049032123451234512345678901236"), False),
    ],
)
def test_check_digits_are_looked_at(identity: Imei | Iccid | Eid, *, sound: bool) -> None:
    assert identity.is_sound is sound


@given(st.text("0123456789", min_size=17, max_size=19))
def test_one_check_digit_of_ten_fits_an_iccid(digits: str) -> None:
    fitting = [each for each in "0123456789" if Iccid(digits + each).is_sound]
    assert len(fitting) == 1
    # No single digit can be wrong without being noticed.
    good = digits + fitting[0]
    other = good[:3] + str((int(good[3]) + 1) % 10) + good[4:]
    assert not Iccid(other).is_sound


@given(st.text("0123456789", min_size=30, max_size=30))
def test_one_pair_of_check_digits_fits_an_eid(digits: str) -> None:
    check = 98 - int(digits + "00") % 97
    assert Eid(f"{digits}{check:02}").is_sound
    assert not Eid(f"{digits}{(check + 1) % 100:02}").is_sound
