"""What ports/vectors.py promises, kept by every module in adapters/authn.

Each has its own AuC behind it: a store with wrapped keys, or an HSS over Diameter on loopback.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from simgrant.adapters import authn
from simgrant.adapters.authn import cx, gsup, hss_sbi, local_auc, s6a, swx, udm
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.store import migrate
from simgrant.compose.clock import CLOCK
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import load
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.eap.algorithm import make_auts
from simgrant.eap.keys import bind_to_network
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.usim import SoftUsim, UsimReject, UsimSuccess, UsimSyncFailure
from simgrant.eap.vector import AuthVector, Resync
from simgrant.errors import (
    AuthenticationRejected,
    EcsError,
    PeerMisbehaved,
    PeerTimeout,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.store import NewSubscription
from simgrant.ports.vectors import VectorRequest, Vectors
from simgrant.sim.hlr import faults as hlr_faults
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.sims import DEMO_K, DEMO_OPC
from simgrant.sim.udm.faults import Fault as CoreFault
from simgrant.sim.udm.faults import Plan as CorePlan
from simgrant.sim.udm.server import Core
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.sbi.ueau import Operation
from tests.loopback.links.diameter.world import REALM
from tests.loopback.links.diameter.world import World as Diameter
from tests.loopback.links.diameter.world import world as diameter_world
from tests.loopback.links.hlr_world import World as HlrWorld
from tests.loopback.links.hlr_world import world as hlr_world
from tests.loopback.links.sbi.core import US
from tests.loopback.links.sbi.core_world import core_world

EAP_SERVERS = {"aaa_relay"}
"""Those that keep another port, `ports/eap_servers.py`, and give no vectors."""
MODULES = sorted({module.name for module in pkgutil.iter_modules(authn.__path__)} - EAP_SERVERS)
TENANT = "default"
IMSI = Imsi("001010000000001")
STRANGER = Imsi("001010099999999")
KEYS = Milenage(DEMO_K, DEMO_OPC)
AHEAD = 1 << 46


@dataclass
class World:
    """A source of vectors, and a card that its AuC knows."""

    vectors: Vectors
    diameter: Diameter | None = None
    scheme: str = ""
    """As an HSS calls what EAP-AKA is done with."""
    gsup: HlrWorld | None = None
    core: Core | None = None
    variants: tuple[Variant, ...] = tuple(Variant)
    """What it has vectors for, the usual one first."""
    network: bytes = b"WLAN"
    """What EAP-AKA' binds keys to."""
    card: SoftUsim = field(default_factory=lambda: SoftUsim(KEYS))

    async def fetch(
        self,
        variant: Variant | None = None,
        *,
        imsi: Imsi = IMSI,
        resync: Resync | None = None,
        within: float = 10.0,
    ) -> AuthVector:
        request = VectorRequest(TENANT, imsi, variant or self.variants[0], resync)
        deadline = CLOCK.monotonic() + within
        return await self.vectors.fetch(request, deadline=deadline)


@asynccontextmanager
async def _local(directory: Path) -> AsyncIterator[World]:
    file = directory / "simgrant.toml"
    file.write_text("")
    loaded = load(file, {})
    now = int(CLOCK.now())
    key_file.write_keys(loaded.key_file, key_file.initial_keys(now=now - 1000))
    await asyncio.to_thread(migrate.upgrade, loaded.store_url)
    keys, store = open_keys(loaded), await open_store(loaded)
    wrapped = local_auc.wrap(
        "milenage",
        DEMO_K,
        DEMO_OPC,
        ring=keys.ring,
        tenant=TENANT,
        imsi=IMSI,
        amf=b"\x80\x00",
        sqn=0,
        now=now,
    )
    subscription = Subscription(
        tenant=TENANT,
        imsi=IMSI,
        msisdn=Msisdn("447700900001"),
        status=SubscriptionStatus.ACTIVE,
        plan="standard",
        token_epoch=now,
        created_at=now,
        changed_at=now,
    )
    await store.add_many([NewSubscription(subscription, wrapped, ())])
    try:
        config = local_auc.Config(ind=5)
        yield World(local_auc.open_vectors(config, store=store, keys=keys, clock=CLOCK))
    finally:
        await store.close()


@asynccontextmanager
async def _swx(_: Path) -> AsyncIterator[World]:
    async with diameter_world() as made:
        config = swx.Config(route=made.route.config, realm=REALM)
        yield World(swx.open_vectors(config, node=made.node), made, "EAP-AKA")


@asynccontextmanager
async def _cx(_: Path) -> AsyncIterator[World]:
    async with diameter_world() as made:
        config = cx.Config(
            route=made.route.config,
            realm=REALM,
            domain="ims.mnc001.mcc001.3gppnetwork.org",
            server_name="sip:ecs.example.com",
        )
        yield World(cx.open_vectors(config, node=made.node), made, "Digest-AKAv1-MD5")


@asynccontextmanager
async def _s6a(_: Path) -> AsyncIterator[World]:
    async with diameter_world() as made:
        config = s6a.Config(route=made.route.config, realm=REALM, visited_plmn="001-01")
        yield World(s6a.open_vectors(config, node=made.node), made, "UTRAN")


@asynccontextmanager
async def _gsup(_: Path) -> AsyncIterator[World]:
    async with hlr_world() as made:
        yield World(gsup.open_vectors(gsup.Config(name="home"), hlr=made.hlr), gsup=made)


@asynccontextmanager
async def _udm(_: Path) -> AsyncIterator[World]:
    async with core_world(Operation.GENERATE_AV) as (core, service):
        yield World(udm.open_vectors(udm.Config(), service=service), core=core)


@asynccontextmanager
async def _udm_as_ausf(_: Path) -> AsyncIterator[World]:
    network = "5G:mnc001.mcc001.3gppnetwork.org"
    async with core_world(Operation.GENERATE_AUTH_DATA) as (core, service):
        config = udm.Config(as_ausf=True, network=network, instance=US.instance)
        made = World(udm.open_vectors(config, service=service), core=core)
        made.variants, made.network = (Variant.AKA_PRIME,), network.encode()
        yield made


@asynccontextmanager
async def _gba(_: Path) -> AsyncIterator[World]:
    async with core_world(Operation.GBA) as (core, service):
        yield World(hss_sbi.open_vectors(hss_sbi.Config(), service=service), core=core)


@asynccontextmanager
async def _ims(_: Path) -> AsyncIterator[World]:
    config = hss_sbi.Config(
        ims_domain="ims.mnc001.mcc001.3gppnetwork.org", server_name="sip:ecs.example.com"
    )
    async with core_world(Operation.IMS) as (core, service):
        yield World(hss_sbi.open_vectors(config, service=service), core=core)


WORLDS: dict[str, Any] = {
    "gsup": _gsup,
    "local_auc": _local,
    "swx": _swx,
    "cx": _cx,
    "s6a": _s6a,
    "udm": _udm,
    "udm as AUSF": _udm_as_ausf,
    "hss_sbi": _gba,
    "hss_sbi as S-CSCF": _ims,
}
"""By module, and how it is asked where there are several ways."""
HSSS = {name: WORLDS[name] for name in ("swx", "cx", "s6a")}
CORES = {name: WORLDS[name] for name in WORLDS if name.startswith(("udm", "hss_sbi"))}
PRIMES = ("gsup", "local_auc", "swx", "udm", "udm as AUSF")
"""Those that have vectors for EAP-AKA'."""
PRIMES_ALONE = ("udm as AUSF",)
EACH_VARIANT = pytest.mark.parametrize(
    ("world", "variant"),
    [
        (name, variant)
        for name in WORLDS
        for variant in Variant
        if (name in PRIMES if variant is Variant.AKA_PRIME else name not in PRIMES_ALONE)
    ],
    indirect=["world"],
)


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    opened: AbstractAsyncContextManager[World] = WORLDS[request.param](tmp_path)
    async with opened as made:
        yield made


@pytest.fixture(params=HSSS)
async def hss(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    opened: AbstractAsyncContextManager[World] = HSSS[request.param](tmp_path)
    async with opened as made:
        yield made


@pytest.fixture
async def hlr(tmp_path: Path) -> AsyncIterator[World]:
    async with _gsup(tmp_path) as made:
        yield made


def test_every_module_is_tried_and_has_its_two_names() -> None:
    assert sorted({name.partition(" ")[0] for name in WORLDS}) == MODULES
    for name in MODULES:
        module = import_module(f"simgrant.adapters.authn.{name}")
        assert hasattr(module, "Config")
        assert callable(module.open_vectors)


# --- every source ------------------------------------------------------------------------------


@EACH_VARIANT
async def test_a_vector_is_one_that_the_sim_believes_and_answers(
    world: World, variant: Variant
) -> None:
    card = SoftUsim(KEYS, needs_separation=variant is Variant.AKA_PRIME)
    vector = await world.fetch(variant)
    answer = card.authenticate(vector.rand, vector.autn)
    assert isinstance(answer, UsimSuccess)
    assert answer.res == vector.xres
    keys = (answer.ck, answer.ik)
    if vector.derived:
        keys = bind_to_network(answer.ck, answer.ik, autn=vector.autn, network_name=world.network)
    assert keys == (vector.ck, vector.ik)
    assert not (vector.derived and variant is Variant.AKA)


async def test_no_vector_comes_twice(world: World) -> None:
    vectors = await asyncio.gather(*(world.fetch() for _ in range(30)))
    assert len({vector.rand for vector in vectors}) == 30
    assert len({vector.autn for vector in vectors}) == 30
    for _ in range(5):
        vector = await world.fetch()
        assert isinstance(world.card.authenticate(vector.rand, vector.autn), UsimSuccess)


@EACH_VARIANT
async def test_a_sim_that_is_ahead_is_caught_up_with(world: World, variant: Variant) -> None:
    card = SoftUsim(KEYS, taken=[AHEAD | ind for ind in range(32)])
    vector = await world.fetch(variant)
    refused = card.authenticate(vector.rand, vector.autn)
    assert isinstance(refused, UsimSyncFailure)
    again = await world.fetch(variant, resync=Resync(vector.rand, refused.auts))
    assert isinstance(card.authenticate(again.rand, again.autn), UsimSuccess)
    later = await world.fetch(variant)
    assert isinstance(card.authenticate(later.rand, later.autn), UsimSuccess)


async def test_an_auts_of_another_sim_is_refused(world: World) -> None:
    other = Milenage(bytes(16), DEMO_OPC)
    auts = make_auts(other, bytes(16), sqn=AHEAD)
    with pytest.raises(AuthenticationRejected) as raised:
        await world.fetch(resync=Resync(bytes(16), auts))
    assert raised.value.reason == "auts_not_verified"


async def test_a_sim_that_nobody_knows_is_unknown(world: World) -> None:
    with pytest.raises(UnknownIdentity):
        await world.fetch(imsi=STRANGER)


async def test_nothing_secret_is_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    vector = await world.fetch()
    with pytest.raises(EcsError) as raised:
        await world.fetch(imsi=STRANGER)
    said = f"{vector!r} {world.vectors!r} {raised.value!r} {raised.value.for_operator}"
    # What the other end's library writes of headers is not ours.
    said += "".join(each.getMessage() for each in caplog.records if each.name[:5] != "hpack")
    for secret in (vector.rand, vector.autn, vector.xres, vector.ck, vector.ik, DEMO_K):
        assert secret.hex() not in said
        assert repr(secret) not in said
    assert IMSI.digits not in said
    assert STRANGER.digits not in said


# --- a 5G core ---------------------------------------------------------------------------------


@pytest.fixture(params=CORES)
async def core(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    opened: AbstractAsyncContextManager[World] = CORES[request.param](tmp_path)
    async with opened as made:
        yield made


def _core(world: World) -> Core:
    assert world.core is not None
    return world.core


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (CoreFault.UNKNOWN_USER, UnknownIdentity, "udm_user_unknown"),
        (CoreFault.BUSY, PeerUnavailable, "udm_busy"),
        (CoreFault.THROTTLED, PeerUnavailable, "udm_busy"),
        (CoreFault.UNAUTHORIZED, PeerMisbehaved, "udm_refused_request"),
        (CoreFault.REDIRECT, PeerUnavailable, "sbi_referred_elsewhere"),
        (CoreFault.MOVED, PeerUnavailable, "sbi_referred_elsewhere"),
        (CoreFault.RESET, PeerUnavailable, "sbi_lost"),
        (CoreFault.RESET_STREAM, PeerUnavailable, "sbi_lost"),
        (CoreFault.HALF, PeerUnavailable, "sbi_lost"),
        (CoreFault.GARBAGE, PeerMisbehaved, "udm_malformed"),
        (CoreFault.EMPTY, PeerMisbehaved, "udm_malformed"),
        (CoreFault.WRONG_TYPE, PeerMisbehaved, "udm_malformed"),
        (CoreFault.NO_KEYS, PeerMisbehaved, "udm_malformed"),
        (CoreFault.SHORT_AUTN, PeerMisbehaved, "udm_malformed"),
    ],
)
async def test_each_fault_of_a_core_is_the_error_that_it_means(
    core: World, fault: CoreFault, kind: type[EcsError], reason: str
) -> None:
    _core(core).plan = CorePlan(fault=fault)
    with pytest.raises(EcsError) as raised:
        await core.fetch()
    assert (type(raised.value), raised.value.reason) == (kind, reason)
    assert IMSI.digits not in raised.value.for_operator
    # What asked to be left alone is, and everything else has its vector at once.
    if fault not in (CoreFault.BUSY, CoreFault.THROTTLED):
        _core(core).plan = None
        await core.fetch()


async def test_a_core_that_is_silent_is_late(core: World) -> None:
    _core(core).plan = CorePlan(fault=CoreFault.SILENT)
    with pytest.raises(PeerTimeout) as raised:
        await core.fetch(within=0.1)
    assert raised.value.reason == "sbi_timeout"


async def test_a_core_is_told_for_how_long_it_is_waited_and_about_whom(core: World) -> None:
    await core.fetch(within=2.0)
    (seen,) = _core(core).questions()
    assert seen.max_rsp_time_ms is not None
    assert 1_000 < seen.max_rsp_time_ms < 2_000
    assert seen.correlation == f"imsi-{IMSI.digits}"
    assert seen.sent_at is not None


async def test_a_core_that_goes_away_in_order_is_asked_again(core: World) -> None:
    _core(core).plan = CorePlan(fault=CoreFault.GOAWAY, times=1)
    await core.fetch()
    assert [each.fault for each in _core(core).questions()][-1] is None


# --- an HSS ------------------------------------------------------------------------------------

NOT_ITS_USER = [
    (10415, 5001, "hss_user_unknown"),
    (0, 5030, "hss_user_unknown"),
    (10415, 5003, "hss_not_registered"),
    (0, 5003, "hss_not_authorised"),
    (10415, 5420, "hss_no_subscription"),
    (10415, 5421, "hss_no_subscription"),
    (10415, 5450, "hss_no_subscription"),
    (10415, 5451, "hss_no_subscription"),
    (10415, 5452, "hss_no_subscription"),
]
LATER = [
    (0, 3002, "hss_unreachable"),
    (0, 3003, "hss_not_routed"),
    (0, 3004, "hss_busy"),
    (0, 3005, "hss_not_routed"),
    (0, 3007, "hss_not_routed"),
    (10415, 3004, "hss_busy"),
    (10415, 4181, "hss_no_vector"),
    (0, 4002, "hss_error"),
    (10415, 5002, "hss_error"),
    (10415, 5004, "hss_error"),
    (10415, 5005, "hss_error"),
    (10415, 5012, "hss_error"),
    (9, 5001, "hss_error"),
    (0, 1001, "hss_error"),
]
WRONG = [
    (0, 5001, "hss_refused_request"),
    (0, 5004, "hss_refused_request"),
    (0, 5005, "hss_refused_request"),
    (0, 5012, "hss_refused_request"),
    (10415, 5006, "hss_scheme_unsupported"),
]
RESULTS = [
    *((UnknownIdentity, *row) for row in NOT_ITS_USER),
    *((PeerUnavailable, *row) for row in LATER),
    *((PeerMisbehaved, *row) for row in WRONG),
    (AuthenticationRejected, 0, 4001, "hss_rejected"),
]


def _diameter(hss: World) -> Diameter:
    assert hss.diameter is not None
    return hss.diameter


@pytest.mark.spec("TS.43 Table 7")
@pytest.mark.parametrize(("kind", "vendor", "code", "reason"), RESULTS)
async def test_each_result_is_the_error_that_it_means(
    hss: World, kind: type[EcsError], vendor: int, code: int, reason: str
) -> None:
    _diameter(hss).hss.plan = Plan(fault=Fault.RESULT, vendor=vendor, code=code)
    with pytest.raises(EcsError) as raised:
        await hss.fetch()
    assert type(raised.value) is kind
    assert raised.value.reason == reason
    # The operator reads which HSS, and the number that its people know.
    assert raised.value.for_operator.startswith("home: ")
    assert str(code) in raised.value.for_operator


@pytest.mark.parametrize(
    ("vendor", "code"), [(10415, 5006), (0, 5012), (10415, 5012), (10415, 5004)]
)
async def test_whatever_an_hss_says_of_an_auts_it_does_not_like_is_a_refusal(
    hss: World, vendor: int, code: int
) -> None:
    _diameter(hss).hss.plan = Plan(fault=Fault.RESULT, vendor=vendor, code=code)
    with pytest.raises(AuthenticationRejected) as raised:
        await hss.fetch(resync=Resync(bytes(16), bytes(14)))
    assert raised.value.reason == "auts_not_verified"


@pytest.mark.parametrize("code", [3002, 3004])
async def test_an_hss_that_is_away_in_a_resynchronisation_is_no_refusal(
    hss: World, code: int
) -> None:
    _diameter(hss).hss.plan = Plan(fault=Fault.RESULT, code=code)
    with pytest.raises(PeerUnavailable):
        await hss.fetch(resync=Resync(bytes(16), bytes(14)))


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (Fault.SILENT, PeerTimeout, "diameter_timeout"),
        (Fault.SLOW, PeerTimeout, "diameter_timeout"),
        (Fault.DEAF, PeerTimeout, "diameter_timeout"),
        (Fault.OTHER_ID, PeerTimeout, "diameter_timeout"),
        (Fault.CLOSE, PeerUnavailable, "diameter_lost"),
        (Fault.HALF_CLOSED, PeerUnavailable, "diameter_lost"),
        (Fault.NONSENSE, PeerUnavailable, "diameter_lost"),
        (Fault.UNKNOWN_USER, UnknownIdentity, "hss_user_unknown"),
        (Fault.BUSY, PeerUnavailable, "hss_busy"),
        (Fault.UNDELIVERABLE, PeerUnavailable, "hss_unreachable"),
        (Fault.NO_KEYS, PeerMisbehaved, "hss_vector_malformed"),
        (Fault.SHORT_AUTN, PeerMisbehaved, "hss_vector_malformed"),
        (Fault.OTHER_SCHEME, PeerMisbehaved, "hss_other_scheme"),
        (Fault.OTHER_USER, PeerMisbehaved, "hss_other_user"),
        (Fault.OTHER_END, PeerMisbehaved, "diameter_other_answer"),
        (Fault.MALFORMED, PeerMisbehaved, "diameter_malformed"),
    ],
)
async def test_each_fault_is_the_error_that_it_means(
    hss: World, fault: Fault, kind: type[EcsError], reason: str
) -> None:
    _diameter(hss).hss.plan = Plan(fault=fault, delay_s=60)
    began = CLOCK.monotonic()
    with pytest.raises(EcsError) as raised:
        await hss.fetch(within=0.2)
    assert type(raised.value) is kind
    assert raised.value.reason == reason
    assert CLOCK.monotonic() - began < 5
    assert IMSI.digits not in raised.value.for_operator


async def test_a_vector_of_another_key_is_for_the_sim_to_refuse(hss: World) -> None:
    _diameter(hss).hss.plan = Plan(fault=Fault.WRONG_VECTOR)
    vector = await hss.fetch()
    assert isinstance(hss.card.authenticate(vector.rand, vector.autn), UsimReject)


async def test_an_hss_that_comes_back_serves_again(hss: World) -> None:
    diameter = _diameter(hss)
    await diameter.hss.down()
    await diameter.until(lambda: "closed" in diameter.node.states().values())
    with pytest.raises(PeerUnavailable) as raised:
        await hss.fetch()
    assert raised.value.reason == "diameter_no_peer"
    await diameter.hss.up()
    await diameter.until(lambda: "closed" not in diameter.node.states().values())
    await hss.fetch()


async def test_the_hss_is_told_the_imsi_the_scheme_and_the_auts(hss: World) -> None:
    await hss.fetch()
    with pytest.raises(AuthenticationRejected):
        await hss.fetch(resync=Resync(bytes(16), bytes(14)))
    first, second = _diameter(hss).hss.seen
    assert (first.scheme, first.resync) == (hss.scheme, False)
    assert (second.scheme, second.resync) == (hss.scheme, True)


async def test_for_aka_prime_swx_is_told_the_network(tmp_path: Path) -> None:
    async with _swx(tmp_path) as hss:
        await hss.fetch(Variant.AKA_PRIME)
        (seen,) = _diameter(hss).hss.seen
    assert (seen.scheme, seen.result) == ("EAP-AKA'", (0, 2001))


@pytest.mark.parametrize("name", sorted(HSSS.keys() - PRIMES))
async def test_where_there_are_no_vectors_for_aka_prime_nobody_is_asked(
    name: str, tmp_path: Path
) -> None:
    async with HSSS[name](tmp_path) as hss:
        with pytest.raises(PeerMisbehaved) as raised:
            await hss.fetch(Variant.AKA_PRIME)
        assert raised.value.reason == "hss_scheme_unsupported"
        assert not _diameter(hss).hss.seen


@pytest.mark.spec("TS 29.272 §7.2.6")
async def test_a_vector_of_eutran_is_none(tmp_path: Path) -> None:
    async with _s6a(tmp_path) as hss:
        _diameter(hss).hss.plan = Plan(fault=Fault.OTHER_SCHEME)
        with pytest.raises(PeerMisbehaved) as raised:
            await hss.fetch()
    assert raised.value.reason == "hss_other_scheme"
    assert raised.value.for_operator == "home: its vector is of E-UTRAN, not UTRAN"


PUSHED = [
    ("swx", 16777265, 305, (10415, 5001)),
    ("swx", 16777265, 304, (10415, 5001)),
    ("cx", 16777216, 305, (10415, 5001)),
    ("cx", 16777216, 304, (10415, 5001)),
    ("s6a", 16777251, 317, (0, 2001)),
    ("s6a", 16777251, 319, (10415, 5001)),
    ("s6a", 16777251, 320, (10415, 5001)),
    ("s6a", 16777251, 322, (0, 2001)),
    ("s6a", 16777251, 316, (0, 3001)),
]


@pytest.mark.parametrize(("name", "application", "command", "result"), PUSHED)
async def test_what_an_hss_tells_is_answered_as_by_who_has_no_such_user(
    name: str, application: int, command: int, result: tuple[int, int], tmp_path: Path
) -> None:
    async with HSSS[name](tmp_path) as world:
        made = _diameter(world)
        made.hss.push(command, IMSI.digits, application)
        await made.until(lambda: made.hss.told)
        assert pull_result(made.hss.told[0].avps) == result


# --- an HLR ------------------------------------------------------------------------------------


def _played(hlr: World) -> HlrWorld:
    assert hlr.gsup is not None
    return hlr.gsup


CAUSES: list[tuple[type[EcsError], int, str]] = [
    (UnknownIdentity, 2, "hlr_user_unknown"),
    *((UnknownIdentity, cause, "hlr_not_served") for cause in (3, 6, 7, 8, 11)),
    (PeerUnavailable, 22, "hlr_busy"),
    *((PeerUnavailable, cause, "hlr_error") for cause in (0, 17, 94, 112, 255)),
    *((PeerMisbehaved, cause, "hlr_refused_request") for cause in (95, 96, 97, 99, 111)),
]


@pytest.mark.spec("TS.43 Table 7")
@pytest.mark.parametrize(("kind", "cause", "reason"), CAUSES)
async def test_each_cause_is_the_error_that_it_means(
    hlr: World, kind: type[EcsError], cause: int, reason: str
) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=hlr_faults.Fault.CAUSE, cause=cause)
    with pytest.raises(EcsError) as raised:
        await hlr.fetch()
    assert type(raised.value) is kind
    assert raised.value.reason == reason
    # The operator reads which HLR, and the number that its people know.
    assert raised.value.for_operator == f"home: cause {cause}"


@pytest.mark.parametrize("cause", [17, 22])
async def test_an_hlr_that_fails_in_a_resynchronisation_is_no_refusal(
    hlr: World, cause: int
) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=hlr_faults.Fault.CAUSE, cause=cause)
    with pytest.raises(PeerUnavailable):
        await hlr.fetch(resync=Resync(bytes(16), bytes(14)))


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (hlr_faults.Fault.SILENT, PeerTimeout, "hlr_timeout"),
        (hlr_faults.Fault.SLOW, PeerTimeout, "hlr_timeout"),
        (hlr_faults.Fault.DEAF, PeerTimeout, "hlr_timeout"),
        (hlr_faults.Fault.OTHER_SESSION, PeerTimeout, "hlr_timeout"),
        (hlr_faults.Fault.CLOSE, PeerUnavailable, "hlr_lost"),
        (hlr_faults.Fault.TOO_LONG, PeerUnavailable, "hlr_lost"),
        (hlr_faults.Fault.GSM_ONLY, PeerMisbehaved, "hlr_vector_malformed"),
        (hlr_faults.Fault.SHORT_AUTN, PeerMisbehaved, "hlr_vector_malformed"),
        (hlr_faults.Fault.NO_VECTORS, PeerMisbehaved, "hlr_vector_malformed"),
        (hlr_faults.Fault.OTHER_USER, PeerMisbehaved, "hlr_other_user"),
        (hlr_faults.Fault.MALFORMED, PeerMisbehaved, "hlr_malformed"),
    ],
)
async def test_each_fault_of_an_hlr_is_the_error_that_it_means(
    hlr: World, fault: hlr_faults.Fault, kind: type[EcsError], reason: str
) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=fault, delay_s=60)
    with pytest.raises(EcsError) as raised:
        await hlr.fetch(within=0.2)
    assert type(raised.value) is kind
    assert raised.value.reason == reason
    assert IMSI.digits not in raised.value.for_operator


async def test_an_hlr_that_repeats_no_session_is_believed_by_imsi(hlr: World) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=hlr_faults.Fault.NO_SESSION)
    vectors = await asyncio.gather(*(hlr.fetch() for _ in range(20)))
    assert len({vector.rand for vector in vectors}) == 20


@pytest.mark.spec("TS 33.402 §6.2")
async def test_an_hlr_that_sets_no_separation_bit_is_of_no_use_for_aka_prime(hlr: World) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=hlr_faults.Fault.NO_SEPARATION)
    with pytest.raises(PeerMisbehaved) as raised:
        await hlr.fetch(Variant.AKA_PRIME)
    assert raised.value.reason == "amf_without_separation_bit"
    await hlr.fetch(Variant.AKA)


async def test_a_vector_of_another_key_of_an_hlr_is_for_the_sim_to_refuse(hlr: World) -> None:
    _played(hlr).server.plan = hlr_faults.Plan(fault=hlr_faults.Fault.WRONG_VECTOR)
    vector = await hlr.fetch()
    assert isinstance(hlr.card.authenticate(vector.rand, vector.autn), UsimReject)
