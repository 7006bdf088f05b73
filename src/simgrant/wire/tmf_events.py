"""Events of an operator's systems as bytes: of TM Forum's APIs, CloudEvents 1.0, and plain.

The envelope of TMF688 has the same members in every API, and in ``event`` what happened: an object
with what it happened to, named by its kind. CloudEvents carry such an envelope in ``data``, or a
plain event. Plain is our own: one change of one subscription, in our words.

For the server, which reads them, and for the simulator, which makes them. What comes is bounded in
every direction; whatever is no event is `BadEvent` and nothing else, and repeats nothing of it.
Members that are not known are passed over in what TM Forum defines, since vendors add some. They
are an error in what we define: a word that somebody misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from simgrant.nouns import Word, named_noun, noun
from simgrant.wire.instant import pull_utc, utc

T = TypeVar("T")

CONTENT_TYPE: Final = "application/json"
CLOUD_TYPES: Final = "application/cloudevents"
"""How the content types begin of CloudEvents in structured mode, of one or of several."""
MOST_EVENTS: Final = 1_000
"""Events in one message."""
MOST_BYTES: Final = 1 << 20
"""Bytes of one message."""
MOST_THINGS: Final = 100
"""What one event may be about."""
_MOST_VALUES: Final = 256
"""Values of one of those; more are passed over."""
_LONGEST: Final = 256
"""Characters of a text that is used; a value that is longer is passed over."""
_LATEST: Final = 1 << 40
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_EVENT_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SPEC_VERSION: Final = "1.0"
_BOUND: Final = ("specversion", "id", "type", "source", "time", "subject")
"""The attributes of CloudEvents that are read."""
_STATES: Final = ("state", "status", "resourceStatus", "operationalState")
"""Where the APIs have the state of a thing, in the order in which they are looked at."""
_PARTS: Final = ("product", "service", "resource")
"""What the items of an order are about."""


class BadEvent(ValueError):
    """It is no event; ``reason`` is a word for why, and never repeats what came."""

    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Unreadable(Word):
    """Why something is no event, or none that can be used."""

    NOT_JSON = "not_json"
    """It is cut off, no JSON, nested too deep, or not in UTF-8."""
    TOO_MANY = "too_many"
    """More than `MOST_EVENTS` in a message, or one about more than `MOST_THINGS`."""
    TOO_LARGE = "too_large"
    NO_ENVELOPE = "no_envelope"
    """It is JSON of another shape, or a member has a value of another kind than it must have."""
    BAD_ID = "bad_id"
    BAD_TYPE = "bad_type"
    BAD_TIME = "bad_time"
    BAD_IDENTITY = "bad_identity"
    """An IMSI, a number or an ICCID has too many digits, too few, or something else in it."""
    BAD_VALUE = "bad_value"
    """What it tells is none of the words that there are."""
    UNKNOWN_CHANGE = "unknown_change"
    NO_SUBSCRIPTION = "no_subscription"
    """Nothing in it says whose subscription it is about."""


class Kind(Word):
    """What TM Forum's inventories and orders tell of."""

    PRODUCT = "product"
    SERVICE = "service"
    RESOURCE = "resource"
    PRODUCT_ORDER = "productOrder"

    def event_type(self, happening: Happening) -> str:
        """Return the name of an event, such as ``ProductStateChangeEvent``."""
        return f"{self.value[0].upper()}{self.value[1:]}{happening.value}Event"


class Happening(Word):
    """What can happen to one of them."""

    CREATE = "Create"
    ATTRIBUTE_VALUE_CHANGE = "AttributeValueChange"
    STATE_CHANGE = "StateChange"
    BATCH = "Batch"
    DELETE = "Delete"


@named_noun
class Thing:
    """What a TMF event is about, as far as that is flat text."""

    kind: str
    """Its member of ``event``, such as ``product``."""
    thing_id: str = ""
    state: str = ""
    """In lower case; empty where it has none."""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name, in lower case: characteristics, references that have a value, ``NAME.id`` and
    ``NAME.name`` of those that have none, and its own members that are texts."""

    def value(self, names: Sequence[str]) -> str:
        """Return the first of these that it has; empty if none. Names are in lower case."""
        return next((self.values[name] for name in names if self.values.get(name)), "")


@named_noun
class TmfEvent:
    """An event of a TMF API."""

    event_id: str
    """Empty where it has none: few say they must have one."""
    event_type: str
    at: int | None
    """Unix seconds; None where it names no time."""
    things: tuple[Thing, ...]


Told: TypeAlias = Mapping[str, Any]
"""What a plain event tells, by the names of what a BSS can be asked; texts, lists of them, truths
and Unix seconds."""


@named_noun
class PlainConsent:
    """About which consumer of partner APIs somebody said yes or no, and what for."""

    client_id: str
    application: str = ""
    purpose: str
    apis: tuple[str, ...]
    expires_at: int | None = None
    """Unix seconds."""
    evidence: str = field(default="", repr=False)


@named_noun
class PlainEvent:
    """One of our own. Its words are the server's; whether they are, who uses it finds out."""

    event_id: str
    change: str
    at: int | None = None
    imsi: str = field(default="", repr=False)
    msisdn: str = field(default="", repr=False)
    new_imsi: str = field(default="", repr=False)
    iccid: str = field(default="", repr=False)
    terminal_id: str = field(default="", repr=False)
    told: Told = field(default_factory=dict, repr=False)
    api_consent: PlainConsent | None = None


Event: TypeAlias = TmfEvent | PlainEvent


# --- reading --------------------------------------------------------------------------------


def pull_raw(body: bytes) -> list[bytes]:
    """Return what is in a message: the events of a list, or the one that it is, each as bytes."""
    if len(body) > MOST_BYTES:
        raise BadEvent(Unreadable.TOO_LARGE)
    if body.lstrip()[:1] != b"[":
        return [body]
    found = _read(body, list[msgspec.Raw])
    if len(found) > MOST_EVENTS:
        raise BadEvent(Unreadable.TOO_MANY)
    return [bytes(each) for each in found]


def bound(attributes: Mapping[str, str], body: bytes) -> bytes:
    """Return a CloudEvent in binary mode as one in structured mode: what says it is with it then.

    ``attributes`` are those that came beside it, by their names without a prefix. What has none,
    or is no JSON, is returned as it is.
    """
    if "specversion" not in attributes:
        return body
    try:
        _read(body, msgspec.Raw)
    except BadEvent:
        return body
    named = {name: attributes[name] for name in _BOUND if name in attributes}
    return msgspec.json.encode({**named, "data": msgspec.Raw(body)})


def pull_event(raw: bytes, *, event_type: str = "") -> Event:
    """Return one event; ``event_type`` is of one that does not say it itself. Raise `BadEvent`."""
    probe = _read(raw, _Probe)
    if probe.specversion is not None:
        return _cloud(_read(raw, _Cloud))
    if probe.change is not None:
        return _plain(_read(raw, _Plain))
    return _tmf(_read(raw, _Envelope), event_type)


class _Probe(msgspec.Struct, frozen=True):
    specversion: Any = None
    change: Any = None


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    event: dict[str, Any]
    event_type: str = ""
    event_id: str = ""
    id: str = ""
    event_time: str = ""
    time_occurred: str = ""
    time_ocurred: str = ""
    """As several of the published definitions spell it."""


class _Cloud(msgspec.Struct, frozen=True):
    specversion: str
    id: str
    type: str
    data: msgspec.Raw
    source: str = ""
    time: str = ""
    subject: str = ""


class _Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: str | None = None
    plan: str | None = None
    options: list[str] | None = None
    refusals: list[str] | None = None
    terms: str | None = None
    address: str | None = None
    provisioning: str | None = None
    visited_plmn: str | None = None
    msisdn: str | None = None
    number_type: str | None = None
    prepaid: bool | None = None
    port_freeze: bool | None = None
    customer_since: int | str | None = None
    sim_since: int | str | None = None


class _ApiConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: str
    purpose: str
    apis: list[str]
    application: str = ""
    expires_at: int | str | None = None
    evidence: str = ""


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    change: str
    id: str = ""
    at: int | str | None = None
    imsi: str = ""
    msisdn: str = ""
    new_imsi: str = ""
    iccid: str = ""
    terminal_id: str = ""
    told: _Told = _Told()
    api_consent: _ApiConsent | None = None


def _plain(found: _Plain) -> PlainEvent:
    if not _WORD.fullmatch(found.change):
        raise BadEvent(Unreadable.UNKNOWN_CHANGE)
    texts = (found.imsi, found.msisdn, found.new_imsi, found.iccid, found.terminal_id)
    if not all(len(text) <= _LONGEST and text.isprintable() for text in texts):
        raise BadEvent(Unreadable.BAD_IDENTITY)
    return PlainEvent(
        event_id=_id(found.id),
        change=found.change,
        at=None if found.at is None else pull_time(found.at),
        imsi=found.imsi,
        msisdn=found.msisdn,
        new_imsi=found.new_imsi,
        iccid=found.iccid,
        terminal_id=found.terminal_id,
        told=_told(found.told),
        api_consent=None if found.api_consent is None else _api_consent(found.api_consent),
    )


def _api_consent(found: _ApiConsent) -> PlainConsent:
    texts = (found.client_id, found.purpose, found.application, found.evidence, *found.apis)
    if len(found.apis) > MOST_THINGS or any(len(text) > _LONGEST for text in texts):
        raise BadEvent(Unreadable.BAD_VALUE)
    return PlainConsent(
        client_id=found.client_id,
        application=found.application,
        purpose=found.purpose,
        apis=tuple(found.apis),
        expires_at=None if found.expires_at is None else pull_time(found.expires_at),
        evidence=found.evidence,
    )


def _told(found: _Told) -> Told:
    told = {
        name: value
        for name in found.__struct_fields__
        if (value := getattr(found, name)) is not None
    }
    for name in ("customer_since", "sim_since"):
        if name in told:
            told[name] = pull_time(told[name])
    for value in told.values():
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if len(texts) > MOST_THINGS or any(len(text) > _LONGEST for text in texts):
            raise BadEvent(Unreadable.BAD_VALUE)
    return told


def _cloud(found: _Cloud) -> Event:
    if found.specversion != _SPEC_VERSION:
        raise BadEvent(Unreadable.NO_ENVELOPE)
    inner = bytes(found.data)
    probe = _read(inner, _Probe)
    if probe.specversion is not None:
        # An envelope in an envelope: nobody means that.
        raise BadEvent(Unreadable.NO_ENVELOPE)
    outer = found.id
    if probe.change is not None:
        plain = _read(inner, _Plain)
        if not plain.id:
            plain = msgspec.structs.replace(plain, id=outer)
        if plain.at is None and found.time:
            plain = msgspec.structs.replace(plain, at=found.time)
        return _plain(plain)
    tmf = _read(inner, _Envelope)
    if not (tmf.event_id or tmf.id):
        tmf = msgspec.structs.replace(tmf, event_id=outer)
    if not (tmf.time_occurred or tmf.time_ocurred or tmf.event_time):
        tmf = msgspec.structs.replace(tmf, event_time=found.time)
    # Names in reverse-DNS order end with what happened.
    return _tmf(tmf, found.type.rpartition(".")[2], subject=found.subject)


def _tmf(found: _Envelope, event_type: str, *, subject: str = "") -> TmfEvent:
    name = found.event_type or event_type
    if not _EVENT_TYPE.fullmatch(name):
        raise BadEvent(Unreadable.BAD_TYPE)
    event_id = found.event_id or found.id
    time = found.time_occurred or found.time_ocurred or found.event_time
    things = tuple(_things(found.event, subject))
    if not things:
        raise BadEvent(Unreadable.NO_ENVELOPE)
    return TmfEvent(
        event_id=_id(event_id) if event_id else "",
        event_type=name[0].upper() + name[1:],
        at=pull_time(time) if time else None,
        things=things,
    )


def _things(event: Mapping[str, Any], subject: str) -> list[Thing]:
    found: list[Thing] = []
    for kind, value in event.items():
        for each in value if isinstance(value, list) else (value,):
            if not isinstance(each, dict):
                continue
            if len(found) == MOST_THINGS:
                raise BadEvent(Unreadable.TOO_MANY)
            found.append(_thing(kind, each, subject))
    return found


def _thing(kind: str, members: Mapping[str, Any], subject: str) -> Thing:
    values: dict[str, str] = {}
    _gather(members, values, is_part=False)
    _put(values, "subject", subject)
    state = next((text for name in _STATES if (text := _text(members.get(name)))), "")
    return Thing(
        kind=kind[:_LONGEST],
        thing_id=_text(members.get("id")),
        state=state.lower(),
        values=values,
    )


def _gather(members: Mapping[str, Any], values: dict[str, str], *, is_part: bool) -> None:
    """Put the values of a thing, or of what the item of an order is about, to those there are."""
    _put(values, _text(members.get("name")), members.get("value"))
    for name, value in members.items():
        if isinstance(value, list):
            for each in value:
                if not isinstance(each, dict):
                    continue
                _put(values, _text(each.get("name")), each.get("value"))
                if not is_part:
                    for part in _PARTS:
                        if isinstance(inner := each.get(part), dict):
                            _gather(inner, values, is_part=True)
        elif isinstance(value, dict):
            _put(values, f"{name}.id", value.get("id"))
            _put(values, f"{name}.name", value.get("name"))
    for name, value in members.items():
        _put(values, name, value)


def _put(values: dict[str, str], name: str, value: object) -> None:
    if isinstance(value, dict):
        # As version 5 of the APIs has it, and some of version 4.
        value = value.get("value")
    text = _text(value)
    if name and text and len(name) <= _LONGEST and len(values) < _MOST_VALUES:
        values.setdefault(name.lower(), text)


def _text(value: object) -> str:
    """Return a value as text; empty for what is none, or longer than any that is used."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 1 << 64:
        value = str(value)
    if isinstance(value, str) and len(value) <= _LONGEST and value.isprintable():
        return value.strip()
    return ""


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise BadEvent(Unreadable.BAD_ID)
    return text


def pull_time(value: int | str) -> int:
    """Return Unix seconds of a time that an event names; raise `BadEvent`."""
    try:
        at = value if isinstance(value, int) else pull_utc(value)
    except ValueError:
        raise BadEvent(Unreadable.BAD_TIME) from None
    if not 0 <= at < _LATEST:
        raise BadEvent(Unreadable.BAD_TIME)
    return at


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise BadEvent(Unreadable.NO_ENVELOPE) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadEvent(Unreadable.NOT_JSON) from None


# --- making ---------------------------------------------------------------------------------


@noun
class Made:
    """What a made event is about."""

    kind: Kind
    thing_id: str
    state: str = ""
    characteristics: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def body(self) -> dict[str, Any]:
        """Return it as TM Forum writes it."""
        state = {Kind.PRODUCT: "status", Kind.RESOURCE: "resourceStatus"}.get(self.kind, "state")
        listed = [{"name": name, "value": value} for name, value in self.characteristics.items()]
        body: dict[str, Any] = {
            "id": self.thing_id,
            "href": f"{self.kind.value}/{self.thing_id}",
        }
        if self.state:
            body[state] = self.state
        if not listed:
            return body
        if self.kind is Kind.PRODUCT_ORDER:
            product = {"productCharacteristic": listed}
            return {**body, "productOrderItem": [{"id": "1", "action": "add", "product": product}]}
        return {**body, f"{self.kind.value}Characteristic": listed}


def tmf_event(event_id: str, made: Made, happening: Happening, *, at: int) -> dict[str, Any]:
    """Return an event of a TMF API, at Unix seconds."""
    return {
        "eventId": event_id,
        "eventTime": utc(at),
        "eventType": made.kind.event_type(happening),
        "event": {made.kind.value: made.body()},
    }


def plain_event(event_id: str, change: str, *, at: int, **members: Any) -> dict[str, Any]:
    """Return one of our own; ``members`` are of `PlainEvent`, those that are empty left out."""
    return {
        "id": event_id,
        "change": change,
        "at": at,
        **{name: value for name, value in members.items() if value},
    }


def push_message(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a message: the one event, or a list of them."""
    return msgspec.json.encode(events[0] if len(events) == 1 else events)
