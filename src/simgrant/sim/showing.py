"""What handsets and partners did, printed, and the exit code that it deserves."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Final

from rich.console import Console
from rich.text import Text

from simgrant.sim.events import event_json, render_event
from simgrant.sim.exchange import Outcome, Result
from simgrant.sim.follow_up import Event, Failed, Trouble
from simgrant.sim.sims import Sim
from simgrant.sim.transcript import Mask, as_json, render, render_line, write


class Exit(IntEnum):
    """What the exit code of `simgrant sim handset` says."""

    DOCUMENT = 0
    """Every handset got its document."""
    REFUSED = 1
    """At least one did not."""
    USAGE = 2
    """The command line makes no sense."""
    UNREACHABLE = 3
    """At least one found no server."""
    UNHEARD = 4
    """At least one waited for a notice in vain."""
    INTERRUPTED = 130
    """Ctrl-C."""


_EXITS: Final = {
    Trouble.REFUSED: Exit.REFUSED,
    Trouble.UNREACHABLE: Exit.UNREACHABLE,
    Trouble.UNHEARD: Exit.UNHEARD,
}


class Show:
    """Prints each conversation when it is over, whole, however many run at once."""

    def __init__(self, out: Console, mask: Mask, *, as_lines: bool, many: bool) -> None:
        self._out = out
        self._mask = mask
        self._as_lines = as_lines
        self._many = many
        self._results: list[Result] = []
        self._failures: set[Exit] = set()

    def outcome(self, sim: Sim | None, outcome: Outcome) -> None:
        """Print a conversation; without a SIM, nobody's in particular."""
        self._results.append(outcome.result)
        if self._as_lines:
            for line in as_json(outcome, mask=self._mask, sim=sim.imsi if sim else None):
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        elif self._many and sim:
            write(self._out, render_line(outcome, name=self._mask.imsi(sim.imsi)))
        else:
            write(self._out, render(outcome, mask=self._mask))

    def event(self, sim: Sim, event: Event) -> None:
        """Print what a handset does after its answer."""
        if isinstance(event, Outcome):
            self.outcome(sim, event)
            return
        if isinstance(event, Failed):
            self._failures.add(_EXITS[event.kind])
        if self._as_lines:
            data = {"sim": self._mask.imsi(sim.imsi), **event_json(event, mask=self._mask)}
            sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        if self._many:
            write(self._out, Text(self._mask.imsi(sim.imsi), style="bold"))
        write(self._out, render_event(event, mask=self._mask))
        self._out.file.flush()

    async def events(self, sim: Sim, events: AsyncIterator[Event]) -> None:
        """Print all that a handset does after its answer, each when it has happened."""
        async for event in events:
            self.event(sim, event)

    def total(self) -> None:
        """Say how many there were of each result, if there were many."""
        if self._many and not self._as_lines:
            counts = {str(each): self._results.count(each) for each in Result}
            said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
            write(self._out, f"{len(self._results)} conversations: {said}")

    def exit_code(self) -> Exit:
        """Return the exit code that the worst conversation deserves."""
        if Result.UNREACHABLE in self._results or Exit.UNREACHABLE in self._failures:
            return Exit.UNREACHABLE
        if any(result is not Result.DOCUMENT for result in self._results):
            return Exit.REFUSED
        return min(self._failures, default=Exit.DOCUMENT)
