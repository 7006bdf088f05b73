"""A notice as a short message to an application port (TS.43 §2.6.1, TS 23.040 §9.2.3.24).

The text is ``<user-id>-aescfg,<AppID>[,<AppID>…]``. It travels as 8-bit data, since the receiver is
a program: with the 7-bit alphabet each network packs a header and a text in its own way. The port
stands in a user data header, or in optional parameters of SMPP, from which the message centre makes
that header.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from simgrant.nouns import noun

PORT: Final = 8095
"""Where TS.43's clients listen, unless the operator agreed on another."""
DATA_CODING: Final = 0x04
"""8-bit data, no alphabet (SMPP 3.4 §5.2.19)."""
UDHI: Final = 0x40
"""Bit of ``esm_class``: the message begins with a user data header (SMPP 3.4 §5.2.12)."""
SOURCE_PORT: Final = 0x020A
DESTINATION_PORT: Final = 0x020B
"""Tags of the optional parameters (SMPP 3.4 §5.3.2.20, §5.3.2.21)."""

_MOST_BYTES: Final = 140
_PORTS: Final = b"\x06\x05\x04"
"""6 bytes of header; element 5, application ports of 16 bits; 4 bytes of it."""
_TEXT: Final = re.compile(r"([0-9]{1,15})-aescfg((?:,ap[0-9]{4})+)", re.ASCII)


@noun
class PortMessage:
    """A notice as its receiver understands it."""

    port: int
    user_id: str
    apps: tuple[str, ...]


class BadMessage(ValueError):
    """What came is no notice of TS.43."""


def push_text(user_id: str, apps: Sequence[str]) -> bytes:
    """Return the text; ValueError where it would not fit into one message."""
    text = ",".join((f"{user_id}-aescfg", *apps)).encode("ascii")
    if len(text) > _MOST_BYTES - len(_PORTS) - 4:
        raise ValueError("more applications than fit into one short message")
    return text


def push_header(port: int, source: int = 0) -> bytes:
    """Return the user data header that addresses ``port``."""
    return _PORTS + push_port(port) + push_port(source)


def push_port(port: int) -> bytes:
    """Return a port as the two bytes of header or optional parameter."""
    return port.to_bytes(2, "big")


def push_time(at: int) -> str:
    """Return Unix seconds as SMPP's absolute time, in UTC (SMPP 3.4 §7.1.1)."""
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%S000+")


def pull_message(data: bytes, *, udhi: bool, port: int | None = None) -> PortMessage:
    """Return what a message says; ``port`` is that of the optional parameters, if they came.

    BadMessage if it is addressed to no port, or is no notice.
    """
    if udhi:
        if len(data) < 7 or not data.startswith(_PORTS):
            raise BadMessage("the header addresses no port")
        port, data = int.from_bytes(data[3:5], "big"), data[7:]
    if port is None:
        raise BadMessage("the message is addressed to no port")
    found = _TEXT.fullmatch(data.decode("latin-1"))
    if found is None:
        raise BadMessage("the text is no notice")
    return PortMessage(port, found[1], tuple(found[2][1:].split(",")))
