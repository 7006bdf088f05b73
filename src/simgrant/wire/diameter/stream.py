"""What TCP brings, cut into messages (RFC 6733 §3).

Bounded by the longest message that is taken: a length beyond that ends the connection when its four
bytes are there, and not when memory is full.
"""

from __future__ import annotations

from simgrant.wire.diameter.message import MOST_BYTES, BadDiameter, Fault, pull_header


class Splitter:
    """The bytes of one connection. After BadDiameter it cannot go on: nothing is aligned."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Take the longest message that is accepted, in bytes."""
        self._most = most
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole now; BadDiameter where one cannot be."""
        held = self._held
        held += data
        found: list[bytes] = []
        at, end = 0, len(held)
        while end - at >= 4:
            length = int.from_bytes(held[at + 1 : at + 4], "big")
            if length > self._most:
                raise BadDiameter(Fault.INVALID_MESSAGE_LENGTH, "a message is too long")
            if held[at] != 1 or length < 20 or length & 3:
                # It is the header's to say what is wrong.
                pull_header(bytes(held[at : at + 20]))
                raise BadDiameter(Fault.INVALID_MESSAGE_LENGTH, "no message begins here")
            if end - at < length:
                break
            found.append(bytes(held[at : at + length]))
            at += length
        del held[:at]
        return found
