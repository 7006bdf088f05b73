"""Plays a message centre and a USSD gateway: SMPP 3.4, and who receives TS.43's messages and texts.

Sessions are framed here; ``submit_sm`` and ``deliver_sm`` go through the codec of smpp34.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import ssl
from collections.abc import Iterable
from typing import Final

import smpp34

from simgrant.nouns import noun
from simgrant.sim.push.switch import Fault, Switch, Taken
from simgrant.wire.push_sms import DESTINATION_PORT, UDHI, BadMessage, pull_message
from simgrant.wire.sms_text import pull_text, push_text
from simgrant.wire.ussd import Dialogue, pull_dialogue, push_dialogue

_MOST_PDU: Final = 64 * 1024
_BINDS: Final = frozenset({0x01, 0x02, 0x09})
_RECEIVERS: Final = frozenset({0x01, 0x09})
_SUBMIT: Final = 0x04
_DELIVERED: Final = 0x80000005
_UNBIND: Final = 0x06
_ENQUIRE_LINK: Final = 0x15
_RESPONSE: Final = 0x80000000
_NACK: Final = 0x80000000
_OK, _INVALID_COMMAND, _BAD_BIND, _SYSTEM_ERROR = 0x00, 0x03, 0x04, 0x08
_INVALID_DESTINATION, _BIND_FAILED, _INVALID_PASSWORD = 0x0B, 0x0D, 0x0E
_SUBMIT_FAILED, _THROTTLED = 0x45, 0x58


@noun
class _Pdu:
    command: int
    sequence: int
    whole: bytes

    @property
    def body(self) -> bytes:
        return self.whole[16:]


class MessageCentre:
    """One centre with one account."""

    system_id = "simgrant"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.switch = Switch()
        self.password = secrets.token_hex(4)
        self.port = 0
        self.binds = 0
        """Sessions that were bound in all."""
        self.enquiries = 0
        """``enquire_link`` that came."""
        self.waiting = 0
        """Messages that came and were not answered, over all open sessions."""
        self.receivers: list[asyncio.StreamWriter] = []
        """Sessions that messages from phones can go to, the one that was used longest ago first."""
        self._server: asyncio.Server | None = None
        self._sequences = itertools.count(1)
        self._delivering: dict[int, asyncio.Future[int]] = {}
        self._bound = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._emptied = asyncio.Event()
        self._is_down = True

    async def up(self) -> None:
        """Listen, on the same port as before."""
        self._is_down = False
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Stop listening and break every session."""
        server, self._server = self._server, None
        # Who was accepted already may still be on the way here.
        self._is_down = True
        if server is not None:
            server.close()
            for writer in tuple(self._open):
                writer.transport.abort()
            while self._open:
                self._emptied.clear()
                await self._emptied.wait()
            await server.wait_closed()

    async def until_receivers(self, count: int) -> None:
        """Return once so many sessions take messages from phones."""
        while len(self.receivers) < count:
            self._bound.clear()
            await self._bound.wait()

    async def say(
        self, number: str, text: str, *, dialogue: Dialogue | None = None, to: str = "8095"
    ) -> int:
        """Have a phone answer, by SMS or in a USSD dialogue; return the ``command_status``.

        ConnectionError where no session takes it.
        """
        coding, message = push_text(text) if text else (0, b"")
        tlvs = push_dialogue(dialogue) if dialogue is not None else ()
        return await self.deliver(number, message, to=to, coding=coding, tlvs=tlvs)

    async def deliver(
        self,
        number: str,
        message: bytes,
        *,
        to: str = "8095",
        coding: int = 0,
        esm_class: int = 0,
        tlvs: Iterable[tuple[int, bytes]] = (),
    ) -> int:
        """Send a ``deliver_sm`` to one of the sessions; return the ``command_status``."""
        if not self.receivers:
            raise ConnectionError("nobody is bound to take it")
        writer = self.receivers.pop(0)
        self.receivers.append(writer)
        sequence = next(self._sequences)
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._delivering[sequence] = answered
        pdu = smpp34.DeliverSm(
            number,
            to,
            message,
            source_addr_ton=1,
            source_addr_npi=1,
            esm_class=esm_class,
            data_coding=coding,
            tlvs=[smpp34.Tlv(tag, value) for tag, value in tlvs],
            sequence_number=sequence,
        )
        try:
            writer.write(pdu.encode())
            return await answered
        finally:
            del self._delivering[sequence]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if self._is_down:
            writer.transport.abort()
        unanswered = 0
        bound = False
        try:
            while True:
                pdu = await _read(reader)
                if pdu.command in _BINDS:
                    status = self._bind(pdu)
                    bound = status == _OK
                    if bound and pdu.command in _RECEIVERS:
                        self.receivers.append(writer)
                        self._bound.set()
                    _write(writer, pdu.command | _RESPONSE, status, pdu.sequence, b"smsc\0")
                elif pdu.command == _UNBIND:
                    _write(writer, pdu.command | _RESPONSE, _OK, pdu.sequence)
                    return
                elif pdu.command == _ENQUIRE_LINK:
                    self.enquiries += 1
                    _write(writer, pdu.command | _RESPONSE, _OK, pdu.sequence)
                elif pdu.command == _DELIVERED:
                    self._answered(pdu)
                elif pdu.command != _SUBMIT:
                    _write(writer, _NACK, _INVALID_COMMAND, pdu.sequence)
                elif not bound:
                    _write(writer, pdu.command | _RESPONSE, _BAD_BIND, pdu.sequence)
                else:
                    fault = self.switch.next()
                    if fault is Fault.RESET:
                        writer.transport.abort()
                        return
                    if fault is Fault.SLOW:
                        unanswered += 1
                        self.waiting += 1
                        continue
                    status, body = self._submit(pdu, fault)
                    _write(writer, pdu.command | _RESPONSE, status, pdu.sequence, body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.waiting -= unanswered
            if writer in self.receivers:
                self.receivers.remove(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._open.discard(writer)
            self._emptied.set()

    def _answered(self, pdu: _Pdu) -> None:
        waiting = self._delivering.get(pdu.sequence)
        if waiting is not None and not waiting.done():
            waiting.set_result(int.from_bytes(pdu.whole[8:12], "big"))

    def _bind(self, pdu: _Pdu) -> int:
        system_id, _, rest = pdu.body.partition(b"\0")
        password, _, _ = rest.partition(b"\0")
        if self.switch.fault is Fault.BAD_AUTH:
            return _BIND_FAILED
        if (system_id.decode("latin-1"), password.decode("latin-1")) != (
            self.system_id,
            self.password,
        ):
            return _INVALID_PASSWORD
        self.binds += 1
        return _OK

    def _submit(self, pdu: _Pdu, fault: Fault | None) -> tuple[int, bytes]:
        match fault:
            case Fault.THROTTLED:
                return _THROTTLED, b""
            case Fault.BROKEN:
                return _SYSTEM_ERROR, b""
            case Fault.NONSENSE:
                return 0x4FF, b""
        try:
            message = smpp34.decode(pdu.whole)
        except smpp34.SmppError:
            return _SUBMIT_FAILED, b""
        if not isinstance(message, smpp34.SubmitSm):
            return _SUBMIT_FAILED, b""
        if self.switch.buried(message.destination_addr):
            return _INVALID_DESTINATION, b""
        coding, data = message.data_coding, bytes(message.short_message)
        ports = [tlv.value for tlv in message.tlvs if tlv.tag == DESTINATION_PORT]
        port = int.from_bytes(ports[-1], "big") if ports else None
        udhi = bool(message.esm_class & UDHI)
        extra = {
            "source": message.source_addr,
            "data_coding": str(coding),
            "esm_class": str(message.esm_class),
            "validity": message.validity_period,
            "short_message": data.hex(),
        }
        apps: tuple[str, ...] = ()
        try:
            dialogue = pull_dialogue((tlv.tag, bytes(tlv.value)) for tlv in message.tlvs)
            if dialogue is not None:
                extra |= {
                    "service_op": str(dialogue.op),
                    "session": str(dialogue.session),
                    "sequence": str(dialogue.sequence),
                    "ended": str(int(dialogue.has_ended)),
                }
            if udhi or port is not None:
                said = pull_message(data, udhi=udhi, port=port)
                apps, extra = said.apps, extra | {"user_id": said.user_id, "port": str(said.port)}
            else:
                extra["text"] = pull_text(coding, data)
                if "-aescfg," in extra["text"]:
                    raise BadMessage("a notice that is addressed to no port")
        except ValueError:
            return _SUBMIT_FAILED, b""
        self.switch.take(Taken(message.destination_addr, apps, "", "", extra))
        return _OK, f"{len(self.switch.taken):08x}\0".encode()


async def _read(reader: asyncio.StreamReader) -> _Pdu:
    head = await reader.readexactly(16)
    length, command, _, sequence = (
        int.from_bytes(head[at : at + 4], "big") for at in (0, 4, 8, 12)
    )
    if not 16 <= length <= _MOST_PDU:
        raise ConnectionError("no SMPP")
    return _Pdu(command, sequence, head + await reader.readexactly(length - 16))


def _write(
    writer: asyncio.StreamWriter, command: int, status: int, sequence: int, body: bytes = b""
) -> None:
    parts = (16 + len(body), command, status, sequence)
    writer.write(b"".join(part.to_bytes(4, "big") for part in parts) + body)
