"""A conversation as people read it: arrows, what matters, and the document as a tree.

Identities, tokens and cookies are masked unless they are asked for, so that a
transcript can be pasted into a ticket. The same records come out as JSON lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from simgrant.eap.packet import Code, Packet, Variant
from simgrant.identities import Imsi
from simgrant.nouns import noun
from simgrant.sim.exchange import Exchange, Leg, Outcome, Result
from simgrant.spec.ids import (
    AccessType,
    AddrStatus,
    AppId,
    BoostEntitlementStatus,
    BoostProvStatus,
    BoostTypeStatus,
    DataAccessType,
    DataUsageType,
    EntitlementStatus,
    HomeRoamingNwType,
    OperationResult,
    ProvStatus,
    RegisterNotifStatus,
    SaStatus,
    SimIdType,
    TcOperation,
    TcStatus,
)
from simgrant.wire.document import Application, Characteristic, Document, Item, Parm

WIDEST: Final = 120
"""Columns, however wide the terminal is."""
UNKNOWN_WIDTH: Final = 100
"""Columns where there is no terminal."""

APP_NAMES: Final = MappingProxyType(
    {
        AppId.VOICE_OVER_CELLULAR: "Voice-over-Cellular",
        AppId.VOWIFI: "VoWiFi",
        AppId.SMSOIP: "SMSoIP",
        AppId.ODSA_COMPANION: "ODSA for companion devices",
        AppId.ODSA_PRIMARY: "ODSA for primary devices",
        AppId.DATA_PLAN: "Data plan",
        AppId.ODSA_SERVER_INITIATED: "Server-initiated ODSA",
        AppId.CARRIER_BILLING: "Direct carrier billing",
        AppId.PRIVATE_IDENTITY: "Private user identity",
        AppId.DEVICE_INFORMATION: "Device and user information",
        AppId.APP_AUTHENTICATION: "Device app authentication",
        AppId.SATMODE: "SatMode",
    }
)
"""The applications of TS.43 §2.3 in the specification's words."""

_NAMED_VALUES: Final[dict[str, type[IntEnum]]] = {
    "EntitlementStatus": EntitlementStatus,
    "AddrStatus": AddrStatus,
    "TC_Status": TcStatus,
    "TC_Operation": TcOperation,
    "ProvStatus": ProvStatus,
    "AccessType": AccessType,
    "HomeRoamingNWType": HomeRoamingNwType,
    "RegisterNotifStatus": RegisterNotifStatus,
    "OperationResult": OperationResult,
    "SimIdType": SimIdType,
}
_DATA_PLAN_VALUES: Final[dict[str, type[IntEnum]]] = _NAMED_VALUES | {
    "AccessType": DataAccessType,
    "BoostTypeStatus": BoostTypeStatus,
    "DataUsageType": DataUsageType,
    "5GSAStatus": SaStatus,
    "EntitlementStatus": BoostEntitlementStatus,
    "ProvStatus": BoostProvStatus,
}
"""The data plan's, which has names in common with others and other values."""
_GOOD: Final = frozenset(
    {"ENABLED", "INCLUDED", "AVAILABLE", "PROVISIONED", "NOT_REQUIRED", "SUCCESS"}
)
_BAD: Final = frozenset({"INCOMPATIBLE", "INVALID_TOKEN"})

_SECRET = re.compile(
    r"token(?!expiry|validity|validatedparams|authurl)|assertion$|otp$|userdata$|user_data$|activationcode$|^code$|^state$"
    r"|^msg_response$|^login_hint$|^auth_req_id$|verifier$|^request$",
    re.IGNORECASE,
)
_IDENTITY = re.compile(
    r"^imsi$|msisdn|terminal_id$|iccid$|eid$|imei|^gid|terminal_sn$|privateuserid$|^simid$"
    r"|store_user_id$|phone_?number$|^device$",
    re.IGNORECASE,
)
_HEADERS_SHOWN: Final = ("Accept", "Content-Type", "Cookie", "User-Agent")
_ANSWER_HEADERS_SHOWN: Final = ("Set-Cookie", "Location", "Retry-After")
_ATTRIBUTES: Final = (
    ("rand", "AT_RAND"),
    ("autn", "AT_AUTN"),
    ("res", "AT_RES"),
    ("auts", "AT_AUTS"),
    ("identity", "AT_IDENTITY"),
    ("network_name", "AT_KDF_INPUT"),
    ("encrypted", "AT_ENCR_DATA"),
    ("checkcode", "AT_CHECKCODE"),
    ("mac", "AT_MAC"),
)


# ------------------------------------------------------------------------------- masking


@noun
class Mask:
    """What is hidden before it is shown; `Mask(reveal=True)` hides nothing."""

    reveal: bool = False

    def value(self, name: str, text: str) -> str:
        """Return a parameter's value as it may be shown."""
        if self.reveal or not text:
            return text
        if name.upper() == "EAP_ID":
            user, at, realm = text.partition("@")
            return f"{user[:6]}…({len(user)}){at}{realm}"
        if is_secret(name):
            return _shortened(text, 4)
        if _IDENTITY.search(name):
            return _shortened(text, 5)
        return text

    def header(self, name: str, text: str) -> str:
        """Return a header's value as it may be shown."""
        match name.lower():
            case "cookie":
                return "; ".join(self._pair(pair) for pair in text.split("; "))
            case "set-cookie":
                pair, semicolon, attributes = text.partition(";")
                return self._pair(pair) + semicolon + attributes
            case "authorization" | "dpop" if not self.reveal:
                scheme, space, secret = text.rpartition(" ")
                return scheme + space + _shortened(secret, 4)
            case "location" if not self.reveal:
                address, mark, query = text.partition("?")
                return address + (f"?…({len(query)})" if mark else "")
            case _:
                return text

    def imsi(self, imsi: Imsi) -> str:
        """Return a SIM's name in a transcript: the ends, which tell consecutive SIMs apart."""
        return imsi.digits if self.reveal else f"{imsi.digits[:5]}…{imsi.digits[-4:]}"

    def _pair(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return pair if self.reveal else f"{name}{equals}{_shortened(value, 4)}"


def is_secret(name: str) -> bool:
    """Say whether a parameter of this name holds what nobody else may have."""
    return _SECRET.search(name) is not None


def _shortened(text: str, shown: int) -> str:
    return f"{text[:shown] if len(text) >= 3 * shown else ''}…({len(text)})"


# ---------------------------------------------------------------------------- for people


def console(*, color: bool | None = None, stderr: bool = False) -> Console:
    """Return a console of bounded width; colour by terminal and NO_COLOR unless said."""
    found = Console(stderr=stderr, highlight=False, no_color=None if color is None else not color)
    found.width = min(found.width, WIDEST) if found.is_terminal else UNKNOWN_WIDTH
    return found


def write(out: Console, what: RenderableType) -> None:
    """Print, and where nobody looks at a terminal, without the spaces that fill up lines."""
    if out.is_terminal:
        out.print(what)
        return
    with out.capture() as captured:
        out.print(what)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def render(outcome: Outcome, *, mask: Mask, title: str = "") -> RenderableType:
    """Return a whole conversation, each exchange a block."""
    blocks: list[RenderableType] = [Text(title, style="bold")] if title else []
    blocks += [
        _block(number, exchange, mask) for number, exchange in enumerate(outcome.exchanges, 1)
    ]
    blocks.append(Padding(_ending(outcome, mask), (0, 0, 1, 0)))
    return Group(*blocks)


def render_line(outcome: Outcome, *, name: str) -> Text:
    """Return a conversation in one line, for when there are many."""
    line = Text(f"{name}  ", no_wrap=True, overflow="ellipsis")
    statuses = " ".join(str(seen.status or "—") for seen in outcome.exchanges)
    line.append(f"{statuses:<12}  ", style="dim")
    line.append(f"{_milliseconds(outcome):7.1f} ms  ", style="dim")
    if outcome.document is None:
        line.append(f"{outcome.result}: {outcome.why}", style="red")
        return line
    for application in outcome.document.applications:
        line.append(f"{application.app_id} ")
        line.append_text(_status_of(application))
        line.append("  ")
    return line


def _block(number: int, seen: Exchange, mask: Mask) -> RenderableType:
    there, back = _Lines(), _Lines()
    request = Text.assemble((f"{seen.method} ", "bold cyan"), (seen.url, "cyan"))
    for position, (name, value) in enumerate(seen.parameters):
        request.append(" ?" if not position else " &", style="dim")
        request.append(f"{name}=", style="dim")
        request.append(mask.value(name, value))
    there.add(request)
    if seen.packet is not None:
        there.add(Text(_packet_words(seen.packet), style="magenta"))
    for name, value in seen.sent:
        if name in _HEADERS_SHOWN and (name != "User-Agent" or number == 1):
            there.add(Text(f"{name}: {mask.header(name, value)}", style="dim"))
    if seen.status is None:
        back.add(Text(seen.failure, style="red"))
    else:
        back.add(_status_line(seen))
        if seen.challenge is not None:
            size = len(seen.challenge_bytes)
            back.add(Text(f"{size}-byte {_packet_words(seen.challenge)}", style="magenta"))
        for name, value in seen.got:
            if name.title() in _ANSWER_HEADERS_SHOWN:
                back.add(Text(f"{name.title()}: {mask.header(name, value)}", style="dim"))
        if seen.failure:
            back.add(Text(seen.failure, style="red"))
        if seen.document is not None:
            back.add(document_tree(seen.document, mask=mask))
        for name, value in _members(seen):
            back.add(Text.assemble((f"{name} ", "dim"), mask.value(name, value)))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=8)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(seen.leg, style="bold"), Text("→", style="cyan"), Group(*there.lines))
    grid.add_row("", Text("←", style=_status_style(seen)), Group(*back.lines))
    return Padding(grid, (0, 0, 1, 0))


def _members(seen: Exchange) -> Iterator[tuple[str, str]]:
    """Yield the members of an answer in JSON that an application's server got."""
    if seen.leg not in (Leg.GRANT, Leg.API) or "json" not in seen.content_type:
        return
    try:
        said = json.loads(seen.body)
    except ValueError:
        return
    for name, value in said.items() if isinstance(said, dict) else ():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Lines:
    """The lines of one direction."""

    def __init__(self) -> None:
        self.lines: list[RenderableType] = []

    def add(self, line: RenderableType) -> None:
        self.lines.append(line)


def _status_line(seen: Exchange) -> Text:
    line = Text(f"{seen.status} {seen.reason}".rstrip(), style=f"bold {_status_style(seen)}")
    line.append(f"  {seen.content_type or 'no Content-Type'}", style="default not bold")
    size = f"{len(seen.body)} bytes"
    if seen.wire_bytes != len(seen.body):
        size += f" ({seen.wire_bytes} compressed)"
    line.append(f"  {size}  {seen.milliseconds:.1f} ms", style="dim not bold")
    return line


def _status_style(seen: Exchange) -> str:
    if seen.status == 200:
        return "green"
    return "yellow" if seen.status in (302, 503, 511) else "red"


def _ending(outcome: Outcome, mask: Mask) -> Text:
    number = len(outcome.exchanges)
    took = f" after {number} request{'s' * (number > 1)}, {_milliseconds(outcome):.1f} ms"
    if outcome.result is Result.DOCUMENT:
        what = _WHOSE.get(outcome.last.leg, "handset has its document")
        line = Text.assemble((f"✓ the {what}", "bold green"), (took, "dim"))
        if outcome.missing:
            line.append(f"\n! not in it: {', '.join(outcome.missing)}", style="yellow")
        return line
    line = Text.assemble(
        (f"✗ {_ENDINGS[outcome.result]}: {outcome.why}", "bold red"), (took, "dim")
    )
    if outcome.retry_after is not None:
        line.append(f"\n  come back in {outcome.retry_after:g} s", style="yellow")
    if outcome.location:
        line.append(f"\n  go to {mask.header('Location', outcome.location)}", style="yellow")
    if outcome.code:
        line.append(f"\n  Android's client would report error {outcome.code}", style="dim")
    return line


_WHOSE: Final = {
    Leg.LENT: "server has its document",
    Leg.API: "back end has its answer",
}
_ENDINGS: Final = {
    Result.REFUSED: "the server refused",
    Result.LATER: "the server cannot answer now",
    Result.REDIRECTED: "the server redirected the handset",
    Result.NOT_UNDERSTOOD: "the handset does not understand the answer",
    Result.SIM_FAILED: "the handset gave up",
    Result.TOO_MANY_ROUNDS: "the handset gave up",
    Result.UNREACHABLE: "no answer",
}


def _milliseconds(outcome: Outcome) -> float:
    return sum(seen.milliseconds for seen in outcome.exchanges)


def _packet_words(packet: Packet) -> str:
    method = "EAP-AKA" if packet.variant is Variant.AKA else "EAP-AKA'"
    subtype = packet.subtype.name.replace("_", " ").title().replace(" ", "-")
    direction = "request" if packet.code is Code.REQUEST else "response"
    there = [name for field, name in _ATTRIBUTES if getattr(packet, field) is not None]
    return f"{method} {subtype} {direction}, id {packet.identifier} ({' '.join(there) or 'empty'})"


# ------------------------------------------------------------------------- the document


def document_tree(document: Document, *, mask: Mask) -> RenderableType:
    """Return a document as a compact tree with named values."""
    vers = document.vers
    head = Text(f"VERS {vers.version}, validity {_span(vers.validity)}")
    if document.token is not None:
        head.append(f"   TOKEN {mask.value('token', document.token.token)}")
        head.append(f", validity {_span(document.token.validity)}")
    else:
        head.append("   no TOKEN", style="dim")
    return Group(head, *(_application_tree(app, mask) for app in document.applications))


def _application_tree(application: Application, mask: Mask) -> Tree:
    title = Text(application.app_id, style="bold")
    with_name = APP_NAMES.get(application.app_id)  # type: ignore[call-overload]
    if with_name:
        title.append(f" {with_name}")
    tree = Tree(title, guide_style="dim")
    _grow(tree, application.items, application.app_id, mask)
    return tree


def _grow(tree: Tree, items: Iterable[Item], app_id: str, mask: Mask) -> None:
    for item in items:
        if isinstance(item, Parm):
            leaf = Text(f"{item.name} ", style="dim")
            leaf.append_text(_value(item, app_id, mask))
            tree.add(leaf)
        elif isinstance(item, Characteristic):
            _grow(tree.add(Text(item.type)), item.items, app_id, mask)
        else:
            branch = tree.add(Text(item.type))
            for entry in item.entries:
                _grow(branch.add(Text(entry.type)), entry.items, app_id, mask)


def _value(parm: Parm, app_id: str, mask: Mask) -> Text:
    name = value_name(parm.name, parm.value, app_id=app_id)
    if not name:
        return Text(mask.value(parm.name, parm.value), style="default not dim")
    style = "green" if name in _GOOD else "red" if name in _BAD else "yellow"
    return Text(f"{parm.value} {name.replace('_', ' ')}", style=f"{style} not dim")


def value_name(parm: str, value: str, *, app_id: str) -> str:
    """Return the specification's name of a value, or nothing where it has none."""
    named = (_DATA_PLAN_VALUES if app_id == AppId.DATA_PLAN else _NAMED_VALUES).get(parm)
    if named is None:
        return ""
    try:
        return named(int(value)).name
    except ValueError:
        return ""


def _status_of(application: Application) -> Text:
    """Return the first EntitlementStatus in an application, or nothing."""
    found = next(_parms(application.items, "EntitlementStatus"), None)
    if found is None:
        return Text("—", style="dim")
    return _value(found, application.app_id, Mask())


def _parms(items: Iterable[Item], name: str) -> Iterator[Parm]:
    for item in items:
        if isinstance(item, Parm):
            if item.name == name:
                yield item
        elif isinstance(item, Characteristic):
            yield from _parms(item.items, name)
        else:
            yield from _parms(item.entries, name)


def _span(seconds: int) -> str:
    """Return seconds in the largest unit that loses little."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"


# -------------------------------------------------------------------------- for programs


def as_json(outcome: Outcome, *, mask: Mask, sim: Imsi | None) -> list[dict[str, Any]]:
    """Return one object per exchange; the last one says how the conversation ended."""
    found = [_exchange_json(seen, mask, sim) for seen in outcome.exchanges]
    last = found[-1]
    last["result"] = str(outcome.result)
    if outcome.result is not Result.DOCUMENT:
        last["why"] = outcome.why
    if outcome.code:
        last["android_error"] = int(outcome.code)
    if outcome.retry_after is not None:
        last["retry_after"] = outcome.retry_after
    if outcome.missing:
        last["missing"] = list(outcome.missing)
    return found


def _exchange_json(seen: Exchange, mask: Mask, sim: Imsi | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sim": mask.imsi(sim) if sim else None,
        "leg": str(seen.leg),
        "method": seen.method,
        "url": seen.url,
        "parameters": [[name, mask.value(name, value)] for name, value in seen.parameters],
        "headers": [[name, mask.header(name, value)] for name, value in seen.sent],
        "eap_sent": _packet_words(seen.packet) if seen.packet else None,
        "status": seen.status,
        "content_type": seen.content_type or None,
        "answer_headers": [
            [name, mask.header(name, value)]
            for name, value in seen.got
            if name.title() in _ANSWER_HEADERS_SHOWN
        ],
        "bytes": len(seen.body),
        "wire_bytes": seen.wire_bytes,
        "milliseconds": round(seen.milliseconds, 3),
        "eap_received": _packet_words(seen.challenge) if seen.challenge else None,
        "document": _document_json(seen.document, mask) if seen.document else None,
    }
    if said := {name: mask.value(name, value) for name, value in _members(seen)}:
        found["body"] = said
    if seen.failure:
        found["failure"] = seen.failure
    return found


def _document_json(document: Document, mask: Mask) -> dict[str, Any]:
    token = document.token
    return {
        "vers": {"version": document.vers.version, "validity": document.vers.validity},
        "token": token and {"token": mask.value("token", token.token), "validity": token.validity},
        "applications": {
            application.app_id: _items_json(application.items, mask)
            for application in document.applications
        },
    }


def _items_json(items: Iterable[Item], mask: Mask) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Parm):
            found[item.name] = mask.value(item.name, item.value)
        elif isinstance(item, Characteristic):
            found[item.type] = _items_json(item.items, mask)
        else:
            found[item.type] = [
                {entry.type: _items_json(entry.items, mask)} for entry in item.entries
            ]
    return found
