"""Where phones of a simulated network are."""

from __future__ import annotations

from simgrant.nouns import named_noun


@named_noun
class Place:
    """The network that a phone is registered in."""

    mcc: str
    mnc: str
    since: float | None = None
    """When it was registered, Unix seconds; None = it is not said."""
    purged: bool = False
    """Whether the AMF has forgotten it."""

    @classmethod
    def pull(cls, text: str, *, since: float | None = None, purged: bool = False) -> Place:
        """Return a network such as 001-01; ValueError."""
        mcc, _, mnc = text.partition("-")
        digits = f"{mcc}{mnc}"
        if not (digits.isdecimal() and digits.isascii() and len(mcc) == 3 and len(mnc) in (2, 3)):
            raise ValueError(f"{text!r} is no network; one such as 001-01 is meant")
        return cls(mcc=mcc, mnc=mnc, since=since, purged=purged)


def pull_place(text: str) -> tuple[str, Place | None]:
    """Return who is where, of a text such as 001010000000001=001-01; ValueError."""
    imsi, equals, network = text.partition("=")
    if not equals or not imsi.isdecimal():
        raise ValueError(f"--at {text}: must be IMSI=NETWORK, such as 001010000000001=001-01")
    return imsi, Place.pull(network) if network else None
