"""How a tenant's pages look: its name, its logo, and a colour that can be read day and night."""

from __future__ import annotations

from dataclasses import field
from typing import Final, NamedTuple

from simgrant.nouns import noun

_LIGHT_PAGE: Final = "#ffffff"
_DARK_PAGE: Final = "#131316"
"""As in ``portal.css``."""
_READABLE: Final = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3)."""
_STEPS: Final = 40


class Logo(NamedTuple):
    """A picture, as it is served."""

    content_type: str
    data: bytes

    def __repr__(self) -> str:
        return f"Logo({self.content_type}, {len(self.data)} bytes)"


@noun
class Brand:
    """What a tenant's pages show of it."""

    name: str = ""
    """Empty = pages name nobody."""
    colour: str = ""
    """``#rrggbb`` of buttons; empty = simgrant's."""
    logo: Logo | None = field(default=None)

    def sheet(self) -> bytes:
        """Return the style sheet of the colour; empty where there is none of its own."""
        if not self.colour:
            return b""
        light = readable(self.colour, _LIGHT_PAGE)
        dark = readable(self.colour, _DARK_PAGE)
        button = max(("#ffffff", "#1b1b1f"), key=lambda text: contrast(text, self.colour))
        return (
            f":root{{--accent:{self.colour};--on-accent:{button};--accent-text:{light}}}"
            f"@media (prefers-color-scheme:dark){{:root{{--accent-text:{dark}}}}}"
        ).encode()


def readable(colour: str, page: str) -> str:
    """Return the colour, moved away from the page's as far as it takes to read it there."""
    aim = 0 if _luminance(page) > 0.5 else 255
    parts = _parts(colour)
    for step in range(_STEPS + 1):
        mixed = tuple(part + (aim - part) * step // _STEPS for part in parts)
        text = "#{:02x}{:02x}{:02x}".format(*mixed)
        if contrast(text, page) >= _READABLE:
            return text
    raise AssertionError("black on white and white on black are readable")


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in _parts(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
