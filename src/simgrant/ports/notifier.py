"""Telling a device that it should ask again, by the channel it chose (TS.43 §2.6).

A notice says which applications changed and when, never what changed: who intercepts one learns
nothing, and one that comes twice makes a device ask twice. So delivery is at least once, and the
caller's outbox decides when a notice is done.

What every adapter promises:

- `Notifier.notify` ends by its deadline. What the channel said is a value, a `Receipt`. Where it
  could not be asked, or nobody knows what it did, there is an error, and the same call may be
  repeated with the same collapse id.
- Errors: PeerTimeout (the deadline passed), PeerUnavailable (not reached, refused our
  credentials, or left alone for a while after failures; ``retry_after`` says how long, where that
  is known), PeerMisbehaved (an answer that the channel's documentation does not have).
- After a `Delivered` nothing is sent again. Within one call a request may be repeated where the
  first got no answer, with the same collapse id.
- Calls may run side by side, as many as the caller likes: more than the channel takes wait for
  their turn within their deadline. Nothing is queued beyond a call.
- No token, credential or identity is in any receipt, error or log line.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final, Protocol, TypeAlias

from simgrant.identities import Imsi
from simgrant.nouns import noun
from simgrant.wire.push_token import Channel

MOST_APPS: Final = 15
"""Applications in one notice: as many as fit into one short message."""
_APP: Final = re.compile(r"ap[0-9]{4}", re.ASCII)
_COLLAPSE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@noun
class Notice:
    """What a device is told. Making one that no channel could carry raises ValueError."""

    apps: tuple[str, ...]
    """AppIDs, 1 to 15."""
    at: int
    """Unix seconds of the change: the ``timestamp`` of TS.43 §2.6.2."""
    expires_at: int
    """Unix seconds after which a channel that still holds the notice drops it."""
    collapse_id: str
    """1 to 64 characters of base64url, the same for notices that replace each other on one
    device. FCM keeps only four different ones for a device, so it should name the registration and
    not the change. It is told to third parties, and so is never made of an identity."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.apps) <= MOST_APPS or not all(map(_APP.fullmatch, self.apps)):
            raise ValueError("a notice names 1 to 15 AppIDs")
        if not _COLLAPSE_ID.fullmatch(self.collapse_id):
            raise ValueError("a collapse id is 1 to 64 characters of base64url")


@noun
class Target:
    """Where a notice goes to. A token without its channel's form is `Dead`, and sent nowhere."""

    channel: Channel
    token: str = field(repr=False)
    """The ``notif_token`` of the registration; for SMS the digits of the MSISDN."""
    app_name: str = ""
    """The client that registered, in lower case; a channel may have a topic for each."""
    imsi: Imsi | None = None
    """The user-id of the text of a short message; other channels are not told it."""


@noun
class Delivered:
    """The channel has taken the notice over; whether the device is on is its business."""

    reference: str = ""
    """The channel's own name for it, if it gave one, for questions to its support."""


@noun
class Dead:
    """Nothing will ever be delivered to this token: remove the registration."""

    reason: str
    since: int | None = None
    """Unix seconds from which the channel knows; a registration renewed later is not dead."""


@noun
class Later:
    """The channel is well and asks to be given this notice again, not before ``after`` seconds."""

    reason: str
    after: float | None = None
    """None: it did not say; wait longer each time."""


@noun
class Refused:
    """The channel will not take this notice for this token, however often; the token may be good.

    The operator has to mend something, such as a topic or a sender that is not the app's.
    """

    reason: str


Receipt: TypeAlias = Delivered | Dead | Later | Refused


class Notifier(Protocol):
    """One channel; see the module's docstring for what it promises."""

    @property
    def channel(self) -> Channel:
        """Return the channel whose targets this takes."""

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        """Hand one notice to the channel by ``deadline`` (seconds of the monotonic clock)."""

    async def close(self) -> None:
        """Let go of every connection; calls still under way fail with PeerUnavailable."""
