"""wpa_supplicant's EAP-AKA and EAP-AKA' peer against our machine, which it has never met.

It checks AT_MAC, AT_CHECKCODE and the counters by itself, refuses what RFC 4187 and RFC 9048 tell
it to refuse, and in the end compares its MSK with ours.
"""

from dataclasses import replace

import pytest

from simgrant.eap.machine import FetchVector, Options, RejectReason, SendPacket
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Subtype, pull_packet
from simgrant.eap.usim import SoftUsim, UsimReject, UsimSuccess, UsimSyncFailure
from simgrant.sim.sims import DEMO_K, DEMO_OPC
from tests.interop import eapol
from tests.interop.eapol import SimCard
from tests.interop.home_network import HomeNetwork

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        eapol.EAPOL_TEST is None, reason="eapol_test is not installed (apt-get install eapoltest)"
    ),
]

REALM = "wlan.mnc001.mcc001.3gppnetwork.org"
KEYS = Milenage(DEMO_K, DEMO_OPC)
IDENTITY = {"AKA": f"0001010000000001@{REALM}", "AKA'": f"6001010000000001@{REALM}"}
both_methods = pytest.mark.parametrize("method", ["AKA", "AKA'"])


BASE = Options(session_keys=True, prime=True)


def _home(**options: bool) -> HomeNetwork:
    return HomeNetwork(KEYS, REALM, options=replace(BASE, **options))  # type: ignore[arg-type]


def _card(usim: SoftUsim, *, flip_res: bool = False) -> SimCard:
    """The software USIM on the control socket."""

    def authenticate(rand: bytes, autn: bytes) -> str:
        match usim.authenticate(rand, autn):
            case UsimSuccess(res, ck, ik):
                if flip_res:
                    res = bytes((res[0] ^ 1, *res[1:]))
                return f"UMTS-AUTH:{ik.hex()}:{ck.hex()}:{res.hex()}"
            case UsimSyncFailure(auts):
                return f"UMTS-AUTS:{auts.hex()}"
            case UsimReject():
                return "UMTS-FAIL"

    return authenticate


def _requests(home: HomeNetwork) -> list[Subtype]:
    """What the machine has sent, in order."""
    sent = (action for action in home.actions if isinstance(action, SendPacket))
    return [pull_packet(action.data).subtype for action in sent]


@both_methods
async def test_full_authentication_ends_in_the_same_msk(method: str) -> None:
    home = _home()
    ran = await eapol.run(home, _card(SoftUsim(KEYS)), identity=IDENTITY[method], method=method)
    assert ran.success, ran.log
    assert ran.keys_agree == 1
    assert _requests(home) == [Subtype.CHALLENGE]
    assert [accepted.identity for accepted in home.accepted] == [IDENTITY[method].encode()]


@both_methods
async def test_a_sim_that_is_ahead_resynchronises_and_gets_in(method: str) -> None:
    home = _home()
    usim = SoftUsim(KEYS, taken=[1 << 20])
    ran = await eapol.run(home, _card(usim), identity=IDENTITY[method], method=method)
    assert ran.success, ran.log
    assert ran.keys_agree == 1
    assert home.resynced == 1
    assert home.sqn > 1 << 20


@both_methods
async def test_a_sim_that_is_never_in_step_is_rejected_at_the_second_auts(method: str) -> None:
    home = _home()

    def behind(rand: bytes, autn: bytes) -> str:
        # A fresh card each time that has seen everything up to far beyond this challenge.
        return _card(SoftUsim(KEYS, taken=[home.sqn + 3200]))(rand, autn)

    ran = await eapol.run(home, behind, identity=IDENTITY[method], method=method)
    assert not ran.success
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.RESYNC_TWICE]
    assert home.vectors_fetched == 2


@both_methods
async def test_a_sim_with_another_key_refuses_our_autn(method: str) -> None:
    home = _home()
    stranger = SoftUsim(Milenage(bytes(16), DEMO_OPC))
    ran = await eapol.run(home, _card(stranger), identity=IDENTITY[method], method=method)
    assert not ran.success
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.AUTN_REFUSED]


@both_methods
async def test_a_wrong_res_under_a_right_mac_is_rejected(method: str) -> None:
    home = _home()
    card = _card(SoftUsim(KEYS), flip_res=True)
    ran = await eapol.run(home, card, identity=IDENTITY[method], method=method)
    assert not ran.success
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.BAD_RES]


@both_methods
async def test_an_identity_round_comes_first_when_asked_for(method: str) -> None:
    home = _home(identity_rounds=True, ask_identity=True)
    ran = await eapol.run(home, _card(SoftUsim(KEYS)), identity=IDENTITY[method], method=method)
    assert ran.success, ran.log
    assert ran.keys_agree == 1
    assert _requests(home) == [Subtype.IDENTITY, Subtype.CHALLENGE]


@both_methods
async def test_a_pseudonym_is_used_the_next_time(method: str) -> None:
    home = _home(identity_rounds=True, pseudonyms=True)
    home.gives_pseudonyms = True
    ran = await eapol.run(
        home, _card(SoftUsim(KEYS)), identity=IDENTITY[method], method=method, again=1
    )
    assert ran.success, ran.log
    assert ran.keys_agree == 2
    assert len(home.accepted) == 2
    assert {accepted.identity for accepted in home.accepted} == {IDENTITY[method].encode()}
    assert home.begun[0] == IDENTITY[method].encode()
    name, _, realm = home.begun[1].partition(b"@")
    assert name in home.pseudonyms
    assert realm == REALM.encode()


@both_methods
async def test_an_unknown_pseudonym_is_asked_to_say_who_it_is(method: str) -> None:
    home = _home(identity_rounds=True, pseudonyms=True)
    home.gives_pseudonyms = home.forgets_pseudonyms = True
    ran = await eapol.run(
        home, _card(SoftUsim(KEYS)), identity=IDENTITY[method], method=method, again=1
    )
    assert ran.success, ran.log
    assert ran.keys_agree == 2
    assert _requests(home) == [Subtype.CHALLENGE, Subtype.IDENTITY, Subtype.CHALLENGE]


@both_methods
async def test_fast_reauthentication_needs_no_vector(method: str) -> None:
    home = _home(identity_rounds=True, reauthentication=True)
    home.gives_reauth_ids = True
    ran = await eapol.run(
        home, _card(SoftUsim(KEYS)), identity=IDENTITY[method], method=method, again=2
    )
    assert ran.success, ran.log
    assert ran.keys_agree == 3
    assert [accepted.reauthenticated for accepted in home.accepted] == [False, True, True]
    assert home.vectors_fetched == 1


@both_methods
async def test_success_can_be_notified_under_protection(method: str) -> None:
    home = _home(result_indication=True)
    ran = await eapol.run(
        home,
        _card(SoftUsim(KEYS)),
        identity=IDENTITY[method],
        method=method,
        phase1="result_ind=1",
    )
    assert ran.success, ran.log
    assert _requests(home) == [Subtype.CHALLENGE, Subtype.NOTIFICATION]


@both_methods
async def test_a_failure_notification_is_acknowledged(method: str) -> None:
    home = _home(notify_failure=True)
    card = _card(SoftUsim(KEYS), flip_res=True)
    ran = await eapol.run(home, card, identity=IDENTITY[method], method=method)
    assert not ran.success
    assert _requests(home) == [Subtype.CHALLENGE, Subtype.NOTIFICATION]
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.BAD_RES]


async def test_the_peer_takes_a_function_of_key_derivation_it_knows() -> None:
    """AKA' offers 2 before 1; the peer asks for 1 and checks the second offer (RFC 9048 §3.2)."""
    home = HomeNetwork(KEYS, REALM, options=replace(BASE, kdfs=(2, 1)))
    ran = await eapol.run(home, _card(SoftUsim(KEYS)), identity=IDENTITY["AKA'"], method="AKA'")
    assert ran.success, ran.log
    assert ran.keys_agree == 1
    assert _requests(home) == [Subtype.CHALLENGE, Subtype.CHALLENGE]


async def test_bidding_down_is_noticed() -> None:
    """A peer that has both methods refuses AKA where the server says it prefers AKA'."""
    home = _home(bidding=True)
    ran = await eapol.run(home, _card(SoftUsim(KEYS)), identity=IDENTITY["AKA"], method="AKA AKA'")
    assert not ran.success
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.AUTN_REFUSED]


async def test_a_network_without_the_separation_bit_cannot_serve_aka_prime() -> None:
    """Our machine notices before the peer has to (TS 33.402 §6.2)."""
    home = _home()
    home.amf = b"\0\0"
    ran = await eapol.run(home, _card(SoftUsim(KEYS)), identity=IDENTITY["AKA'"], method="AKA'")
    assert not ran.success
    assert [rejected.reason for rejected in home.rejected] == [RejectReason.BAD_VECTOR]
    assert any(isinstance(action, FetchVector) for action in home.actions)
