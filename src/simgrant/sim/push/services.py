"""All four played push services at once: their ports, their credentials, and a server's settings.

What a server needs of them is written to a directory: keys, secrets and the authority that signed
their certificates, which stays the same from one run to the next, since a server reads it once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from simgrant.sim.push.apple import Apple
from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.google import Google
from simgrant.sim.push.microsoft import Microsoft
from simgrant.sim.push.smsc import MessageCentre
from simgrant.sim.web import WebServer
from simgrant.wire.push_token import Channel

Service: TypeAlias = Google | Apple | Microsoft | MessageCentre
Tables: TypeAlias = Mapping[str, Mapping[str, str | int | list[str]]]
"""Tables of the server's settings by their names, such as ``fcm.lab``."""

_AUTHORITY: Final = "authority.pem"
_SENDER: Final = "8095"


class BadFolder(ValueError):
    """The directory cannot be used; the message says which file and why."""


class Services:
    """Google, Apple, Microsoft and a message centre."""

    def __init__(
        self, folder: Path, *, first_port: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        """Take a directory for credentials, made if absent, and the first of four ports; 0 = any.

        Raises BadFolder where the directory cannot be used.
        """
        self.folder = folder
        kept = self._kept()
        try:
            self._authority = Authority(now=clock(), kept=kept)
        except ValueError:
            raise BadFolder(f"{folder / _AUTHORITY}: no authority that was kept here") from None
        self.fcm = Google(self._authority, clock=clock)
        self.apns = Apple(self._authority, clock=clock)
        self.wns = Microsoft(self._authority, clock=clock)
        self.sms = MessageCentre()
        self.all: Mapping[Channel, Service] = MappingProxyType(
            {
                Channel.FCM: self.fcm,
                Channel.APNS: self.apns,
                Channel.WNS: self.wns,
                Channel.SMS: self.sms,
            }
        )
        if first_port:
            for port, service in enumerate(self.all.values(), first_port):
                _listener(service).port = port

    async def up(self) -> None:
        """Listen; OSError where a port is taken."""
        for service in self.all.values():
            await service.up()

    async def down(self) -> None:
        """Let all be unreachable."""
        for service in self.all.values():
            await service.down()

    def address(self, channel: Channel) -> str:
        """Return where a service listens."""
        service = self.all[channel]
        if isinstance(service, MessageCentre):
            return f"smpp://127.0.0.1:{service.port}"
        return service.web.url

    def tables(self, name: str) -> Tables:
        """Write the credentials and return the settings that point a server at the services.

        ``name`` is that of the channels' tables.
        """
        place = f"127.0.0.1:{self.wns.web.port}"
        self._write(_AUTHORITY, self._authority.keep())
        ca = {"ca_file": self._write("ca.pem", self._authority.pem)}
        account = {
            "system_id": self.sms.system_id,
            "password_file": self._write("sms.password", self.sms.password.encode()),
            "source": _SENDER,
        }
        return {
            f"{Channel.FCM}.{name}": {
                "service_account": self._write("fcm.json", self.fcm.service_account().encode()),
                "url": self.fcm.web.url,
                **ca,
            },
            f"{Channel.APNS}.{name}": {
                "key_file": self._write("apns.p8", self.apns.signing_key()),
                "key_id": self.apns.key_id,
                "team_id": self.apns.team_id,
                "topic": self.apns.topic,
                "url": self.apns.web.url,
                **ca,
            },
            f"{Channel.WNS}.{name}": {
                "client_id": self.wns.client_id,
                "client_secret_file": self._write("wns.secret", self.wns.client_secret.encode()),
                "connect_to": [f"{self.wns.host}={place}", f"{self.wns.login_host}={place}"],
                **ca,
            },
            f"{Channel.SMS}.{name}": {"host": "127.0.0.1", "port": self.sms.port, **account},
            "text_messages": {"smsc": f"127.0.0.1:{self.sms.port}", **account},
        }

    def _kept(self) -> bytes:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return (self.folder / _AUTHORITY).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise BadFolder(f"{error.filename or self.folder}: {error.strerror}") from None

    def _write(self, name: str, data: bytes) -> str:
        """Put a file in place, whole or not at all, for nobody else to read; return its path."""
        path = self.folder.resolve() / name
        new = path.with_name(f".{name}.new")
        try:
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            new.replace(path)
        except OSError as error:
            raise BadFolder(f"{path}: {error.strerror}") from None
        return str(path)


def as_toml(tables: Tables) -> Iterator[str]:
    """Yield the lines of a configuration file."""
    for name, table in tables.items():
        yield f"[{name}]"
        # What JSON writes of a text, a number or a list of texts is TOML too.
        yield from (f"{key} = {json.dumps(value)}" for key, value in table.items())
        yield ""


def _listener(service: Service) -> MessageCentre | WebServer:
    return service if isinstance(service, MessageCentre) else service.web
