"""The door of a Kafka broker, and nothing behind it: TLS, SASL, and what was shown there.

librdkafka's mock cluster knows neither. This speaks as much of Kafka's protocol as a client needs
to prove who it is (ApiVersions, SaslHandshake, SaslAuthenticate; RFC 4616 and RFC 5802), and says
no more: what comes after that is noted, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

_API_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36
_METADATA: Final = 3
_ITERATIONS: Final = 4096
_KNOWN: Final = (
    (_METADATA, 0, 4),
    (_HANDSHAKE, 0, 1),
    (_API_VERSIONS, 0, 0),
    (_AUTHENTICATE, 0, 0),
)
_BAD_MECHANISM, _OTHER_VERSION, _BAD_PROOF = 33, 35, 58


@dataclass
class Gate:
    """What it wants to be shown, and what it was."""

    mechanism: str = ""
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    subjects: list[str] = field(default_factory=list)
    """Common names of client certificates."""
    mechanisms: list[str] = field(default_factory=list)
    refused: int = 0
    proved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody asks for something who has shown all that is wanted."""
    port: int = 0
    _proof: str = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert") or {}
        names = {key: value for part in certificate.get("subject", ()) for key, value in part}
        if names:
            self.subjects.append(names["commonName"])
        is_proved = not self.mechanism
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                body = await reader.readexactly(size)
                key, version, correlation = struct.unpack(">hhi", body[:8])
                (named,) = struct.unpack(">h", body[8:10])
                rest = body[10 + max(named, 0) :]
                answer = b""
                if key == _API_VERSIONS:
                    rows = b"".join(struct.pack(">hhh", *each) for each in _KNOWN)
                    # Of a newer form than the oldest, brokers say so in the oldest.
                    error = _OTHER_VERSION if version else 0
                    answer = struct.pack(">hi", error, len(_KNOWN)) + rows
                elif key == _HANDSHAKE:
                    answer = self._shaken(rest)
                elif key == _AUTHENTICATE:
                    answer, is_proved = self._authenticated(rest)
                else:
                    if is_proved:
                        self.proved.set()
                    break
                writer.write(struct.pack(">ii", len(answer) + 4, correlation) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def _shaken(self, rest: bytes) -> bytes:
        (length,) = struct.unpack(">h", rest[:2])
        asked = rest[2 : 2 + length].decode()
        self.mechanisms.append(asked)
        known = self.mechanism.encode()
        error = 0 if asked == self.mechanism else _BAD_MECHANISM
        return struct.pack(">hih", error, 1, len(known)) + known

    def _authenticated(self, rest: bytes) -> tuple[bytes, bool]:
        (length,) = struct.unpack(">i", rest[:4])
        shown = rest[4 : 4 + length].decode()
        if self.mechanism == "PLAIN":
            said, is_proved = "", shown.split("\0")[1:] == [self.user, self.password]
        else:
            said, is_proved = self._scram(shown)
        error = 0 if said or is_proved else _BAD_PROOF
        self.refused += bool(error)
        told = said.encode()
        return struct.pack(">hhi", error, -1, len(told)) + told, is_proved

    def _scram(self, shown: str) -> tuple[str, bool]:
        """Return the server's answer to the client's first or final message (RFC 5802)."""
        algorithm = "sha" + self.mechanism.rpartition("-")[2]
        parts = dict(each.split("=", 1) for each in shown.split(",") if "=" in each)
        if "p" not in parts:
            first = shown.removeprefix("n,,")
            nonce, salt = parts["r"] + secrets.token_hex(8), secrets.token_bytes(16)
            said = f"r={nonce},s={base64.b64encode(salt).decode()},i={_ITERATIONS}"
            self._proof = f"{first}|{said}"
            return said, False
        first, said = self._proof.split("|")
        user = dict(each.split("=", 1) for each in first.split(","))["n"]
        salt = base64.b64decode(dict(each.split("=", 1) for each in said.split(","))["s"])
        salted = hashlib.pbkdf2_hmac(algorithm, self.password.encode(), salt, _ITERATIONS)
        message = f"{first},{said},{shown.rpartition(',p=')[0]}".encode()

        client = hmac.digest(salted, b"Client Key", algorithm)
        stored = hashlib.new(algorithm, client).digest()
        signature = hmac.digest(stored, message, algorithm)
        wanted = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        if user != self.user or base64.b64decode(parts["p"]) != wanted:
            return "", False
        server = hmac.digest(salted, b"Server Key", algorithm)
        proof = base64.b64encode(hmac.digest(server, message, algorithm)).decode()
        return f"v={proof}", True


@asynccontextmanager
async def opened(gate: Gate) -> AsyncIterator[Gate]:
    """Open a gate on this machine, at a port of its own."""
    server = await asyncio.start_server(gate._serve, "127.0.0.1", 0, ssl=gate.tls)
    gate.port = server.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        server.close()
