"""What the row of a request of a user holds, besides how far it is (``UserRequest.body``)."""

from __future__ import annotations

import msgspec


class Waiting(msgspec.Struct, omit_defaults=True):
    """What is wanted, and the access token that it will be."""

    token: str
    """Sealed for this alone."""
    openid: bool = False
    nonce: str = ""
    challenge: str = ""
    redirect_uri: str = ""
    at: int = 0
    """Unix seconds at which the subscriber was proved."""
    life_s: int = 0
    """Of the access token."""


def push_waiting(waiting: Waiting) -> bytes:
    """Return it as a row has it."""
    return msgspec.json.encode(waiting)


def pull_waiting(body: bytes) -> Waiting:
    """Return what a row has."""
    return msgspec.json.decode(body, type=Waiting)


def proved_at(body: bytes, at: int) -> bytes:
    """Return the body of a request whose subscriber was proved at ``at`` (Unix seconds)."""
    return push_waiting(msgspec.structs.replace(pull_waiting(body), at=at))
