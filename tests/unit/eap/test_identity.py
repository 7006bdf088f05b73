"""Identities: every leading digit, every realm form, and what must be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap.identity import (
    IdentityKind,
    MalformedIdentity,
    Nai,
    RealmMismatch,
    kind_of,
    parse_nai,
    permanent_nai,
)
from simgrant.eap.packet import Variant
from simgrant.identities import Imsi

IMSI = "001010000000001"
REALM = "nai.epc.mnc001.mcc001.3gppnetwork.org"


@pytest.mark.spec("TS 23.003 §19.3.2")
def test_root_nai() -> None:
    nai = parse_nai(f"0{IMSI}@{REALM}")
    assert nai.kind is IdentityKind.PERMANENT
    assert nai.variant is Variant.AKA
    assert nai.imsi == Imsi(IMSI)
    assert (nai.mcc, nai.mnc) == ("001", "001")
    assert nai.realm == REALM
    assert nai.visited_realm is None


@pytest.mark.parametrize(
    "realm",
    [
        "wlan.mnc001.mcc001.3gppnetwork.org",
        "nai.5gc.mnc001.mcc001.3gppnetwork.org",
        "NAI.EPC.MNC001.MCC001.3GPPNETWORK.ORG",
        "aes.mnc001.mcc001.pub.3gppnetwork.org",
    ],
)
def test_other_realms_of_the_same_operator(realm: str) -> None:
    assert parse_nai(f"0{IMSI}@{realm}").realm == realm.lower()


@pytest.mark.spec("TS 23.003 §2.2")
@pytest.mark.parametrize(
    ("imsi", "mcc", "mnc"),
    [
        ("234107813240779", "234", "010"),
        ("234107813240779", "234", "107"),
        ("310410123456789", "310", "410"),
        ("310410123456789", "310", "041"),
        ("23410", "234", "010"),
    ],
)
def test_mnc_of_two_or_three_digits(imsi: str, mcc: str, mnc: str) -> None:
    imsi = imsi.ljust(6, "0")
    nai = parse_nai(f"0{imsi}@nai.epc.mnc{mnc}.mcc{mcc}.3gppnetwork.org")
    assert (nai.mcc, nai.mnc) == (mcc, mnc)


@pytest.mark.parametrize(
    ("mcc", "mnc"), [("235", "010"), ("234", "011"), ("234", "100"), ("234", "781")]
)
def test_a_realm_of_another_operator_is_a_mismatch(mcc: str, mnc: str) -> None:
    with pytest.raises(RealmMismatch):
        parse_nai(f"0234107813240779@nai.epc.mnc{mnc}.mcc{mcc}.3gppnetwork.org")


def test_malformed_and_mismatch_are_different_errors() -> None:
    assert not issubclass(RealmMismatch, MalformedIdentity)
    assert not issubclass(MalformedIdentity, RealmMismatch)


@pytest.mark.spec("RFC 4187 §4.1.1")
@pytest.mark.parametrize(
    ("digit", "variant", "kind"),
    [
        ("2", Variant.AKA, IdentityKind.PSEUDONYM),
        ("4", Variant.AKA, IdentityKind.REAUTHENTICATION),
        ("7", Variant.AKA_PRIME, IdentityKind.PSEUDONYM),
        ("8", Variant.AKA_PRIME, IdentityKind.REAUTHENTICATION),
    ],
)
def test_temporary_identities(digit: str, variant: Variant, kind: IdentityKind) -> None:
    nai = parse_nai(f"{digit}s3kr.t@{REALM}")
    assert (nai.variant, nai.kind, nai.imsi) == (variant, kind, None)
    assert nai.username == f"{digit}s3kr.t"
    assert "s3kr" not in repr(nai)


@pytest.mark.spec("RFC 9048 §3")
def test_permanent_identity_of_aka_prime() -> None:
    nai = parse_nai(f"6{IMSI}@{REALM}")
    assert (nai.variant, nai.kind) == (Variant.AKA_PRIME, IdentityKind.PERMANENT)
    assert nai.imsi == Imsi(IMSI)


@pytest.mark.spec("TS 23.003 §19.3.3")
def test_decorated_nai_belongs_to_the_home_realm() -> None:
    visited = "nai.epc.mnc099.mcc999.3gppnetwork.org"
    nai = parse_nai(f"{REALM}!0{IMSI}@{visited}")
    assert nai.realm == REALM
    assert nai.visited_realm == visited
    assert nai.imsi == Imsi(IMSI)


def test_decoration_through_several_realms() -> None:
    nai = parse_nai(f"{REALM}!via.example!0{IMSI}@visited.example")
    assert (nai.realm, nai.visited_realm) == (REALM, "visited.example")


def test_the_home_realm_of_a_decorated_nai_must_agree_too() -> None:
    with pytest.raises(RealmMismatch):
        parse_nai(f"nai.epc.mnc099.mcc999.3gppnetwork.org!0{IMSI}@{REALM}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "@",
        f"@{REALM}",
        f"0{IMSI}",
        f"0{IMSI}@",
        f"{IMSI[1:]}x@{REALM}",
        f"0@{REALM}",
        f"000101@{REALM}",
        f"0{IMSI}0@{REALM}",
        f"000101000000000a@{REALM}",
        f"0 {IMSI}@{REALM}",
        f"0{IMSI} @{REALM}",
        "0" + "\N{ARABIC-INDIC DIGIT ONE}" * 15 + "@" + REALM,
        f"0{IMSI}@example.com",
        f"0{IMSI}@mnc001.mcc001.3gppnetwork.org",
        f"0{IMSI}@nai.epc.mnc01.mcc001.3gppnetwork.org",
        f"0{IMSI}@nai.epc.mcc001.mnc001.3gppnetwork.org",
        f"0{IMSI}@{REALM}.evil.example",
        f"0{IMSI}@{REALM}\n",
        f"0{IMSI}@nai..mnc001.mcc001.3gppnetwork.org",
        f"0{IMSI}@evil@{REALM}",
        f"1{IMSI}@{REALM}",
        f"3abc@{REALM}",
        f"5abc@{REALM}",
        f"9{IMSI}@{REALM}",
        f"2\x07@{REALM}",
        f"!0{IMSI}@{REALM}",
        f"{REALM}!@{REALM}",
        f"{REALM}!0{IMSI}@",
        "0" * 300 + "@" + REALM,
        f"0{IMSI}@{'a.' * 120}mnc001.mcc001.3gppnetwork.org",
    ],
)
def test_refuses_what_is_no_identity(text: str) -> None:
    with pytest.raises(MalformedIdentity):
        parse_nai(text)


@pytest.mark.spec("TS 23.003 §19.3.9")
@pytest.mark.parametrize("prefix", ["sos.nai.epc", "SOS.nai.epc", "nai.sos", "emergency"])
def test_refuses_emergency_realms(prefix: str) -> None:
    with pytest.raises(MalformedIdentity, match="emergency"):
        parse_nai(f"0{IMSI}@{prefix}.mnc001.mcc001.3gppnetwork.org")


def test_takes_253_characters_and_no_more() -> None:
    user = "2" + "x" * (253 - len(REALM) - 2)
    assert parse_nai(f"{user}@{REALM}").username == user
    with pytest.raises(MalformedIdentity):
        parse_nai(f"{user}x@{REALM}")


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("mnc", ["01", "001"])
def test_what_is_built_is_read_again(variant: Variant, mnc: str) -> None:
    text = permanent_nai(Imsi(IMSI), mcc="001", mnc=mnc, variant=variant)
    nai = parse_nai(text)
    assert text.endswith(f"{IMSI}@{REALM}")
    assert (nai.imsi, nai.variant) == (Imsi(IMSI), variant)


def test_the_imsi_is_not_shown() -> None:
    nai = parse_nai(f"0{IMSI}@{REALM}")
    assert IMSI not in repr(nai)
    assert "0000001" not in repr(nai)


def test_errors_do_not_repeat_the_identity() -> None:
    for text in (f"0{IMSI}@example.com", f"0{IMSI}@{REALM.replace('001', '002')}"):
        with pytest.raises((MalformedIdentity, RealmMismatch)) as caught:
            parse_nai(text)
        assert "00000" not in str(caught.value)


@given(text=st.text(max_size=300) | st.from_regex(r"[0-9!@.]{0,60}@" + REALM.replace(".", r"\.")))
def test_any_text_gives_an_identity_or_one_of_two_errors(text: str) -> None:
    try:
        nai = parse_nai(text)
    except (MalformedIdentity, RealmMismatch):
        return
    assert isinstance(nai, Nai)


@given(identity=st.binary(max_size=5))
def test_kind_is_told_by_the_first_byte_alone(identity: bytes) -> None:
    expected = identity[:1] in {b"0", b"2", b"4", b"6", b"7", b"8"}
    assert (kind_of(identity) is not None) is expected
