"""Which module writes which format of document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from simgrant.wire import json, xml
from simgrant.wire.document import Application, Token, Vers
from simgrant.wire.negotiate import Format


class Writer(Protocol):
    """Writes documents in two steps, since the second is another for each device."""

    def push_applications(self, applications: Iterable[Application]) -> str:
        """Return the part of a document that answers."""

    def join(self, vers: Vers, token: Token | None, applications: str) -> bytes:
        """Return the whole document."""


WRITERS: Final[Mapping[Format, Writer]] = {Format.XML: xml, Format.JSON: json}
