"""A change reaches the phone by whichever channel it registered for, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simgrant.config.load import DEFAULT_TENANT, load
from simgrant.domain.subscription import PushRegistration
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from simgrant.serving import running
from simgrant.sim.push.services import Services
from simgrant.sim.push.switch import Fault, Switch
from simgrant.spec.ids import NotifAction
from simgrant.wire.push_token import Channel
from tests.clocks import set_clock
from tests.e2e.nodes import SIMS, Node, Site, until

pytestmark = pytest.mark.e2e

T = DEFAULT_TENANT
EACH = 12
"""Subscriptions on every channel."""
QUICK = {"push.first_pause_s": 0.05, "push.longest_pause_s": 1, "push.poll_s": 0.05}
ACTIONS = {"fcm": NotifAction.FCM, "apns": NotifAction.APNS, "wns": NotifAction.WNS}
CHANNELS = [*ACTIONS, "sms"]
FASTER = 20
"""How much faster than ours the clock of a server runs that sits out a minute."""


@dataclass
class Push:
    """The four services, and how a site is told of them."""

    services: Services
    settings: dict[str, object]

    def switch(self, channel: str) -> Switch:
        return self.services.all[Channel(channel)].switch

    def token(self, channel: str, number: int) -> str:
        """Return the push token of a phone."""
        if channel == "wns":
            return self.services.wns.channel(f"phone{number}")
        return f"{number:064x}" if channel == "apns" else f"phone:{number}"


@asynccontextmanager
async def services(folder: Path, clock: Callable[[], float] = time.time) -> AsyncIterator[Push]:
    made = Services(folder / "push", clock=clock)
    await made.up()
    tables = made.tables("lab").items()
    settings = {f"{name}.{key}": value for name, keys in tables for key, value in keys.items()}
    try:
        yield Push(made, {**settings, **QUICK})
    finally:
        await made.down()


async def register(site: Site, push: Push, imsi: Imsi, channel: str, number: int) -> None:
    one = PushRegistration(
        f"t{number}", "ap2004", "ims", int(ACTIONS[channel]), push.token(channel, number), 1
    )
    async with site.store() as store:
        await store.register_push(T, imsi, [one])


def phones(channel: str) -> list[tuple[int, Imsi]]:
    """Return the subscriptions of a channel; those of SMS register nothing."""
    first = EACH * CHANNELS.index(channel)
    return [(number, SIMS[number].imsi) for number in range(first, first + EACH)]


async def change_all(site: Site, plan: str, now: int = 0) -> None:
    """Change everybody's plan, as `subscription set` does."""
    now = now or int(time.time())
    async with site.store() as store:
        for channel in CHANNELS:
            for _, imsi in phones(channel):
                await store.change(T, imsi, Change(plan=plan), now=now)


def delivered(node: Node, channel: str = "") -> float:
    labels = {"channel": channel} if channel else {}
    return node.metric("simgrant_notices_total", result="delivered", **labels)


def all_delivered(node: Node, times: int) -> bool:
    """Say whether every phone was told so often; a SIM is told of several services at once."""
    found = {channel: delivered(node, channel) for channel in CHANNELS}
    by_sms = found.pop("sms")
    return set(found.values()) == {times * EACH} and by_sms >= times * EACH


async def until_shown(
    site: Site, imsi: Imsi, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return what `subscription show` says, once it says what it should."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(json.loads(site.command("subscription", "show", imsi.digits, "--json").stdout))
        return condition(found)

    await until(look, what="what support is shown", within=60)
    return found


def all_failed(node: Node, channel: str) -> bool:
    """Say whether as many tries failed as there are phones."""
    name = "simgrant_notices_total"
    tries = (node.metric(name, channel=channel, result=each) for each in ("later", "failed"))
    return sum(tries) >= EACH


async def all_taken(push: Push) -> None:
    """Return once every channel has taken a notice for each of its phones."""
    async with asyncio.timeout(60):
        for channel in CHANNELS:
            await push.switch(channel).until_taken(EACH)


def assert_once_each(push: Push) -> None:
    """Fail unless every phone was told, of the right application, and none was told twice."""
    for channel in ACTIONS:
        taken = Counter(each.token for each in push.switch(channel).taken)
        wanted = {push.token(channel, number): 1 for number, _ in phones(channel)}
        assert taken == wanted, channel
        assert {each.apps for each in push.switch(channel).taken} == {("ap2004",)}
    numbers = Counter(each.token for each in push.switch("sms").taken)
    assert numbers == {SIMS[number].msisdn.digits: 1 for number, _ in phones("sms")}  # type: ignore[union-attr]


@pytest.mark.conforms("notify.on-change", "push.channel")
async def test_while_every_receiver_is_down_nothing_is_lost_and_then_nothing_comes_twice(
    site: Site, tmp_path: Path
) -> None:
    async with services(tmp_path) as push:
        for channel in ACTIONS:
            for number, imsi in phones(channel):
                await register(site, push, imsi, channel, number)
        node = site.node(settings=push.settings)
        await push.services.down()
        await change_all(site, "basic")
        for channel in CHANNELS:
            await until(partial(all_failed, node, channel), what=f"{channel} failed")
        assert delivered(node) == 0
        (_, imsi), *_ = phones("fcm")
        held = await until_shown(
            site, imsi, lambda held: held["pending_notices"][0]["last_failure"] is not None
        )
        (waiting,) = held["pending_notices"]
        assert waiting["attempts"] >= 1
        assert waiting["channel"] == "fcm"
        assert waiting["next_attempt"] >= waiting["since"]
        assert held["notices"] == []
        await push.services.up()
        await all_taken(push)
        await until(lambda: all_delivered(node, 1), what="all delivered")
        assert_once_each(push)
        # Once more: what is told is this change only.
        await change_all(site, "standard")
        await until(
            lambda: all(len(push.switch(channel).taken) == 2 * EACH for channel in CHANNELS),
            what="the second change told",
        )


class FastClock:
    """The time of a server for which more of it passes than for us."""

    def __init__(self) -> None:
        self._wall, self._begin = time.time(), time.monotonic()

    def now(self) -> float:
        return self._wall + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._begin) * FASTER


async def test_a_minute_without_receivers_costs_no_notice_and_doubles_none(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FastClock()
    set_clock(monkeypatch, clock)
    # The pauses are the ones that every server has by default; only the poll is in our time.
    as_delivered = {"push.first_pause_s": 2, "push.longest_pause_s": 900}
    async with services(tmp_path, clock.now) as push:
        settings = {**push.settings, **as_delivered}
        loaded = load(site.prepared(settings=settings).file, {})
        for channel in ACTIONS:
            for number, imsi in phones(channel):
                await register(site, push, imsi, channel, number)
        async with running(loaded) as server:

            def tries(*results: str) -> float:
                found = (
                    server.parts.metrics.registry.get_sample_value(
                        "simgrant_notices_total",
                        {"tenant": T, "channel": channel, "result": result},
                    )
                    for channel in ACTIONS
                    for result in results
                )
                return sum(each or 0 for each in found)

            await push.services.down()
            went = clock.monotonic()
            await change_all(site, "basic", now=int(clock.now()))
            await until(
                lambda: clock.monotonic() - went >= 60 and tries("later", "failed") >= 3 * EACH,
                what="a minute without receivers, and every notice tried",
            )
            in_vain, minutes = tries("later", "failed"), (clock.monotonic() - went) / 60
            await push.services.up()
            await all_taken(push)
            await until(lambda: tries("delivered") == 3 * EACH, what="all delivered")
            # Once more time enough for whoever would be tried again.
            done = clock.monotonic()
            await until(lambda: clock.monotonic() - done >= 60, what="another minute")
            assert tries("delivered") == 3 * EACH
        # At once, and 2, 4, 8, 16 and more seconds later, each a little late.
        assert in_vain <= 5 * 3 * EACH * minutes
        assert_once_each(push)


async def test_what_a_killed_node_had_under_way_another_delivers(
    site: Site, tmp_path: Path
) -> None:
    async with services(tmp_path) as push:
        push.switch("fcm").play(Fault.SLOW)
        for number, imsi in phones("fcm"):
            await register(site, push, imsi, "fcm", number)
        settings = {**push.settings, "push.timeout_s": 1.5}
        first = site.node(settings=settings)
        async with site.store() as store:
            for _, imsi in phones("fcm"):
                assert await store.tell(T, imsi, at=int(time.time())) == 1
        await push.switch("fcm").until_asked(EACH)
        first.kill()
        push.switch("fcm").play(None)
        site.node(settings=settings)
        async with asyncio.timeout(60):
            await push.switch("fcm").until_taken(EACH)
        taken = push.switch("fcm").taken
        assert {each.token for each in taken} == {push.token("fcm", n) for n, _ in phones("fcm")}
        # Told again, if at all, under the same name, so that the phone shows it once.
        names = {(each.token, each.collapse_id) for each in taken}
        assert len(names) == EACH


async def test_a_phone_registers_and_the_operator_tells_it(site: Site, tmp_path: Path) -> None:
    async with services(tmp_path) as push:
        node = site.node(settings=push.settings)
        sim = SIMS[0]
        await register(site, push, sim.imsi, "apns", 0)
        said = site.command("subscription", "notify", sim.imsi.digits, "--app", "ap2004")
        assert "1 notice to be sent" in said.stderr + said.stdout
        async with asyncio.timeout(30):
            await push.switch("apns").until_taken(1)
        site.command("subscription", "set", sim.imsi.digits, "--plan", "basic")
        async with asyncio.timeout(30):
            await push.switch("apns").until_taken(2)
        await until(lambda: delivered(node) == 2, what="both counted")
        held = await until_shown(site, sim.imsi, lambda held: len(held["notices"]) == 2)
        assert held["pending_notices"] == []
        (registered,) = held["push_registrations"]
        assert (registered["app_id"], registered["channel"]) == ("ap2004", "apns")
        for told in held["notices"]:
            said_of_it = (told["outcome"], told["channel"], told["apps"], told["attempts"])
            assert said_of_it == ("delivered", "apns", ["ap2004"], 1)
            assert told["reference"], "Apple's own name for it"
        text = site.command("subscription", "show", sim.imsi.digits).stdout
        assert re.search(r"push +ap2004 ims on t0 by apns since ", text)
        assert len(re.findall(r"notice +\S+  delivered  ap2004 by apns, changed ", text)) == 2
        assert push.token("apns", 0) not in text + json.dumps(held)
        why = site.command("explain", sim.imsi.digits, "vowifi").stdout
        assert why.count("  notice  delivered  ap2004 by apns, changed ") == 2
        assert "  life    changed by simgrant.hand  changed  ap2003 allowed in_plan → " in why
        shown = node.out.read_text() + node.err.read_text()
        assert push.token("apns", 0) not in shown
        assert sim.imsi.digits not in shown
