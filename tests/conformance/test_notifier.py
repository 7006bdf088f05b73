"""What ports/notifier.py promises, kept by every module in adapters/notify.

Each runs against its own service, played over the real protocol on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pkgutil
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from simgrant.adapters import notify
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Refused, Target
from simgrant.sim.push.switch import Fault
from simgrant.wire.push_payload import push_timestamp
from simgrant.wire.push_token import Channel
from tests.conformance.push_worlds import CHANNELS, IMSI, WORLDS, World

MODULES = sorted(module.name for module in pkgutil.iter_modules(notify.__path__))


@pytest.fixture(params=MODULES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path) as made:
        yield made


def test_every_module_is_tried_and_has_its_two_names() -> None:
    assert sorted(WORLDS) == MODULES
    for name in MODULES:
        module = import_module(f"simgrant.adapters.notify.{name}")
        assert hasattr(module, "Config")
        assert callable(module.open_notifier)


def test_every_channel_has_a_module() -> None:
    assert sorted(CHANNELS.values()) == sorted(Channel)


# --- what the channel says -------------------------------------------------------------------


async def test_a_notice_is_delivered_as_it_was_given(world: World) -> None:
    notice = world.notice("ap2003", "ap2004")
    deadline = world.clock.monotonic() + 10
    receipt = await world.notifier.notify(world.target(), notice, deadline=deadline)
    assert isinstance(receipt, Delivered)
    assert receipt.reference
    (taken,) = world.switch.taken
    assert (taken.token, taken.apps) == (world.token, ("ap2003", "ap2004"))
    assert taken.timestamp in ("", push_timestamp(notice.at))
    assert taken.collapse_id == (notice.collapse_id if world.collapses else "")


async def test_a_dead_token_is_told_from_a_live_one(world: World) -> None:
    assert isinstance(await world.notify(world.target(world.dead_token)), Dead)
    assert not world.switch.taken
    assert isinstance(await world.notify(), Delivered)


@pytest.mark.parametrize("token", ["", "../../x", "a b", "a\r\nb: c", "\0", "é", "0" * 5000])
async def test_what_is_no_token_is_dead_and_sent_nowhere(world: World, token: str) -> None:
    target = Target(world.notifier.channel, token, "", IMSI)
    deadline = world.clock.monotonic() + 10
    receipt = await world.notifier.notify(target, world.notice(), deadline=deadline)
    assert receipt == Dead("invalid_token")
    assert world.switch.asked == 0


async def test_a_channel_that_is_too_busy_says_later(world: World) -> None:
    world.switch.play(Fault.THROTTLED)
    receipt = await world.notify()
    assert isinstance(receipt, Later)
    assert receipt.after in (1.0, 7.0)
    assert world.switch.asked == 1
    world.switch.play(None)
    assert isinstance(await world.notify(), Delivered)


async def test_an_error_of_the_channel_is_no_verdict_on_the_token(world: World) -> None:
    world.switch.play(Fault.BROKEN)
    for _ in range(3):
        with contextlib.suppress(PeerUnavailable):
            assert isinstance(await world.notify(), Later)
    assert not world.switch.taken
    world.switch.play(None)
    world.clock.ahead += 60
    assert isinstance(await world.notify(), Delivered)


async def test_an_answer_that_no_documentation_has_removes_nothing(world: World) -> None:
    world.switch.play(Fault.NONSENSE, times=1)
    try:
        assert isinstance(await world.notify(), Refused)
    except PeerMisbehaved as error:
        assert error.for_operator  # noqa: PT017
    assert isinstance(await world.notify(), Delivered)


# --- what becomes of the connection ----------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.GOAWAY])
async def test_a_connection_that_breaks_costs_one_repetition(world: World, fault: Fault) -> None:
    assert isinstance(await world.notify(), Delivered)
    world.switch.play(fault, times=1)
    assert isinstance(await world.notify(), Delivered)
    assert len(world.switch.taken) == 2


async def test_a_service_that_is_down_is_unavailable_until_it_is_up(world: World) -> None:
    assert isinstance(await world.notify(), Delivered)
    await world.service.down()
    for _ in range(8):
        with pytest.raises(PeerUnavailable) as raised:
            await world.notify()
        assert not isinstance(raised.value, PeerTimeout)
    await world.service.up()
    world.clock.ahead += 60
    assert isinstance(await world.notify(), Delivered)
    assert len(world.switch.taken) == 2


async def test_a_service_that_was_down_at_the_start_is_found_later(world: World) -> None:
    await world.service.down()
    with pytest.raises(PeerUnavailable):
        await world.notify()
    await world.service.up()
    world.clock.ahead += 60
    assert isinstance(await world.notify(), Delivered)


async def test_who_failed_in_a_row_is_left_alone_for_a_while(world: World) -> None:
    await world.service.down()
    for _ in range(20):
        with pytest.raises(PeerUnavailable) as raised:
            await world.notify()
        if raised.value.retry_after:
            break
    assert raised.value.retry_after


async def test_the_deadline_is_kept_by_who_never_answers(world: World) -> None:
    assert isinstance(await world.notify(), Delivered)
    world.switch.play(Fault.SLOW)
    with pytest.raises(PeerTimeout):
        await world.notify(within=0.2)
    world.switch.play(None)
    assert isinstance(await world.notify(), Delivered)


async def test_who_never_answers_is_left_alone_and_comes_back(world: World) -> None:
    assert isinstance(await world.notify(), Delivered)
    world.switch.play(Fault.SLOW)
    for _ in range(5):
        with pytest.raises(PeerTimeout):
            await world.notify(within=0.1)
    world.switch.play(None)
    world.clock.ahead += 60
    assert isinstance(await world.notify(), Delivered)


async def test_nothing_is_sent_after_the_deadline(world: World) -> None:
    with pytest.raises(PeerTimeout):
        await world.notify(within=-1)
    assert world.switch.asked == 0


async def test_refused_credentials_leave_the_notice_for_later(world: World) -> None:
    world.switch.play(Fault.BAD_AUTH)
    for _ in range(3):
        with pytest.raises(PeerUnavailable):
            await world.notify()
    assert not world.switch.taken


async def test_many_calls_at_once_are_each_delivered_once(world: World) -> None:
    receipts = await asyncio.gather(*(world.notify(within=60) for _ in range(300)))
    assert all(isinstance(receipt, Delivered) for receipt in receipts)
    assert len(world.switch.taken) == world.switch.asked == 300


async def test_a_cancelled_call_leaves_the_channel_in_order(world: World) -> None:
    assert isinstance(await world.notify(), Delivered)
    world.switch.play(Fault.SLOW, times=1)
    call = asyncio.create_task(world.notify())
    await world.switch.until_asked(2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await world.notify(), Delivered)


async def test_closing_ends_the_calls_under_way(world: World) -> None:
    assert isinstance(await world.notify(), Delivered)
    world.switch.play(Fault.SLOW)
    call = asyncio.create_task(world.notify(within=60))
    await world.switch.until_asked(2)
    await world.notifier.close()
    with pytest.raises(PeerUnavailable):
        await call
    with pytest.raises(PeerUnavailable):
        await world.notify()


# --- what nobody may read --------------------------------------------------------------------


async def test_no_secret_is_in_a_receipt_an_error_or_a_log_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def note(target: Target | None = None) -> None:
        try:
            said.append(repr(await world.notify(target, within=1.0)))
        except EcsError as error:
            texts: list[Any] = [error, repr(error), error.for_operator, error.reason]
            texts += [error.__cause__, repr(error.__context__) if error.__cause__ else ""]
            said.extend(map(str, texts))

    await note()
    await note(world.target(world.dead_token))
    for fault in Fault:
        world.switch.play(fault, times=3)
        await note()
        world.clock.ahead += 60
    world.switch.play(None)
    await world.service.down()
    await note()
    # The played service is in this process too, and what it was sent is its own affair.
    ours = [line for line in caplog.records if line.name.partition(".")[0] not in ("hpack", "h2")]
    said += (line.getMessage() for line in ours)
    everything = "\n".join((*said, repr(world.notifier), repr(world.target())))
    for secret in (*world.secrets, world.token, world.dead_token):
        assert secret not in everything


def test_a_target_and_a_notice_show_no_token() -> None:
    target = Target(Channel.FCM, "sEcReT", "app", IMSI)
    assert "sEcReT" not in repr(target)
    assert IMSI.digits not in repr(target)


# --- what is refused at once -----------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
async def test_a_secret_file_that_is_missing_refuses_the_start(name: str, tmp_path: Path) -> None:
    files = {"apns": "key.p8", "fcm": "account.json", "sms": "password", "wns": "secret"}
    path = tmp_path / files[name]
    async with WORLDS[name](tmp_path) as world:
        module = import_module(f"simgrant.adapters.notify.{name}")
        for spoil in (lambda: path.write_bytes(b""), path.unlink):
            spoil()
            with pytest.raises(StartRefused) as refused:
                module.open_notifier(world.config, clock=world.clock)
            assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("apps", "collapse_id"),
    [
        ((), "c"),
        (("ap2003",) * 16, "c"),
        (("vowifi",), "c"),
        (("ap2003\n",), "c"),
        (("ap2003",), ""),
        (("ap2003",), "c" * 65),
        (("ap2003",), "c\r\n"),
    ],
)
def test_a_notice_that_no_channel_could_carry_is_none(
    apps: tuple[str, ...], collapse_id: str
) -> None:
    with pytest.raises(ValueError, match=r"a notice names|a collapse id"):
        Notice(apps, 0, 1, collapse_id)
