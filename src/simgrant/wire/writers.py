"""Which module writes which format of document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from simgrant.wire import json, xml
from simgrant.wire.document import Application, Document, Token, Vers
from simgrant.wire.negotiate import Format


class Writer(Protocol):
    """Writes documents: whole, or in two steps where the second is another for each device."""

    def push_document(self, document: Document) -> bytes:
        """Return the whole document."""

    def push_applications(self, applications: Iterable[Application]) -> str:
        """Return the part of a document that answers."""

    def join(self, vers: Vers, token: Token | None, applications: str) -> bytes:
        """Return the whole document around what was written."""


WRITERS: Final[Mapping[Format, Writer]] = {Format.XML: xml, Format.JSON: json}
