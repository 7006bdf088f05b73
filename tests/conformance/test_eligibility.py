"""What every BSS that is asked about subscribers does, and what becomes of it when it errs.

Each is opened as a server would open it, by its example's settings, and asked over real HTTP.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
import pytest

from simgrant.adapters import bss as adapters
from simgrant.compose.bss import SOURCES, open_sources
from simgrant.config.load import load
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.order import Device, Kind
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.identities import Eid, Imsi, Msisdn
from simgrant.ports.eligibility import (
    ChecksEligibility,
    EligibilitySource,
    Prospect,
    Qualification,
)
from simgrant.ports.network_data import Subscriber
from simgrant.sim.bss.command import settings_for
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.lines import Line
from simgrant.sim.bss.server import Bss
from simgrant.wire.tmf.inventory import ProductStatus
from tests.bss_examples import settings_of
from tests.clocks import MachineClock
from tests.tmf import SIMS, WHO, WRONG, soon

NOBODY = Subscriber(Imsi("001019999999999"), Msisdn("999999999"))
MODULES = {"tmf": {"tmf"}, "mapped": {"rest", "ses"}, "embedded": set[str]()}
"""The types of BSS that each module is for; one is asked about nobody."""


SETTINGS: dict[str, Callable[[str], str]] = {
    "tmf": lambda url: settings_for(url) + "\n[bss.sim.qualification]\non = true\n",
    "rest": lambda url: settings_of("bss-rest", url),
    "ses": lambda url: settings_of("bss-ses", url),
}


@dataclass
class World:
    """A BSS, and how it is asked."""

    kind: str
    bss: Bss
    source: EligibilitySource
    line: Line

    async def ask(
        self, who: Subscriber = WHO, wants: Aspects | None = None, *, seconds: float = 5.0
    ) -> Eligibility | None:
        wanted = self.source.tells if wants is None else wants
        return await self.source.look_up(who, wanted, deadline=soon(seconds))

    async def fails(self, *, seconds: float = 5.0) -> EcsError:
        """Return the error that a look-up ends with, which names nobody."""
        with pytest.raises(EcsError) as caught:
            await self.ask(seconds=seconds)
        said = f"{caught.value.reason} {caught.value.for_operator} {caught.value!r}"
        assert WHO.msisdn is not None
        for digits in (WHO.imsi.digits, WHO.msisdn.digits, self.line.as_another().imsi):
            assert digits not in said
        return caught.value


@pytest.fixture(params=SETTINGS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    bss = Bss(SIMS)
    await bss.up()
    (tmp_path / "bss.password").write_text("s3cret\n")
    file = tmp_path / "simgrant.toml"
    file.write_text(SETTINGS[request.param](bss.web.url))
    (source,) = open_sources(load(file, {}), MachineClock()).values()
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    yield World(request.param, bss, source, line)
    await source.close()
    await bss.down()


def test_every_module_has_its_worlds() -> None:
    found = {module.name for module in pkgutil.iter_modules(adapters.__path__)}
    assert found == set(MODULES)
    assert set().union(*MODULES.values()) == set(SETTINGS) == set(SOURCES)


def told_of(found: Eligibility | None) -> Aspects:
    assert found is not None
    return frozenset(
        Aspect(each.name) for each in fields(found) if getattr(found, each.name) is not None
    )


# --- what is told -------------------------------------------------------------------------


async def test_all_that_it_says_to_tell_is_told(world: World) -> None:
    world.line.network = "26201"
    assert told_of(await world.ask()) == world.source.tells


async def test_only_what_is_wanted_is_told(world: World) -> None:
    world.line.network = "26201"
    for aspect in world.source.tells:
        assert told_of(await world.ask(wants=frozenset({aspect}))) == {aspect}
    assert told_of(await world.ask(wants=frozenset())) == frozenset()


async def test_what_it_cannot_tell_is_not_told(world: World) -> None:
    assert told_of(await world.ask(wants=frozenset(Aspect))) <= world.source.tells


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ProductStatus.ACTIVE, SubscriptionStatus.ACTIVE),
        (ProductStatus.SUSPENDED, SubscriptionStatus.SUSPENDED),
        (ProductStatus.TERMINATED, SubscriptionStatus.REMOVED),
    ],
)
async def test_the_state_of_a_line(
    world: World, state: ProductStatus, status: SubscriptionStatus
) -> None:
    world.line.state = state
    found = await world.ask(wants=frozenset({Aspect.STATUS}))
    assert found is not None
    assert found.status is status


async def test_what_changes_is_told_at_once(world: World) -> None:
    feature = Aspect.OPTIONS if Aspect.OPTIONS in world.source.tells else Aspect.REFUSALS
    before = await world.ask(wants=frozenset({feature}))
    world.line.options |= {"vowifi"}
    after = await world.ask(wants=frozenset({feature}))
    assert before is not None
    assert after is not None
    changed = getattr(before, feature) ^ getattr(after, feature)
    assert changed == {"vowifi"}


async def test_whom_it_does_not_know_is_an_answer(world: World) -> None:
    assert await world.ask(NOBODY) is None
    world.bss.plan = Plan(fault=Fault.NOBODY)
    assert await world.ask() is None


# --- what goes wrong ----------------------------------------------------------------------

# It is not asked for lists that have pages.
BAD: dict[Fault, type[EcsError]] = {
    fault: error for fault, error in WRONG.items() if fault is not Fault.ENDLESS
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_fault_is_no_answer(world: World, fault: Fault) -> None:
    world.bss.plan = Plan(fault=fault)
    error = await world.fails()
    assert isinstance(error, BAD[fault])


@pytest.mark.parametrize("status", [301, 400, 401, 403, 409, 418, 429, 500, 501, 502, 503, 504])
async def test_a_status_that_was_not_to_come(world: World, status: int) -> None:
    world.bss.plan = Plan(fault=Fault.STATUS, status=status)
    error = await world.fails()
    later = status >= 500 or status in (401, 403, 429)
    assert isinstance(error, PeerUnavailable if later else PeerMisbehaved)


async def test_another_subscriber_is_named_as_the_reason(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.OTHER_SUBSCRIBER)
    assert (await world.fails()).reason == "bss_other_subscriber"


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.THROTTLED])
async def test_when_to_come_back_is_handed_on(world: World, fault: Fault) -> None:
    world.bss.plan = Plan(fault=fault, retry_after_s=17)
    assert (await world.fails()).retry_after == 17


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF, Fault.BUSY])
async def test_once_is_no_matter(world: World, fault: Fault) -> None:
    assert await world.ask() is not None
    world.bss.plan = Plan(fault=fault, times=1, retry_after_s=None)
    assert await world.ask() is not None


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SLOW])
async def test_the_deadline_is_kept(world: World, fault: Fault) -> None:
    world.bss.plan = Plan(fault=fault, delay_s=30)
    async with asyncio.timeout(15):
        assert isinstance(await world.fails(seconds=0.2), PeerTimeout)
    world.bss.plan = None
    assert isinstance(await world.fails(seconds=0), PeerTimeout)


async def test_fifty_megabytes_are_cut_off(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.HUGE)
    error = await world.fails(seconds=60)
    assert error.reason == "answer_too_long"


CANNED = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "a number": b"7",
    "a text": b'"active"',
    "null": b"null",
    "an object": b"{}",
    "a list of lists": b"[[[]]]",
    "another encoding": '{"imsi": "é"}'.encode("latin-1"),
    "UTF-16": '{"imsi": "1"}'.encode("utf-16"),
    "two documents": b"{}{}",
    "a lone surrogate": b'{"imsi": "\\ud800", "state": "A"}',
    "a great number": b'{"imsi": 1' + b"0" * 400 + b"}",
    "no number": b'{"imsi": NaN}',
}


@pytest.mark.parametrize("body", CANNED.values(), ids=CANNED)
async def test_nonsense_with_status_200(world: World, body: bytes) -> None:
    world.bss.canned = body
    assert isinstance(await world.fails(), PeerMisbehaved)


async def test_who_is_down_is_unavailable(world: World) -> None:
    await world.bss.down()
    assert isinstance(await world.fails(), PeerUnavailable)
    await world.bss.up()


async def test_who_fails_again_and_again_is_left_alone(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.STATUS, status=500)
    for _ in range(30):
        error = await world.fails()
        if error.reason == "circuit_open":
            break
    asked = len(world.bss.seen)
    error = await world.fails()
    assert (error.reason, len(world.bss.seen)) == ("circuit_open", asked)
    assert error.retry_after is not None


async def test_look_ups_go_on_side_by_side(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.SILENT)
    tasks = [asyncio.ensure_future(world.ask(seconds=30)) for _ in range(10)]
    async with asyncio.timeout(15):
        while len(world.bss.seen) < 10:
            world.bss.changed.clear()
            await world.bss.changed.wait()
    for task in tasks:
        task.cancel()
    assert {type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)} == {
        asyncio.CancelledError
    }


async def test_what_is_cancelled_leaves_nothing_behind(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.SILENT)
    world.bss.changed.clear()
    task = asyncio.ensure_future(world.ask())
    await world.bss.changed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.bss.plan = None
    assert await world.ask() is not None


async def test_once_closed_nobody_is_asked(world: World) -> None:
    await world.source.close()
    await world.source.close()
    assert isinstance(await world.fails(), PeerUnavailable)
    assert not world.bss.seen


async def test_nothing_of_the_answer_is_shown(world: World) -> None:
    found = await world.ask()
    assert WHO.msisdn is not None
    assert WHO.msisdn.digits not in repr(found)
    assert WHO.imsi.digits not in repr(world.source)


# --- what only some have ------------------------------------------------------------------


def only(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", kinds, indirect=True)


@only("rest", "ses")
async def test_a_404_of_something_else_is_no_answer(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.STATUS, status=404)
    assert isinstance(await world.fails(), PeerMisbehaved)


@only("rest")
async def test_what_is_put_into_a_request(world: World) -> None:
    await world.ask()
    await world.ask()
    first, second = world.bss.seen
    assert first.target == f"/lines/{WHO.imsi.digits}"
    assert first.headers["x-brand"] == "default"
    assert len(first.headers["x-correlation-id"]) == 36
    assert first.headers["x-correlation-id"] != second.headers["x-correlation-id"]


@only("ses")
async def test_what_an_esb_is_asked(world: World) -> None:
    await world.ask()
    (seen,) = world.bss.seen
    assert WHO.msisdn is not None
    assert seen.target == "/CR/esintegration/v1.0/esim/entitlements"
    assert msgspec.json.decode(seen.body) == {
        "imsi": WHO.imsi.digits,
        "user-id": WHO.imsi.digits,
        "msisdn": WHO.msisdn.digits,
        "device-category": "regular",
        "msisdn-category": "native",
        "operator-id": "example",
        "entitlement-names": ["VoLTE", "VoWiFi"],
    }
    headers = seen.headers
    assert headers["authorization"].startswith("Basic ")
    assert headers["x-transaction-id"] == headers["x-correlation-id"]
    assert headers["x-device-type"] == "Handheld"
    assert headers["x-deviceauth-mode"] == "AKA"
    assert headers["x-nsds-version"] == "1.0"


@only("ses")
async def test_who_has_no_number_cannot_be_asked_about(world: World) -> None:
    with pytest.raises(PeerUnavailable, match=r"\{msisdn\} is not known"):
        await world.ask(Subscriber(WHO.imsi))
    assert not world.bss.seen


# --- prospects ----------------------------------------------------------------------------


async def judged(
    world: World, kind: Kind = Kind.SUBSCRIBE, device: Device | None = None, who: Subscriber = WHO
) -> Qualification | None:
    assert isinstance(world.source, ChecksEligibility)
    prospect = Prospect(app_id="ap2009", kind=kind, device=device)
    return await world.source.qualify(who, prospect, deadline=soon())


@only("rest")
async def test_who_is_not_to_judge_does_not(world: World) -> None:
    assert not isinstance(world.source, ChecksEligibility)


@only("tmf", "ses")
async def test_a_prospect_is_judged(world: World) -> None:
    assert await judged(world) == Qualification(qualified=True)
    world.bss.market.unqualified[WHO.imsi.digits] = "too\n young"
    assert await judged(world) == Qualification(qualified=False, reason="too young")
    world.bss.market.unqualified[WHO.imsi.digits] = "x" * 1000
    found = await judged(world)
    assert found is not None
    assert len(found.reason) == 256


@only("ses")
@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (Kind.SUBSCRIBE, "esimEligibilityCheck"),
        (Kind.RECOVER, "esimEligibilityCheck"),
        (Kind.TRANSFER, "checkSubsTransEligibility"),
    ],
)
async def test_what_an_esb_is_asked_about_a_prospect(
    world: World, kind: Kind, operation: str
) -> None:
    eid = "8" * 30 + "16"
    await judged(world, kind, Device("353456789012345", Eid(eid), vendor="Maker", model="One"))
    await judged(world, kind, Device("0b8f4e5c-uuid", None), Subscriber(WHO.imsi))
    first, second = world.bss.seen
    assert WHO.msisdn is not None
    assert first.target == second.target == f"/CR/esintegration/v1.0/esim/{operation}"
    whose = {"imsi": WHO.imsi.digits, "operatorId": "example"}
    assert msgspec.json.decode(first.body) == whose | {
        "primaryMsisdn": WHO.msisdn.digits,
        "eid": eid,
        "imei": "353456789012345",
        "deviceVendor": "Maker",
    }
    assert msgspec.json.decode(second.body) == whose, "what is not known is not sent"


@only("tmf", "ses")
async def test_whom_nobody_knows_is_not_judged(world: World) -> None:
    assert await judged(world, who=NOBODY) is None


@only("tmf", "ses")
@pytest.mark.parametrize("fault", [each for each in BAD if each is not Fault.ODD_STATE])
async def test_a_fault_is_no_judgement(world: World, fault: Fault) -> None:
    world.bss.plan = Plan(fault=fault)
    with pytest.raises(BAD[fault]):
        await judged(world)


@only("ses")
async def test_a_word_that_means_nothing_is_no_judgement(world: World) -> None:
    world.bss.plan = Plan(fault=Fault.ODD_STATE)
    with pytest.raises(PeerMisbehaved, match="qualified"):
        await judged(world)
