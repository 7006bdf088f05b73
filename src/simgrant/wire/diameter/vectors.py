"""What an HSS is asked for and brings, over whichever interface: one vector, in its parts.

Whether they make a vector is for who asked. Each of `swx`, `cx` and `s6a` has the same functions
over these two.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from simgrant.nouns import Word, noun

RAND_BYTES: Final = 16
RESYNC_BYTES: Final = 30
"""RAND and AUTS."""


class Scheme(Word):
    """What a vector is for, as the interfaces call it; S6a's are what its groups are called."""

    AKA = "EAP-AKA"
    AKA_PRIME = "EAP-AKA'"
    IMS_AKA = "Digest-AKAv1-MD5"
    UTRAN = "UTRAN"
    E_UTRAN = "E-UTRAN"


@noun
class Wanted:
    """What a request asks for."""

    user_name: str = field(repr=False)
    scheme: str
    resync: bytes = field(default=b"", repr=False)
    """RAND and AUTS; empty = no resynchronisation."""
    network: str = ""
    """The access network that EAP-AKA' binds keys to."""


@noun
class Brought:
    """What an answer brings."""

    user_name: str = field(repr=False)
    """Empty where it says none."""
    scheme: str
    """Empty where it says none."""
    rand: bytes = field(repr=False)
    autn: bytes = field(repr=False)
    xres: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)
