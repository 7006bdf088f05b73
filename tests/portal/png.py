"""Pictures made small: a PNG of pages has few colours, which a palette of 256 is enough for."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_HEAD = b"\x89PNG\r\n\x1a\n"
_MOST = 256


def small(png: bytes) -> bytes:
    """Return a PNG of 8 bits each of red, green and blue (and opaque alpha) with a palette."""
    width, height, bits, kind, *_ = struct.unpack(">IIBBBBB", png[16:29])
    assert (bits, kind in (2, 6)) == (8, True), "as Chromium takes them"
    size = 3 if kind == 2 else 4
    data = zlib.decompress(b"".join(body for name, body in _chunks(png) if name == b"IDAT"))
    pixels = [
        row[at : at + 3]
        for row in _rows(data, width * size, height, size)
        for at in range(0, width * size, size)
    ]
    counted = Counter(pixels)
    palette = [colour for colour, _ in counted.most_common(_MOST)]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in counted:
        if colour not in places:
            places[colour] = min(range(len(palette)), key=lambda at: _far(palette[at], colour))
    indexed = bytes(places[colour] for colour in pixels)
    lines = b"".join(b"\0" + indexed[at : at + width] for at in range(0, len(indexed), width))
    return _HEAD + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_HEAD)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def _rows(data: bytes, width: int, height: int, size: int) -> Iterator[bytes]:
    """Yield the rows without their filters (PNG §9)."""
    above = bytearray(width)
    for number in range(height):
        start = number * (width + 1)
        how, row = data[start], bytearray(data[start + 1 : start + 1 + width])
        for at in range(width if how else 0):
            left = row[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            up = above[at]
            guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[how]
            row[at] = (row[at] + guess) & 0xFF
        above = row
        yield bytes(row)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    far = abs(guess - left), abs(guess - up), abs(guess - corner)
    return (left, up, corner)[far.index(min(far))]


def _far(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
