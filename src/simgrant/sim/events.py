"""What a handset does after its answer, as people read it and as programs do."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from simgrant.sim.difference import Change
from simgrant.sim.exchange import Outcome
from simgrant.sim.follow_up import Called, Changed, Event, Failed, Heard, Opened, Sent, Waiting
from simgrant.sim.transcript import Mask, value_name
from simgrant.sim.web_view import Page, Visit


def render_event(event: Event, *, mask: Mask) -> RenderableType:
    """Return an event that is no conversation, in a line or few."""
    match event:
        case Waiting(channel, seconds):
            return Text(f"… waits for a notice by {channel}, up to {seconds:g} s\n", style="dim")
        case Heard(notice, apps, seconds):
            line = Text.assemble(
                ("♪ a notice by ", "bold yellow"),
                (notice.channel, "bold yellow"),
                f": {', '.join(notice.apps) or 'of no application'}",
            )
            line.append(f"  of {notice.timestamp}" if notice.timestamp else "", "dim")
            line.append(f"  after {seconds:.1f} s", "dim")
            if not apps:
                line.append("\n  this family does not heed it", "yellow")
            return line.append("\n")
        case Changed(changes):
            if not changes:
                return Text("= nothing in it has changed\n", style="yellow")
            return Group(*(_change_line(change, mask) for change in changes), Text())
        case Opened(page, visit):
            lines = [Text.assemble(("▣ ", "bold blue"), (page.app, "bold"), " opens its page")]
            lines += [_hop_line(visit, at) for at in range(len(visit.hops))]
            lines.append(_page_line(page, visit))
            return Group(*lines, Text())
        case Sent(page, form, visit):
            names = ", ".join(form.names) or "nothing"
            lines = [Text.assemble(("▣ ", "bold blue"), (page.app, "bold"), f" sends {names}")]
            lines += [_hop_line(visit, at) for at in range(len(visit.hops))]
            lines.append(_page_line(page, visit))
            return Group(*lines, Text())
        case Called(page, call, is_named):
            line = Text.assemble(("▣ ", "bold blue"), f"{page.bridge}.{call}()")
            if not is_named:
                line.append("  which this page has no words for", "yellow")
            return line.append("\n")
        case Failed(why):
            return Text(f"✗ {why}\n", style="bold red")
        case Outcome():
            raise TypeError("a conversation is rendered by the transcript")


def _change_line(change: Change, mask: Mask) -> Text:
    line = Text.assemble(("≠ ", "bold cyan"), (change.app, "bold"), f" {change.path}  ")
    line.append(_shown(change, change.old, mask), "red").append(" → ", "dim")
    return line.append(_shown(change, change.new, mask), "green")


def _shown(change: Change, value: str | None, mask: Mask) -> str:
    if value is None:
        return "not there"
    name = value_name(change.name, value, app_id=change.app)
    if name:
        return f"{value} {name.replace('_', ' ')}"
    return mask.value(change.name, value) or "empty"


def _hop_line(visit: Visit, at: int) -> Text:
    hop = visit.hops[at]
    line = Text.assemble("  ", (f"{hop.method} ", "cyan"), hop.url)
    line.append(f"  {hop.content_type}" if hop.content_type else "", "dim")
    good = hop.status < 400
    return line.append(f"  {hop.status}", "green" if good else "red")


def _page_line(page: Page, visit: Visit) -> Text:
    line = Text("  ")
    line.append(f"“{visit.title}”" if visit.title else "no title", "bold" if visit.title else "dim")
    line.append(f"  {visit.content_type or 'no Content-Type'}", "dim")
    if not visit.is_html:
        return line.append("  no HTML", "red")
    calls = visit.calls(page)
    if calls:
        return line.append(f"  can call {page.bridge}: {', '.join(calls)}", "green")
    return line.append(f"  names no call-back of {page.bridge or 'any bridge'}", "yellow")


def event_json(event: Event, *, mask: Mask) -> dict[str, Any]:
    """Return an event that is no conversation as one object."""
    match event:
        case Waiting(channel, seconds):
            return {"event": "waiting", "channel": str(channel), "seconds": seconds}
        case Heard(notice, apps, seconds):
            return {
                "event": "notice",
                "channel": str(notice.channel),
                "apps": list(notice.apps),
                "timestamp": notice.timestamp or None,
                "asks_for": list(apps),
                "seconds": round(seconds, 3),
            }
        case Changed(changes):
            return {
                "event": "changes",
                "changes": [
                    {
                        "app": change.app,
                        "parameter": change.path,
                        "old": change.old and mask.value(change.name, change.old),
                        "new": change.new and mask.value(change.name, change.new),
                    }
                    for change in changes
                ],
            }
        case Opened(page, visit):
            return {"event": "page", "app": page.app, **_visit_json(page, visit)}
        case Sent(page, form, visit):
            sent = {"event": "form", "app": page.app, "fields": list(form.names)}
            return sent | _visit_json(page, visit)
        case Called(page, call, is_named):
            return {
                "event": "call_back",
                "app": page.app,
                "call": f"{page.bridge}.{call}",
                "named": is_named,
            }
        case Failed(why):
            return {"event": "failed", "why": why}
        case Outcome():
            raise TypeError("a conversation is told exchange by exchange")


def _visit_json(page: Page, visit: Visit) -> dict[str, Any]:
    return {
        "requests": [
            {
                "method": hop.method,
                "url": hop.url,
                "content_type": hop.content_type or None,
                "status": hop.status,
            }
            for hop in visit.hops
        ],
        "status": visit.status,
        "content_type": visit.content_type or None,
        "html": visit.is_html,
        "title": visit.title or None,
        "call_backs": [f"{page.bridge}.{call}" for call in visit.calls(page)],
    }
