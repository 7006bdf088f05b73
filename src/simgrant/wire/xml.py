"""Documents as XML that Android reads (TS.43 §2.9, RCC.14; AOSP service_entitlement).

Both of Android's readers double every ``&`` that does not begin ``&amp;`` before they parse, so
``&amp;`` is the only entity that survives. Values that would need another one are changed here:

======================  =====================================================
in the value            in the document
======================  =====================================================
``&``                   ``&amp;``
``"``                   the attribute stands in single quotes
``"`` and ``'``         ``'`` for each of them
``<``                   U+2039, a single left angle quotation mark
TAB, CR, LF             one space for each run of them
not of XML 1.0          nothing
======================  =====================================================

What must arrive unchanged goes as ``encodedValue=`` and base64 (TS.43 §2.9.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from simgrant.wire import content_types
from simgrant.wire.document import (
    Application,
    CharacteristicList,
    Document,
    Item,
    Parm,
    Token,
    Vers,
)

CONTENT_TYPE: Final = content_types.XML

_HEAD: Final = (
    '<?xml version="1.0"?><wap-provisioningdoc version="1.1"><characteristic type="VERS">'
    '<parm name="version" value="%d"/><parm name="validity" value="%d"/></characteristic>'
)
_END: Final = "</wap-provisioningdoc>"
_APPLICATION: Final = '<characteristic type="APPLICATION"><parm name="AppID" value=%s/>'

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_BREAKS: Final = re.compile("[\t\r\n]+")


def push_document(document: Document) -> bytes:
    """Return ``document`` in UTF-8, without white space between the elements.

    ``type`` is the only attribute of a characteristic, because Android takes attribute number
    0 for it. Names and types are ours, and are written as they are.
    """
    return join(document.vers, document.token, push_applications(document.applications))


def join(vers: Vers, token: Token | None, applications: str) -> bytes:
    """Return the document around applications that are written already."""
    head = _HEAD % (vers.version, vers.validity)
    if token is None:
        return f"{head}{applications}{_END}".encode()
    return (
        f'{head}<characteristic type="TOKEN"><parm name="token" value={_quoted(token.token)}/>'
        f'<parm name="validity" value="{token.validity:d}"/></characteristic>'
        f"{applications}{_END}"
    ).encode()


def push_applications(applications: Iterable[Application]) -> str:
    """Return the part of a document that answers."""
    out: list[str] = []
    for application in applications:
        out.append(_APPLICATION % _quoted(application.app_id))
        _push_items(application.items, out)
        out.append("</characteristic>")
    return "".join(out)


def _push_items(items: Iterable[Item], out: list[str]) -> None:
    for item in items:
        if isinstance(item, Parm):
            out.append(f'<parm name="{item.name}" value={_quoted(item.value)}/>')
            continue
        out.append(f'<characteristic type="{item.type}">')
        _push_items(item.entries if isinstance(item, CharacteristicList) else item.items, out)
        out.append("</characteristic>")


def _quoted(value: str) -> str:
    """Return ``value`` with the quotes that it needs, changed as the module's table says."""
    # Tokens are long, and looked through so in a tenth of what a regular expression takes.
    if value.isprintable() and '"' not in value and "&" not in value and "<" not in value:
        return f'"{value}"'
    value = _FORBIDDEN.sub("", _BREAKS.sub(" ", value))
    value = value.replace("&", "&amp;").replace("<", "\u2039")
    if '"' not in value:
        return f'"{value}"'
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace('"', "'") + '"'
