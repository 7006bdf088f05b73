"""A RADIUS server of a hundred lines, which carries EAP between a foreign peer and our machine.

Access-Request, -Challenge, -Accept and -Reject with EAP-Message and Message-Authenticator
(RFC 2865, RFC 3579), and the MS-MPPE keys of an Accept (RFC 2548), so that the peer can compare
its MSK with ours.
"""

import asyncio
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, cast

Address = tuple[str, int]

_STATE, _VENDOR, _EAP_MESSAGE, _MESSAGE_AUTHENTICATOR = 24, 26, 79, 80
_MICROSOFT, _SEND_KEY, _RECV_KEY = 311, 16, 17
_ACCESS_REQUEST = 1
_EAP_RESPONSE, _EAP_SUCCESS, _EAP_FAILURE, _EAP_IDENTITY = 2, 3, 4, 1


class Verdict(IntEnum):
    """The RADIUS code of an answer."""

    ACCEPT = 2
    REJECT = 3
    CHALLENGE = 11


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server side of a conversation wants said."""

    verdict: Verdict
    packet: bytes = b""
    msk: bytes = b""


class Conversation(Protocol):
    """The server side of one EAP conversation, without EAP-Identity, Success and Failure."""

    def begin(self) -> Reply: ...

    def respond(self, packet: bytes) -> Reply: ...


class RadiusBridge(asyncio.DatagramProtocol):
    """Hands each peer's EAP packets to a conversation of its own."""

    def __init__(self, secret: bytes, converse: Callable[[bytes], Conversation]) -> None:
        self._secret = secret
        self._converse = converse
        self._conversations: dict[bytes, Conversation] = {}
        self._answered: dict[bytes, bytes] = {}
        self.verdicts: list[Verdict] = []
        """Every answer given, in order, for the tests to look at."""
        self.failure: Exception | None = None
        """What went wrong in here, which a test must not mistake for a refusal."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The selector loop's own class is none of DatagramTransport's children.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            if data not in self._answered:  # else: the peer asks again, so the answer was lost
                self._answered[data] = self._answer(data)
            self._transport.sendto(self._answered[data], addr)
        except Exception as error:
            self.failure = self.failure or error

    def _answer(self, data: bytes) -> bytes:
        code, identifier, length = struct.unpack_from(">BBH", data)
        assert code == _ACCESS_REQUEST, code
        assert length == len(data), "length"
        request_authenticator = data[4:20]
        attributes = list(_attributes(data))
        self._check_signature(data)
        eap = b"".join(value for kind, value, _ in attributes if kind == _EAP_MESSAGE)
        state = next((value for kind, value, _ in attributes if kind == _STATE), b"")
        assert eap[0] == _EAP_RESPONSE, eap
        if eap[4] == _EAP_IDENTITY:
            state = secrets.token_bytes(16)
            self._conversations[state] = self._converse(eap[5:])
            reply = self._conversations[state].begin()
        else:
            reply = self._conversations[state].respond(eap)
        self.verdicts.append(reply.verdict)
        packet = reply.packet or struct.pack(
            ">BBH",
            _EAP_SUCCESS if reply.verdict is Verdict.ACCEPT else _EAP_FAILURE,
            eap[1],
            4,
        )
        out = [_attribute(_EAP_MESSAGE, packet[at : at + 253]) for at in range(0, len(packet), 253)]
        if reply.verdict is Verdict.CHALLENGE:
            out.append(_attribute(_STATE, state))
        if reply.verdict is Verdict.ACCEPT and reply.msk:
            for kind, key in ((_RECV_KEY, reply.msk[:32]), (_SEND_KEY, reply.msk[32:])):
                hidden = self._hide(key, request_authenticator)
                vendor = struct.pack(">IBB", _MICROSOFT, kind, len(hidden) + 2) + hidden
                out.append(_attribute(_VENDOR, vendor))
        out.append(_attribute(_MESSAGE_AUTHENTICATOR, bytes(16)))
        body = b"".join(out)
        head = struct.pack(">BBH", reply.verdict, identifier, 20 + len(body))
        mac = hmac.digest(self._secret, head + request_authenticator + body, "md5")
        body = body[:-16] + mac
        answer = hashlib.md5(head + request_authenticator + body + self._secret)  # noqa: S324
        return head + answer.digest() + body

    def _check_signature(self, data: bytes) -> None:
        for kind, value, at in _attributes(data):
            if kind == _MESSAGE_AUTHENTICATOR:
                covered = data[:at] + bytes(16) + data[at + 16 :]
                assert hmac.digest(self._secret, covered, "md5") == value, "Message-Authenticator"
                return
        raise AssertionError("no Message-Authenticator")

    def _hide(self, key: bytes, authenticator: bytes) -> bytes:
        """Encrypt a key as RFC 2548 §2.4.2 has it."""
        plain = bytes((len(key),)) + key
        plain += bytes(-len(plain) % 16)
        salt = bytes((secrets.randbits(8) | 0x80, secrets.randbits(8)))
        out, mixed = salt, authenticator + salt
        for at in range(0, len(plain), 16):
            pad = hashlib.md5(self._secret + mixed).digest()  # noqa: S324 - RADIUS' own choice
            mixed = bytes(a ^ b for a, b in zip(plain[at : at + 16], pad, strict=True))
            out += mixed
        return out


def _attributes(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield kind, value, and where the value begins."""
    at = 20
    while at < len(data):
        kind, size = data[at], data[at + 1]
        assert size >= 2, "attribute without length"
        yield kind, data[at + 2 : at + size], at + 2
        at += size


def _attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value) + 2)) + value
