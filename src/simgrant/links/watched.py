"""Files of the operator that are read again when they change: key rings, certificate, profiles.

Each is read, checked and taken over as a whole, or it is refused with one line in the log, and what
was read last stays in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import structlog

from simgrant.errors import StartRefused

Stamp: TypeAlias = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is written, replaced or given other rights.

    Raise OSError where it is not there.
    """
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


class Watched:
    """Some files that belong together, and who takes them over when one of them has changed."""

    def __init__(
        self,
        what: str,
        paths: Iterable[Path],
        take: Callable[[], bool],
        *,
        by_hand: bool = True,
        read: bool = True,
    ) -> None:
        """``take`` reads them and says whether it has changed anything; StartRefused or OSError
        where they are no use.

        ``what`` names them in the log. Files that are written ``by_hand`` may be found half
        written, or one of two: they are read once they were left alone from one look to the next,
        and refused once. Others are written whole, and tried at each look until they can be read.

        ``read`` says that whoever asks reads them now; else they are read at the first look.
        """
        self._what = what
        self._paths = tuple(dict.fromkeys(paths))
        self._take = take
        self._by_hand = by_hand
        self._last = self._stamps()
        self._taken = self._last if read else None
        self._refused: tuple[Stamp | None, ...] | None = None

    def look(self, *, forced: bool = False) -> bool:
        """Take over what has changed; say whether there was something.

        ``forced`` reads at once what is written by hand, changed or not.
        """
        stamps = self._stamps()
        last, self._last = self._last, stamps
        if not (forced and self._by_hand):
            if stamps == self._taken:
                return False
            if self._by_hand and (stamps != last or stamps == self._refused):
                return False
        try:
            changed = self._take()
        except (OSError, StartRefused) as error:
            if forced or stamps != self._refused:
                structlog.get_logger().error(f"{self._what}_not_renewed", error=str(error))
            self._refused = stamps
            return False
        # Of before they were read: what was written meanwhile is found by the next look.
        self._taken, self._refused = stamps, None
        if changed:
            structlog.get_logger().info(f"{self._what}_renewed")
        return changed

    def _stamps(self) -> tuple[Stamp | None, ...]:
        return tuple(map(_stamp_or_none, self._paths))


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return stamp(path)
    except OSError:
        return None
