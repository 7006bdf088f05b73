"""The configuration document as a value (TS.43 §2.9, RCC.14), whatever its encoding.

``wire.xml`` and ``wire.json`` turn it into bytes. A characteristic that occurs
once becomes an object in JSON; one that is a list of items becomes an array of
one-key objects; that difference is the only thing the types have to know.
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from simgrant.nouns import noun


@noun
class Parm:
    """One named value; always text, also where the table says integer."""

    name: str
    value: str = field(repr=False)


@noun
class Characteristic:
    """A named group that occurs once: in JSON an object."""

    type: str
    items: tuple[Item, ...]


@noun
class CharacteristicList:
    """A named list: in XML nested characteristics, in JSON an array of one-key objects."""

    type: str
    entries: tuple[Characteristic, ...]


Item: TypeAlias = Parm | Characteristic | CharacteristicList


@noun
class Application:
    """The part of a document that answers one AppID."""

    app_id: str
    items: tuple[Item, ...]


@noun
class Vers:
    """Version of the configuration and how long it holds, in seconds (RCC.14)."""

    version: int
    validity: int


@noun
class Token:
    """The fast-authentication token and the seconds it has left (TS.43 §2.9.6)."""

    token: str = field(repr=False)
    validity: int


@noun
class Document:
    """A whole answer."""

    vers: Vers
    token: Token | None
    applications: tuple[Application, ...]
