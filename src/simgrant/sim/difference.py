"""What is another in a new document than in the old one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from simgrant.nouns import noun
from simgrant.sim.transcript import is_secret
from simgrant.wire.document import Application, Characteristic, Document, Item, Parm


@noun
class Change:
    """A parameter that came, went or has another value."""

    app: str
    path: str
    """Characteristics and parameter; of several alike, they are counted from 1."""
    old: str | None = field(repr=False)
    new: str | None = field(repr=False)
    """None = it is not there."""

    @property
    def name(self) -> str:
        """The parameter's own name."""
        return self.path.rpartition("/")[2]


def changes(old: Document | None, new: Document, apps: Iterable[str]) -> tuple[Change, ...]:
    """Return what is another for these applications, in the new document's order.

    A secret is sealed anew for each document: that it is there or not is all that counts.
    """
    found: list[Change] = []
    for app in apps:
        before, after = _flat(old, app), _flat(new, app)
        for path in dict.fromkeys((*after, *before)):
            change = Change(app, path, before.get(path), after.get(path))
            if change.old == change.new:
                continue
            if is_secret(change.name) and bool(change.old) == bool(change.new):
                continue
            found.append(change)
    return tuple(found)


def _flat(document: Document | None, app: str) -> dict[str, str]:
    there: tuple[Application, ...] = () if document is None else document.applications
    application = next((each for each in there if each.app_id == app), None)
    return {} if application is None else dict(_paths(application.items, ""))


def _paths(items: Iterable[Item], place: str) -> Iterator[tuple[str, str]]:
    counts: dict[str, int] = {}
    for item in items:
        if isinstance(item, Parm):
            yield place + item.name, item.value
            continue
        counts[item.type] = counts.get(item.type, 0) + 1
        number = f"[{counts[item.type]}]" if counts[item.type] > 1 else ""
        inside = item.items if isinstance(item, Characteristic) else item.entries
        yield from _paths(inside, f"{place}{item.type}{number}/")
