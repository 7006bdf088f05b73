"""Events in the envelope of CloudEvents 1.0, as brokers bring them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simgrant.wire.instant import utc
from simgrant.wire.tmf_events import CONTENT_TYPE


def cloud_event(event: Mapping[str, Any], *, source: str, event_id: str, at: int) -> dict[str, Any]:
    """Return an event of either kind in the envelope of CloudEvents."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"org.tmforum.{event.get('eventType', event.get('change'))}",
        "time": utc(at),
        "datacontenttype": CONTENT_TYPE,
        "data": event,
    }
