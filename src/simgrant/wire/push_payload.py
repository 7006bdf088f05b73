"""What a notice says in a cloud push: which applications, and when (TS.43 §2.6.2).

The same two keys everywhere, in the shape that each channel carries: FCM's data are texts only, so
that a list is sent as the text of one; APNs and WNS carry JSON as it is. Reading them back is for
whoever plays the receiver.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simgrant.nouns import noun
from simgrant.wire.instant import utc


@noun
class Payload:
    """A notice as its receiver understands it."""

    apps: tuple[str, ...]
    timestamp: str
    """ISO 8601, UTC."""


class BadPayload(ValueError):
    """What came is no notice of TS.43."""


def push_timestamp(at: int) -> str:
    """Return Unix seconds as ISO 8601 in UTC, to the second."""
    return utc(at)


def push_data(apps: Sequence[str], at: int) -> dict[str, str]:
    """Return FCM's data: one AppID as it is, several as the text of a JSON array.

    Android's IMS app looks for ``ap2004`` anywhere in the text and reads no further.
    """
    app = apps[0] if len(apps) == 1 else msgspec.json.encode(apps).decode()
    return {"app": app, "timestamp": push_timestamp(at)}


def push_json(apps: Sequence[str], at: int, *, aps: bool) -> bytes:
    """Return the JSON of WNS, or with ``aps`` of APNs: a background update without an alert."""
    app: str | Sequence[str] = apps[0] if len(apps) == 1 else apps
    payload: dict[str, object] = {"aps": {"content-available": 1}} if aps else {}
    payload["data"] = {"app": app, "timestamp": push_timestamp(at)}
    return msgspec.json.encode(payload)


def pull_data(data: object) -> Payload:
    """Return what the ``data`` of a notice says, FCM's or the others'; BadPayload if it is none."""
    if not isinstance(data, dict):
        raise BadPayload("data is no object")
    app, timestamp = data.get("app"), data.get("timestamp")
    if isinstance(app, str) and app.startswith("["):
        try:
            app = msgspec.json.decode(app)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise BadPayload("app is no list") from None
    apps = [app] if isinstance(app, str) else app
    if not isinstance(apps, list) or not apps or not all(isinstance(each, str) for each in apps):
        raise BadPayload("app names no application")
    if not isinstance(timestamp, str) or not timestamp:
        raise BadPayload("timestamp is missing")
    return Payload(tuple(apps), timestamp)


def pull_json(body: bytes) -> Payload:
    """Return what the JSON of APNs or WNS says; BadPayload if it is no notice."""
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadPayload("the body is no JSON") from None
    if not isinstance(payload, dict):
        raise BadPayload("the body is no object")
    return pull_data(payload.get("data"))
