"""A notifier of each module in adapters/notify, and the service it talks to, on loopback."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simgrant.adapters.notify import apns, fcm, sms, wns
from simgrant.identities import Imsi
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.links.smpp import SmppConfig
from simgrant.ports.notifier import Notice, Notifier, Target
from simgrant.sim.push.apple import Apple
from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.google import Google
from simgrant.sim.push.microsoft import Microsoft
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.push.switch import Switch
from simgrant.wire.push_token import Channel
from tests.clocks import MovableClock

IMSI = Imsi("001010000000001")
QUICK = RetryRules(first_wait_s=0.001, longest_wait_s=0.01)
"""Of the waits only the order counts here."""


@dataclass
class World:
    """One channel with both its ends."""

    notifier: Notifier
    service: Any
    """The played one: ``switch``, ``up()``, ``down()``, and what is its own."""
    clock: MovableClock
    token: str
    dead_token: str
    secrets: list[str]
    """What may be read nowhere."""
    collapses: bool = True
    """Whether the channel replaces a notice by a later one."""
    config: Any = field(default=None)

    @property
    def switch(self) -> Switch:
        switch: Switch = self.service.switch
        return switch

    def target(self, token: str = "", app_name: str = "") -> Target:
        return Target(self.notifier.channel, token or self.token, app_name, IMSI)

    def notice(self, *apps: str, collapse_id: str = "c0llapse") -> Notice:
        now = int(self.clock.now())
        return Notice(apps or ("ap2004",), now, now + 3600, collapse_id)

    async def notify(self, target: Target | None = None, *apps: str, within: float = 10.0) -> Any:
        return await self.notifier.notify(
            target or self.target(), self.notice(*apps), deadline=self.clock.monotonic() + within
        )


Maker = Callable[..., AbstractAsyncContextManager[World]]


def _written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@asynccontextmanager
async def fcm_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    clock = MovableClock()
    authority = Authority(now=clock.now())
    google = Google(authority, clock=clock.now)
    await google.up()
    account = google.service_account()
    config = fcm.Config(
        service_account=_written(folder / "account.json", account),
        http=HttpConfig(
            peer="fcm", ca_file=_written(folder / "ca.pem", authority.pem), retry=QUICK
        ),
        url=google.web.url,
        **changes,
    )
    notifier = fcm.open_notifier(config, clock=clock)
    world = World(
        notifier,
        google,
        clock,
        token="fMEP0vJq:APA91b-live_token",
        dead_token="fMEP0vJq:APA91b-dead_token",
        secrets=[account[600:660], "ya29.", "PRIVATE KEY"],
        config=config,
    )
    google.switch.dead.add(world.dead_token)
    try:
        yield world
    finally:
        await notifier.close()
        await google.down()


@asynccontextmanager
async def apns_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    clock = MovableClock()
    authority = Authority(now=clock.now())
    apple = Apple(authority, clock=clock.now)
    await apple.up()
    key = apple.signing_key()
    settings: dict[str, Any] = {
        "key_file": _written(folder / "key.p8", key),
        "key_id": apple.key_id,
        "team_id": apple.team_id,
        "topic": apple.topic,
        "http": HttpConfig(
            peer="apns", ca_file=_written(folder / "ca.pem", authority.pem), retry=QUICK
        ),
        "url": apple.web.url,
    }
    config = apns.Config(**(settings | changes))
    notifier = apns.open_notifier(config, clock=clock)
    world = World(
        notifier,
        apple,
        clock,
        token="a1" * 32,
        dead_token="d0" * 32,
        secrets=[key.decode()[60:100], "eyJ", "PRIVATE KEY"],
        config=config,
    )
    apple.switch.dead.add(world.dead_token)
    try:
        yield world
    finally:
        await notifier.close()
        await apple.down()


@asynccontextmanager
async def wns_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    clock = MovableClock()
    authority = Authority(now=clock.now())
    microsoft = Microsoft(authority, clock=clock.now)
    await microsoft.up()
    port = microsoft.web.port
    http = HttpConfig(
        peer="wns",
        ca_file=_written(folder / "ca.pem", authority.pem),
        http2=False,
        hosts=((microsoft.host, "127.0.0.1", port), (microsoft.login_host, "127.0.0.1", port)),
        retry=QUICK,
    )
    config = wns.Config(
        client_id=microsoft.client_id,
        client_secret=_written(folder / "secret", microsoft.client_secret + "\n"),
        http=http,
        **changes,
    )
    notifier = wns.open_notifier(config, clock=clock)
    world = World(
        notifier,
        microsoft,
        clock,
        token=microsoft.channel("l1ve"),
        dead_token=microsoft.channel("dead"),
        secrets=[microsoft.client_secret, microsoft.host],
        collapses=False,
        config=config,
    )
    microsoft.switch.dead.add(world.dead_token)
    try:
        yield world
    finally:
        await notifier.close()
        await microsoft.down()


@asynccontextmanager
async def sms_world(
    folder: Path, tls: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[World]:
    clock = MovableClock()
    centre = MessageCentre(tls)
    await centre.up()
    smpp: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": centre.port,
        "system_id": centre.system_id,
        "password_file": _written(folder / "password", centre.password),
        "connect_timeout_s": 1.0,
        "retry": QUICK,
    }
    smpp |= changes.pop("smpp", {})
    config = sms.Config(smpp=SmppConfig(**smpp), source="8095", source_ton=3, **changes)
    notifier = sms.open_notifier(config, clock=clock)
    world = World(
        notifier,
        centre,
        clock,
        token="12025550123",
        dead_token="12025550199",
        secrets=[centre.password, IMSI.digits],
        collapses=False,
        config=config,
    )
    centre.switch.dead.add(world.dead_token)
    try:
        yield world
    finally:
        await notifier.close()
        await centre.down()


WORLDS: dict[str, Maker] = {
    "apns": apns_world,
    "fcm": fcm_world,
    "sms": sms_world,
    "wns": wns_world,
}
CHANNELS = {name: Channel(name) for name in WORLDS}
