"""The server's machine, step by step: known packets, every way to fail, and all states."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.eap import keys
from simgrant.eap.machine import (
    NO_EXTRA,
    PLAIN,
    Accept,
    Action,
    Aka,
    Extra,
    FetchVector,
    IdentityGiven,
    Input,
    Options,
    PacketReceived,
    PseudonymResolved,
    ReauthContext,
    ReauthResolved,
    Reject,
    RejectReason,
    ResolvePseudonym,
    ResolveReauth,
    SendPacket,
    State,
    VectorFetched,
    Waiting,
    step,
)
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import (
    EMPTY_MAC,
    Code,
    Encrypted,
    IdentityRequest,
    Packet,
    Res,
    Subtype,
    Variant,
    pull_packet,
    push_encrypted,
    push_packet,
)
from simgrant.eap.state import MalformedState, pull_state, push_state
from simgrant.eap.vector import AuthVector, Resync
from tests.examples import examples
from tests.vectors import Case, load

IDENTITY = b"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
KNOWN = {case["name"]: case for case in load("aka_packets")}
SET = load("milenage")[0]
VECTOR = Milenage(SET.raw("k"), SET.raw("opc")).generate(
    SET.raw("rand"), sqn=SET.number("sqn"), amf=SET.raw("amf")
)
K_AUT = bytes.fromhex("16589190b459f1708f94261b0a042d73")


def challenged(options: Options = PLAIN) -> Aka:
    """Return the state after a known challenge was sent."""
    aka, _ = step(Aka.new(), IdentityGiven(IDENTITY), options)
    aka, action = step(aka, VectorFetched(VECTOR), options)
    assert isinstance(action, SendPacket)
    return aka


def response(**fields: object) -> Packet:
    base = Packet(code=Code.RESPONSE, identifier=1, variant=Variant.AKA, subtype=Subtype.CHALLENGE)
    return replace(base, **fields)  # type: ignore[arg-type]


def signed(k_aut: bytes = K_AUT, **fields: object) -> bytes:
    packet = response(mac=EMPTY_MAC, **fields)
    return keys.sign(packet.variant, k_aut, push_packet(packet))


def rejected(aka: Aka, data: bytes, options: Options = PLAIN) -> RejectReason:
    after, action = step(aka, PacketReceived(data), options)
    assert isinstance(action, Reject)
    assert after.state is State.FAILURE
    assert after.waiting is Waiting.NOTHING
    return action.reason


# --- the known conversation ---


def known(name: str) -> Case:
    return KNOWN[name]


@pytest.mark.spec("RFC 4187 §9.3")
def test_known_conversation_byte_for_byte() -> None:
    aka, action = step(Aka.new(), IdentityGiven(IDENTITY))
    assert action == FetchVector(IDENTITY, Variant.AKA)
    assert aka.waiting is Waiting.VECTOR
    aka, action = step(aka, VectorFetched(VECTOR))
    assert action == SendPacket(known("set 1 challenge").raw("data"))
    aka, action = step(aka, PacketReceived(known("set 1 response").raw("data")))
    assert action == Accept(IDENTITY, Variant.AKA)
    assert (aka.state, aka.waiting) == (State.SUCCESS, Waiting.NOTHING)


def test_known_synchronisation_failure() -> None:
    milenage = Milenage(SET.raw("k"), SET.raw("opc"))
    vector = milenage.generate(SET.raw("rand"), sqn=0x20, amf=b"\x80\0")
    aka, _ = step(Aka.new(), IdentityGiven(IDENTITY))
    aka, action = step(aka, VectorFetched(vector))
    assert action == SendPacket(known("set 1 challenge, sqn 32").raw("data"))
    case = known("set 1 sync failure, sqn_ms 41f")
    aka, action = step(aka, PacketReceived(case.raw("data")))
    resync = Resync(SET.raw("rand"), case.raw("auts"))
    assert action == FetchVector(IDENTITY, Variant.AKA, resync)
    assert aka.resynced


def test_answer_of_aosp_is_taken() -> None:
    case, made = known("aosp response"), load("aka_keys")[0]
    vector = AuthVector(
        bytes.fromhex("5ce6529028f1cac804e37196a8726f81"),
        bytes.fromhex("6b8a4586ade90000b354e13c660833e8"),
        case.raw("res"),
        made.raw("ck"),
        made.raw("ik"),
    )
    identity = made["identity"].encode()
    aka, _ = step(Aka.new(first_id=2), IdentityGiven(identity))
    aka, _ = step(aka, VectorFetched(vector))
    assert aka.k_aut == case.raw("k_aut")
    _, action = step(aka, PacketReceived(case.raw("data")))
    assert action == Accept(identity, Variant.AKA)


def test_a_conversation_that_is_over_keeps_no_secret() -> None:
    aka, _ = step(challenged(), PacketReceived(known("set 1 response").raw("data")))
    assert (aka.identity, aka.rand, aka.xres, aka.k_aut) == (b"", b"", b"", b"")
    assert aka.extra is NO_EXTRA


@pytest.mark.parametrize(("first", "ids"), [(0, [0, 1]), (255, [255, 0]), (7, [7, 8])])
def test_identifiers_count_up_and_wrap(first: int, ids: list[int]) -> None:
    aka, _ = step(Aka.new(first_id=first), IdentityGiven(IDENTITY))
    aka, action = step(aka, VectorFetched(VECTOR))
    seen = [action.data[1]] if isinstance(action, SendPacket) else []
    auts = push_packet(
        response(subtype=Subtype.SYNCHRONIZATION_FAILURE, identifier=first, auts=bytes(14))
    )
    aka, _ = step(aka, PacketReceived(auts))
    _, action = step(aka, VectorFetched(VECTOR))
    seen += [action.data[1]] if isinstance(action, SendPacket) else []
    assert seen == ids


# --- checks of the answer, in their order ---


@pytest.mark.spec("RFC 4187 §10.13")
def test_an_empty_checkcode_is_taken_and_another_is_not() -> None:
    res = Res(VECTOR.xres, 64)
    _, action = step(challenged(), PacketReceived(signed(res=res, checkcode=b"")))
    assert isinstance(action, Accept)
    data = signed(res=res, checkcode=bytes(20))
    assert rejected(challenged(), data) is RejectReason.BAD_CHECKCODE


@pytest.mark.spec("RFC 4187 §9.4")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (signed(), RejectReason.BAD_RES),
        (signed(res=Res(bytes(8), 64)), RejectReason.BAD_RES),
        (signed(res=Res(VECTOR.xres, 63)), RejectReason.BAD_RES),
        (signed(res=Res(VECTOR.xres[:4], 32)), RejectReason.BAD_RES),
        (signed(res=Res(VECTOR.xres + b"\0", 72)), RejectReason.BAD_RES),
        (signed(bytes(16), res=Res(VECTOR.xres, 64)), RejectReason.BAD_MAC),
        (signed(b"", res=Res(VECTOR.xres, 64)), RejectReason.BAD_MAC),
        (signed(bytes(16), res=Res(bytes(8), 64)), RejectReason.BAD_MAC),
        (signed(bytes(16), checkcode=bytes(20)), RejectReason.BAD_MAC),
        (push_packet(response(res=Res(VECTOR.xres, 64))), RejectReason.BAD_MAC),
        (push_packet(response()), RejectReason.BAD_MAC),
        (push_packet(response(kdfs=(1,))), RejectReason.KDF_NOT_OFFERED),
    ],
)
def test_mac_comes_before_res_and_both_must_be_right(data: bytes, reason: RejectReason) -> None:
    assert rejected(challenged(), data) is reason


def test_the_mac_of_a_re_authentication_is_no_mac_of_a_challenge() -> None:
    packet = push_packet(response(res=Res(VECTOR.xres, 64), mac=EMPTY_MAC))
    data = keys.sign(Variant.AKA, K_AUT, packet, appended=bytes(16))
    assert rejected(challenged(), data) is RejectReason.BAD_MAC


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (response(identifier=2), RejectReason.WRONG_HEADER),
        (response(identifier=0), RejectReason.WRONG_HEADER),
        (response(code=Code.REQUEST), RejectReason.WRONG_HEADER),
        (response(variant=Variant.AKA_PRIME), RejectReason.WRONG_HEADER),
        (response(subtype=Subtype.IDENTITY, identity=IDENTITY), RejectReason.UNEXPECTED),
        (response(subtype=Subtype.REAUTHENTICATION), RejectReason.UNEXPECTED),
        (response(subtype=Subtype.NOTIFICATION), RejectReason.UNEXPECTED),
        (response(subtype=Subtype.AUTHENTICATION_REJECT), RejectReason.AUTN_REFUSED),
        (response(subtype=Subtype.CLIENT_ERROR, client_error=0), RejectReason.CLIENT_ERROR),
        (response(subtype=Subtype.CLIENT_ERROR), RejectReason.CLIENT_ERROR),
        (response(subtype=Subtype.SYNCHRONIZATION_FAILURE), RejectReason.MALFORMED),
    ],
    ids=lambda value: value.subtype.name if isinstance(value, Packet) else str(value),
)
def test_other_answers_to_a_challenge(packet: Packet, reason: RejectReason) -> None:
    assert rejected(challenged(), push_packet(packet)) is reason


@pytest.mark.parametrize("data", [b"", b"rubbish", bytes.fromhex("0201000603 32")])
def test_rubbish_is_rejected(data: bytes) -> None:
    assert rejected(challenged(), data) is RejectReason.MALFORMED


def test_a_second_synchronisation_failure_is_rejected() -> None:
    data = push_packet(response(subtype=Subtype.SYNCHRONIZATION_FAILURE, auts=bytes(14)))
    aka, action = step(challenged(), PacketReceived(data))
    assert isinstance(action, FetchVector)
    aka, action = step(aka, VectorFetched(VECTOR))
    again = bytearray(data)
    again[1] = 2
    assert rejected(aka, bytes(again)) is RejectReason.RESYNC_TWICE


def test_the_old_answer_does_not_fit_the_challenge_after_a_resynchronisation() -> None:
    data = push_packet(response(subtype=Subtype.SYNCHRONIZATION_FAILURE, auts=bytes(14)))
    aka, _ = step(challenged(), PacketReceived(data))
    aka, _ = step(aka, VectorFetched(VECTOR))
    old = known("set 1 response").raw("data")
    assert rejected(aka, old) is RejectReason.WRONG_HEADER


# --- inputs nobody asked for ---


@pytest.mark.parametrize(
    "given_input",
    [
        IdentityGiven(IDENTITY),
        VectorFetched(VECTOR),
        PseudonymResolved(IDENTITY),
        ReauthResolved(None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_vector_is_only_taken_when_asked_for(given_input: Input) -> None:
    aka, action = step(challenged(), given_input)
    assert isinstance(action, Reject)
    assert action.reason is RejectReason.UNEXPECTED
    assert aka.state is State.FAILURE


def test_nothing_follows_the_end() -> None:
    good = PacketReceived(known("set 1 response").raw("data"))
    aka, action = step(challenged(), good)
    assert isinstance(action, Accept)
    aka, action = step(aka, good)
    assert isinstance(action, Reject)
    assert aka.state is State.FAILURE
    _, action = step(aka, good)
    assert isinstance(action, Reject)


# --- identities ---


@pytest.mark.parametrize(
    "identity",
    [
        b"",
        b"null",
        b"1" + IDENTITY[1:],
        b"6" + IDENTITY[1:],
        b"2pseudo@x",
        b"4reauth@x",
        b"0" * 254,
    ],
)
def test_identities_of_no_use_are_rejected_by_default(identity: bytes) -> None:
    _, action = step(Aka.new(), IdentityGiven(identity))
    assert isinstance(action, Reject)
    assert action.reason is RejectReason.UNKNOWN_IDENTITY


def test_temporary_identities_are_resolved_if_the_options_say_so() -> None:
    options = Options(pseudonyms=True, reauthentication=True)
    aka, action = step(Aka.new(), IdentityGiven(b"2pseudo"), options)
    assert action == ResolvePseudonym(b"2pseudo")
    aka, action = step(aka, PseudonymResolved(IDENTITY), options)
    assert action == FetchVector(IDENTITY, Variant.AKA)
    aka, action = step(Aka.new(), IdentityGiven(b"4reauth"), options)
    assert action == ResolveReauth(b"4reauth")


def test_an_unknown_pseudonym_is_rejected_without_identity_rounds() -> None:
    options = Options(pseudonyms=True)
    aka, _ = step(Aka.new(), IdentityGiven(b"2pseudo"), options)
    _, action = step(aka, PseudonymResolved(None), options)
    assert isinstance(action, Reject)
    assert action.reason is RejectReason.UNKNOWN_IDENTITY


@pytest.mark.conforms("eap.keys-from-identity")
@pytest.mark.spec("RFC 4187 §7")
def test_the_keys_are_made_from_the_identity_given_not_the_permanent_one() -> None:
    options = Options(pseudonyms=True)
    aka, _ = step(Aka.new(), IdentityGiven(b"2pseudo"), options)
    aka, _ = step(aka, PseudonymResolved(IDENTITY), options)
    aka, _ = step(aka, VectorFetched(VECTOR), options)
    assert aka.k_aut == keys.derive(b"2pseudo", ik=VECTOR.ik, ck=VECTOR.ck).k_aut


@pytest.mark.parametrize("identity", [None, b"", b"0" * 254])
def test_an_identity_answer_without_a_usable_identity(identity: bytes | None) -> None:
    options = Options(identity_rounds=True, ask_identity=True)
    aka, action = step(Aka.new(), IdentityGiven(b""), options)
    assert isinstance(action, SendPacket)
    data = push_packet(response(subtype=Subtype.IDENTITY, identity=identity))
    assert rejected(aka, data, options) is RejectReason.MALFORMED


def test_after_permanent_was_asked_for_nothing_else_will_do() -> None:
    options = Options(identity_rounds=True, pseudonyms=True, reauthentication=True)
    for identity in (b"2pseudo", b"4reauth", b"x"):
        aka = Aka(
            waiting=Waiting.PEER,
            eap_id=1,
            extra=Extra(asked=IdentityRequest.PERMANENT, messages=b"m"),
        )
        data = push_packet(response(subtype=Subtype.IDENTITY, identity=identity))
        assert rejected(aka, data, options) is RejectReason.UNKNOWN_IDENTITY


@pytest.mark.spec("RFC 4187 §4.1.4")
@pytest.mark.parametrize("asked", [IdentityRequest.NONE, IdentityRequest.ANY])
def test_a_reauthentication_identity_will_do_until_a_full_one_was_asked_for(
    asked: IdentityRequest,
) -> None:
    options = Options(identity_rounds=True, pseudonyms=True, reauthentication=True)
    data = push_packet(response(subtype=Subtype.IDENTITY, identity=b"4reauth"))
    aka = Aka(waiting=Waiting.PEER, eap_id=1, extra=Extra(asked=asked, messages=b"m"))
    _, action = step(aka, PacketReceived(data), options)
    assert action == ResolveReauth(b"4reauth")
    aka = replace(aka, extra=replace(aka.extra, asked=IdentityRequest.FULLAUTH))
    _, action = step(aka, PacketReceived(data), options)
    assert isinstance(action, SendPacket)
    assert pull_packet(action.data).identity_request is IdentityRequest.PERMANENT


# --- what only options bring ---


def test_a_reauthentication_answer_must_repeat_the_counter() -> None:
    options = Options(reauthentication=True)
    context = ReauthContext(IDENTITY, Variant.AKA, bytes(16), K_AUT, bytes(20), 5)
    aka, _ = step(Aka.new(), IdentityGiven(b"4reauth"), options)
    aka, action = step(aka, ReauthResolved(context, b"n" * 16), options)
    assert isinstance(action, SendPacket)

    def answer(inner: Encrypted | None, *, iv: bytes | None = bytes(16)) -> bytes:
        encrypted = keys.encrypt(bytes(16), bytes(16), push_encrypted(inner)) if inner else None
        packet = response(
            subtype=Subtype.REAUTHENTICATION, iv=iv, encrypted=encrypted, mac=EMPTY_MAC
        )
        return keys.sign(Variant.AKA, K_AUT, push_packet(packet), appended=b"n" * 16)

    _, accepted = step(aka, PacketReceived(answer(Encrypted(counter=5))), options)
    assert accepted == Accept(IDENTITY, Variant.AKA, reauthenticated=True)
    for wrong in (
        answer(Encrypted(counter=4)),
        answer(Encrypted(counter=6, counter_too_small=True)),
        answer(Encrypted(nonce_s=bytes(16))),
        answer(None),
        answer(Encrypted(counter=5), iv=None),
    ):
        assert rejected(aka, wrong, options) is RejectReason.BAD_COUNTER


def test_a_reauthentication_answer_with_a_wrong_checkcode() -> None:
    options = Options(reauthentication=True)
    context = ReauthContext(IDENTITY, Variant.AKA, bytes(16), K_AUT, bytes(20), 5)
    aka, _ = step(Aka.new(), IdentityGiven(b"4reauth"), options)
    aka, _ = step(aka, ReauthResolved(context, b"n" * 16), options)
    packet = response(subtype=Subtype.REAUTHENTICATION, checkcode=bytes(20), mac=EMPTY_MAC)
    data = keys.sign(Variant.AKA, K_AUT, push_packet(packet), appended=b"n" * 16)
    assert rejected(aka, data, options) is RejectReason.BAD_CHECKCODE


@pytest.mark.parametrize("counter", [4, None])
def test_an_acknowledgement_of_a_reauthentication_must_repeat_the_counter(
    counter: int | None,
) -> None:
    aka = Aka(
        state=State.NOTIFICATION,
        waiting=Waiting.PEER,
        eap_id=1,
        k_aut=K_AUT,
        extra=Extra(permanent=IDENTITY, k_encr=bytes(16), counter=5, nonce_s=b"n" * 16),
    )
    inner = push_encrypted(Encrypted(counter=counter))
    fields = {"iv": bytes(16), "encrypted": keys.encrypt(bytes(16), bytes(16), inner)}
    data = signed(subtype=Subtype.NOTIFICATION, **(fields if counter else {}))
    assert rejected(aka, data) is RejectReason.BAD_COUNTER


@pytest.mark.spec("RFC 9048 §3.2")
def test_an_answer_under_a_key_derivation_we_do_not_know_is_no_proof() -> None:
    """The first function offered is not ours, and the device did not choose ours."""
    options = Options(prime=True, kdfs=(7, 1))
    aka, _ = step(Aka.new(), IdentityGiven(b"6" + IDENTITY[1:]), options)
    vector = replace(VECTOR, autn=VECTOR.autn[:6] + b"\x80\0" + VECTOR.autn[8:])
    aka, _ = step(aka, VectorFetched(vector), options)
    data = signed(aka.k_aut, variant=Variant.AKA_PRIME, res=Res(vector.xres, 64))
    assert rejected(aka, data, options) is RejectReason.KDF_NOT_OFFERED


def test_an_answer_that_decrypts_to_rubbish_is_a_bad_counter() -> None:
    options = Options(reauthentication=True)
    context = ReauthContext(IDENTITY, Variant.AKA, bytes(16), K_AUT, bytes(20), 5)
    aka, _ = step(Aka.new(), IdentityGiven(b"4reauth"), options)
    aka, _ = step(aka, ReauthResolved(context, b"n" * 16), options)
    packet = response(
        subtype=Subtype.REAUTHENTICATION, iv=bytes(16), encrypted=bytes(32), mac=EMPTY_MAC
    )
    data = keys.sign(Variant.AKA, K_AUT, push_packet(packet), appended=b"n" * 16)
    assert rejected(aka, data, options) is RejectReason.BAD_COUNTER


def test_options_that_cannot_be_carried_out_are_refused() -> None:
    for wrong in (
        {"network_name": b""},
        {"network_name": bytes(254)},
        {"kdfs": ()},
        {"kdfs": (2,)},
        {"kdfs": (1, 1)},
        {"kdfs": tuple(range(1, 18))},
        {"kdfs": (1, 65536)},
        {"ask_identity": True},
    ):
        with pytest.raises(ValueError, match=r"\w+"):
            Options(**wrong)


def test_inputs_that_could_not_be_sent_are_refused() -> None:
    context = ReauthContext(IDENTITY, Variant.AKA, bytes(16), K_AUT, bytes(20), 5)
    with pytest.raises(ValueError, match="NONCE_S"):
        ReauthResolved(context)
    with pytest.raises(ValueError, match="too long"):
        ReauthResolved(None, next_reauth_id=bytes(254))
    with pytest.raises(ValueError, match="too long"):
        VectorFetched(VECTOR, next_pseudonym=bytes(254))
    with pytest.raises(ValueError, match="K_encr"):
        replace(context, k_encr=bytes(15))
    with pytest.raises(ValueError, match="K_aut"):
        replace(context, variant=Variant.AKA_PRIME)
    with pytest.raises(ValueError, match="too long"):
        replace(context, identity=bytes(254))


# --- nothing shows what it must not ---


def test_nothing_shows_an_identity_or_a_key() -> None:
    aka = challenged()
    shown = repr(
        [
            aka,
            IdentityGiven(IDENTITY),
            VectorFetched(VECTOR),
            FetchVector(IDENTITY, Variant.AKA, Resync(b"r" * 16, b"a" * 14)),
            Accept(IDENTITY, Variant.AKA, keys.SessionKeys(b"m" * 64, b"e" * 64)),
            PacketReceived(known("set 1 response").raw("data")),
            ReauthContext(IDENTITY, Variant.AKA, b"k" * 16, b"k" * 16, b"k" * 20, 1),
            Extra(permanent=IDENTITY, k_encr=b"k" * 16),
        ]
    )
    for secret in ("0101000", "mmmm", "kkkk", "aaaa", repr(VECTOR.xres)[2:-1], "x16X"):
        assert secret not in shown


# --- all states, all inputs ---


IDENTITIES = st.sampled_from(
    [b"", IDENTITY, b"6" + IDENTITY[1:], b"2pseudo", b"4reauth", b"7p", b"8r", b"x@y", b"0" * 254]
)
FLAGS = st.booleans()
MOSTLY = st.sampled_from([True, True, True, True, True, False])
WHERE = [
    (State.IDENTITY, Waiting.IDENTITY),
    (State.IDENTITY, Waiting.PSEUDONYM),
    (State.IDENTITY, Waiting.REAUTH),
    (State.IDENTITY, Waiting.VECTOR),
    (State.IDENTITY, Waiting.PEER),
    (State.CHALLENGE, Waiting.VECTOR),
    (State.CHALLENGE, Waiting.PEER),
    (State.REAUTH, Waiting.PEER),
    (State.NOTIFICATION, Waiting.PEER),
    (State.SUCCESS, Waiting.NOTHING),
    (State.FAILURE, Waiting.NOTHING),
]


def sized(*sizes: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from([bytes((size,)) * size for size in sizes])


def is_whole(aka: Aka) -> bool:
    """Tell whether this state could have come out of a cookie."""
    try:
        return pull_state(push_state(aka)) == aka
    except (MalformedState, ValueError):
        return False


@st.composite
def extras(draw: st.DrawFn, *, fast: bool) -> Extra:
    """Draw what a conversation may carry besides; `fast` if it is a re-authentication."""
    if not fast and draw(FLAGS):
        return NO_EXTRA
    encrypts = fast or draw(FLAGS)
    msk = draw(sized(0, 64))
    return Extra(
        permanent=draw(st.sampled_from([b"", IDENTITY])),
        messages=draw(st.sampled_from([b"", b"messages"])),
        asked=draw(st.sampled_from(IdentityRequest)),
        autn=draw(sized(0, 16)),
        kdf=draw(st.sampled_from([0, 1])),
        k_encr=bytes(16) if encrypts else b"",
        master=draw(sized(0, 20, 32)),
        msk=msk,
        emsk=msk,
        next_pseudonym=draw(st.sampled_from([b"", b"2" * 253])) if encrypts else b"",
        next_reauth_id=draw(st.sampled_from([b"", b"4" * 253])) if encrypts else b"",
        counter=draw(st.sampled_from([0, 1, 65535])),
        nonce_s=b"n" * 16 if fast or (encrypts and draw(FLAGS)) else b"",
        failure=draw(st.sampled_from([None, None, None, RejectReason.BAD_RES])),
    )


@st.composite
def states(draw: st.DrawFn) -> Aka:
    """Draw any state that a cookie may hold."""
    state, waiting = draw(st.sampled_from(WHERE))
    variant = draw(st.sampled_from(Variant))
    return Aka(
        state=state,
        waiting=waiting,
        variant=variant,
        eap_id=draw(st.sampled_from([0, 1, 255])),
        resynced=draw(FLAGS),
        identity=draw(IDENTITIES.filter(lambda identity: len(identity) < 254)),
        rand=b"r" * 16,
        xres=draw(sized(4, 8, 16)),
        k_aut=bytes(keys.K_AUT_BYTES[variant]),
        extra=draw(extras(fast=state is State.REAUTH)),
    )


option_sets = st.builds(
    Options,
    prime=FLAGS,
    identity_rounds=FLAGS,
    pseudonyms=FLAGS,
    reauthentication=FLAGS,
    result_indication=FLAGS,
    notify_failure=FLAGS,
    bidding=FLAGS,
    session_keys=FLAGS,
    kdfs=st.sampled_from([(1,), (7, 1), (1, 7)]),
)
vectors = st.builds(
    AuthVector,
    rand=sized(16),
    autn=sized(16),
    xres=sized(4, 8, 16),
    ck=sized(16),
    ik=sized(16),
    derived=st.booleans(),
)
contexts = st.builds(
    lambda variant, counter: ReauthContext(
        IDENTITY,
        variant,
        bytes(16),
        bytes(keys.K_AUT_BYTES[variant]),
        bytes(20 if variant is Variant.AKA else 32),
        counter,
    ),
    st.sampled_from(Variant),
    st.sampled_from([0, 1, 65535, 65536]),
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "res": sized(4, 8, 16).map(lambda res: Res(res, 8 * len(res))),
        "auts": sized(14),
        "identity": IDENTITIES,
        "client_error": st.integers(0, 3),
        "kdfs": st.sampled_from([(1,), (7,), (1, 7)]),
        "iv": sized(16),
        "encrypted": sized(16, 32),
        "checkcode": sized(0, 20, 32),
    },
)


OWN_SUBTYPE = {
    State.IDENTITY: Subtype.IDENTITY,
    State.CHALLENGE: Subtype.CHALLENGE,
    State.REAUTH: Subtype.REAUTHENTICATION,
    State.NOTIFICATION: Subtype.NOTIFICATION,
}
ANY_INPUT: dict[Waiting, st.SearchStrategy[Input]] = {
    Waiting.IDENTITY: IDENTITIES.map(IdentityGiven),
    Waiting.PSEUDONYM: st.builds(PseudonymResolved, st.none() | IDENTITIES),
    Waiting.REAUTH: st.builds(ReauthResolved, st.none() | contexts, sized(16), st.just(b"4n")),
    Waiting.VECTOR: st.builds(
        VectorFetched, vectors, st.sampled_from([b"", b"2n"]), st.sampled_from([b"", b"4n"])
    ),
    Waiting.PEER: st.just(PacketReceived(b"rubbish")),
}


@st.composite
def steps(draw: st.DrawFn) -> tuple[Aka, Input]:
    """Draw a state and an input; mostly the one waited for, and mostly a sound one."""
    aka = draw(states())
    assert is_whole(aka)
    waiting = draw(st.sampled_from([aka.waiting] * 8 + [*ANY_INPUT]))
    if waiting is Waiting.PEER and draw(MOSTLY):
        return aka, PacketReceived(draw(answers(aka)))
    return aka, draw(ANY_INPUT.get(waiting, ANY_INPUT[Waiting.PEER]))


@st.composite
def answers(draw: st.DrawFn, aka: Aka) -> bytes:
    """Draw a packet that may well be the right answer in this state."""
    sound, own = draw(MOSTLY), OWN_SUBTYPE.get(aka.state, Subtype.CHALLENGE)
    fields = {} if sound else draw(contents)
    if draw(MOSTLY):
        fields["res"] = Res(aka.xres, 8 * len(aka.xres))
    if own is Subtype.IDENTITY and draw(MOSTLY):
        fields["identity"] = draw(IDENTITIES)
    if aka.extra.k_encr and draw(MOSTLY):
        inner = Encrypted(counter=aka.extra.counter, counter_too_small=draw(FLAGS))
        fields["iv"] = bytes(16)
        fields["encrypted"] = keys.encrypt(aka.extra.k_encr, bytes(16), push_encrypted(inner))
    packet = response(
        code=Code.RESPONSE if sound else draw(st.sampled_from(Code)),
        identifier=aka.eap_id if sound else draw(st.sampled_from([aka.eap_id, 3])),
        variant=aka.variant if sound else draw(st.sampled_from(Variant)),
        subtype=own if draw(MOSTLY) else draw(st.sampled_from(Subtype)),
        result_indication=draw(FLAGS),
        **{"auts": bytes(14), **fields, "mac": EMPTY_MAC if draw(MOSTLY) else None},
    )
    data = push_packet(packet)
    if packet.mac is None or not draw(MOSTLY):
        return data
    appended = aka.extra.nonce_s if packet.subtype is Subtype.REAUTHENTICATION else b""
    return keys.sign(aka.variant, aka.k_aut, data, appended=appended)


def proves_the_sim(aka: Aka, given_input: Input) -> bool:
    """Tell, apart from the machine, whether this input proves the SIM in this state."""
    if not isinstance(given_input, PacketReceived):
        return False
    packet = pull_packet(given_input.data)
    reauth = aka.state is State.REAUTH
    if packet.mac is None or packet.identifier != aka.eap_id:
        return False
    covered = given_input.data.replace(packet.mac, EMPTY_MAC) + (
        aka.extra.nonce_s if reauth else b""
    )
    if keys.mac_of(aka.variant, aka.k_aut, covered) != packet.mac:
        return False
    if aka.state is State.CHALLENGE:
        return packet.res is not None and packet.res.value == aka.xres
    return aka.state in {State.REAUTH, State.NOTIFICATION}


@settings(max_examples=examples(300), deadline=None)
@given(drawn=steps(), options=option_sets)
def test_any_step_gives_a_whole_state_and_accepts_only_a_proven_sim(
    drawn: tuple[Aka, Input], options: Options
) -> None:
    aka, given_input = drawn
    after, action = step(aka, given_input, options)
    assert isinstance(action, Action)
    assert is_whole(after)
    if isinstance(action, Accept):
        assert after.state is State.SUCCESS
        assert aka.waiting is Waiting.PEER
        assert aka.extra.failure is None
        assert proves_the_sim(aka, given_input)
    elif isinstance(action, Reject):
        assert after.state is State.FAILURE
    else:
        assert (
            after.waiting
            in {
                FetchVector: {Waiting.VECTOR},
                ResolvePseudonym: {Waiting.PSEUDONYM},
                ResolveReauth: {Waiting.REAUTH},
                SendPacket: {Waiting.PEER},
            }[type(action)]
        )
    if isinstance(action, FetchVector) and action.resync:
        assert not aka.resynced
        assert after.resynced
    if isinstance(action, SendPacket):
        assert pull_packet(action.data).identifier == after.eap_id == (aka.eap_id + 1) % 256
    if aka.resynced and not isinstance(given_input, IdentityGiven):
        assert after.resynced


@settings(max_examples=examples(60), deadline=None)
@given(drawn=st.lists(steps(), max_size=6), options=option_sets)
def test_any_conversation_has_at_most_one_resynchronisation(
    drawn: list[tuple[Aka, Input]], options: Options
) -> None:
    aka, resyncs = challenged(), 0
    for _, given_input in drawn:
        if isinstance(given_input, PacketReceived):
            given_input = PacketReceived(
                push_packet(
                    response(
                        subtype=Subtype.SYNCHRONIZATION_FAILURE,
                        identifier=aka.eap_id,
                        auts=bytes(14),
                    )
                )
            )
        elif aka.waiting is Waiting.VECTOR:
            given_input = VectorFetched(VECTOR)
        aka, action = step(aka, given_input, options)
        resyncs += isinstance(action, FetchVector) and action.resync is not None
    assert resyncs <= 1
