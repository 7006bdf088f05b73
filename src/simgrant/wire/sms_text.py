"""A person's text as the bytes of one short message (SMPP 3.4 §5.2.19, TS 23.038 §6).

Letters that the default alphabet writes as ASCII does travel as they are; a text with any other
goes as UTF-16, which halves the room but needs no table that a message centre might not share.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_DEFAULT_ALPHABET: Final = 0x00
_UCS2: Final = 0x08
_MOST_LETTERS: Final = 160
_MOST_BYTES: Final = 140
_SAME: Final = re.compile(r"[A-Za-z0-9 \r\n!\"#%&'()*+,./:;<=>?-]*", re.ASCII)
"""Where ASCII and the default alphabet agree (TS 23.038 §6.2.1); ``@``, ``$`` and ``_`` differ."""
_NAMES: Final = (128, 40, 30, 20, 12)
_OTHERS: Final = re.compile(r"[^A-Za-z0-9 \r\n!\"#%&'()*+,./:;<=>?-]")
"""All that `_SAME` does not have."""


def push_text(text: str) -> tuple[int, bytes]:
    """Return (``data_coding``, message); ValueError where it does not fit into one message."""
    if _SAME.fullmatch(text):
        coding, data, most = _DEFAULT_ALPHABET, text.encode("ascii"), _MOST_LETTERS
    else:
        coding, data, most = _UCS2, text.encode("utf-16-be"), _MOST_BYTES
    if not 0 < len(data) <= most:
        raise ValueError("a text of one short message has 1 to 160 letters, 70 of other alphabets")
    return coding, data


def pull_text(coding: int, data: bytes) -> str:
    """Return the text of a message as its reader sees it; ValueError if it is none of ours."""
    if coding == _UCS2:
        return data.decode("utf-16-be")
    if coding != _DEFAULT_ALPHABET or not _SAME.fullmatch(text := data.decode("ascii")):
        raise ValueError("not one of our messages")
    return text


def plain(text: str) -> str:
    """Return a text in letters that do not halve the room: without accents, and without others."""
    return _OTHERS.sub("", unicodedata.normalize("NFKD", text)).strip()


def fits(text: str) -> bool:
    """Say whether a text is one message."""
    try:
        push_text(text)
    except ValueError:
        return False
    return True


def shorter(name: str) -> Iterator[str]:
    """Yield ever shorter names, first in their own letters and then in those of a cheap message."""
    cheap = plain(name)
    for most in _NAMES:
        yield name[:most].rstrip()
        if len(cheap) * 2 > len(name):
            yield cheap[:most].rstrip()
