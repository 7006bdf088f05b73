"""What an answer of a TM Forum API means before its content is read: which error its status is."""

from __future__ import annotations

import math
from typing import TypeVar

from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.links.http import Reply
from simgrant.wire.tmf.parts import BadMessage, read

T = TypeVar("T")


def failed(reply: Reply, peer: str, *, now: float) -> EcsError:
    """Return the error of an answer that is none of those that were to come.

    PeerUnavailable where the BSS is in trouble, PeerMisbehaved where it does not understand us.
    Nothing that it says of the reason is repeated, since it may quote the request.
    """
    if reply.status >= 500:
        wait = reply.retry_after(now)
        return PeerUnavailable(
            "bss_unavailable",
            for_operator=f"{peer}: it answers {reply.status}",
            retry_after=None if wait is None else max(1, math.ceil(wait)),
        )
    return misbehaved(peer, f"it answers {reply.status}")


def misbehaved(peer: str, why: str) -> PeerMisbehaved:
    """Return the error of an answer that is no use."""
    return PeerMisbehaved("bss_misbehaved", for_operator=f"{peer}: {why}")


def read_answer(reply: Reply, kind: type[T], peer: str) -> T:
    """Return the content of an answer; PeerMisbehaved, which names a member at most."""
    try:
        return read(reply.body, kind)
    except BadMessage as error:
        raise misbehaved(peer, str(error)) from None
