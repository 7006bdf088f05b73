"""The bytes of a device's request as an `Ask` (TS.43 §2.3, §2.4, Table 4, RCC.14).

Tolerant where phones in the field differ (letter case of names, four spellings of several apps,
numbers as strings, the text ``null``), strict and bounded in all else. Whatever comes in is
accepted or is a `BadRequest`; nothing here decides whether the request makes sense.
"""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from itertools import product
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from simgrant.errors import BadRequest, TooLarge
from simgrant.nouns import noun
from simgrant.spec import version
from simgrant.spec.ids import MsgButton
from simgrant.spec.version import SpecVersion
from simgrant.wire import flat_json, relay

Parameters: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, values verbatim, order and repetitions kept."""

MAX_BYTES: Final = 16 * 1024
MAX_PARAMETERS: Final = 100
MAX_NAME: Final = 64
MAX_VALUE: Final = 4096
MAX_APPS: Final = 16
_MAX_APP: Final = 64
_MAX_ACTION_DIGITS: Final = 9
_MAX_BOOST_TYPE: Final = 255
_MAX_VENDOR: Final = 64
_MAX_USER_ID: Final = 256

NO_ACTION: Final = -1
"""The ``notif_action`` of a claim that has none, or one that is no number."""

_ARRAYS: Final = frozenset({"app", "operation_targets", "target_terminal_imeis"})
"""The parameters that may hold several values, so that a JSON array makes sense."""

_PROOFS: Final = frozenset(
    {
        "eap_id",
        "imsi",
        "token",
        "temporary_token",
        "operator_token",
        "access_token",
        "app_token",
        "msisdn",
        "otp",
    }
)
"""Who is asking, and the proof of it: two different values are an attack or a bug."""

_NOTHING: Final = frozenset({"", *map("".join, product("nN", "uU", "lL", "lL"))})
"""Values that say nothing; Android writes ``null`` for what it could not read."""

_SAID_ALIKE: Final = frozenset(
    {
        "app",
        "app_name",
        "app_version",
        "entitlement_version",
        "gid1",
        "terminal_model",
        "terminal_sw_version",
        "terminal_vendor",
        "vers",
    }
)
"""What all phones of a kind say in the same letters; identities are not among them."""

_ALIKE: Final[dict[str, tuple[str, str]]] = {}
"""Parameters of queries, as they are written, that were taken apart before: most of every query."""
_MOST_ALIKE: Final = 4096
_ALIKE_LETTERS: Final = 128

_ESCAPES: Final = {f"{code:02X}": chr(code) for code in range(1, 128)} | {
    f"{code:02x}": chr(code) for code in range(1, 128)
}


@noun
class RelayPacket:
    """The device's answer to an EAP request; it carries nothing else (TS.43 §2.8.1)."""

    packet: bytes = field(repr=False)


@noun
class TerminalClaim:
    """What the device says that it is; vendor, model and version are often dummies."""

    terminal_id: str = field(repr=False)
    """An IMEI, a UUID, or empty."""
    vendor: str
    model: str
    sw_version: str


@noun
class NotifClaim:
    """How the device asks to be notified (TS.43 Table 4)."""

    action: int
    """A value of ``notif_action``, known or not; `NO_ACTION` when it is missing or no number."""
    token: str = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Tell whether both came; if not, the answer is RegisterNotifStatus 1 (Table 12)."""
        return self.action != NO_ACTION and self.token != ""


@noun
class StoreClaim:
    """A user of an app store (TS.43 §11.1); a text that did not come is empty."""

    vendor: str
    """store_vendor in lower case."""
    user_id: str = field(repr=False)


@noun
class Ask:
    """A request for entitlement, typed. A text that did not come is empty."""

    apps: tuple[str, ...]
    """AppIDs in lower case, known or not, in the order asked, each once; may be empty."""
    spec_version: SpecVersion
    parameters: Parameters = field(repr=False)
    """All that came."""
    _found: dict[str, str] = field(repr=False, compare=False)
    """The last value of each name, but for those that say nothing."""

    def value(self, name: str) -> str:
        """Return the last value of the parameter ``name`` (lower case); absent is empty."""
        return self._found.get(name, "")

    @property
    def eap_id(self) -> str:
        """The SIM's identity in a full authentication: an NAI."""
        return self._found.get("eap_id", "")

    @property
    def imsi(self) -> str:
        """The IMSI, which some clients send beside a token."""
        return self._found.get("imsi", "")

    @property
    def token(self) -> str:
        """The token of a fast authentication."""
        return self._found.get("token", "")

    @property
    def temporary_token(self) -> str:
        """The token of a third party."""
        return self._found.get("temporary_token", "")

    @property
    def is_lent(self) -> bool:
        """Whether it comes from a third party, with a token that a device lent to it."""
        return "temporary_token" in self._found or "operator_token" in self._found

    @property
    def gid1(self) -> str:
        """The SIM's group identifier, hexadecimal."""
        return self._found.get("gid1", "")

    @property
    def app_name(self) -> str:
        """The client on the device, as it calls itself."""
        return self._found.get("app_name", "")

    @property
    def terminal_id(self) -> str:
        """An IMEI, a UUID, or empty."""
        return self._found.get("terminal_id", "")

    @property
    def terminal(self) -> TerminalClaim:
        """All that the device says that it is."""
        get = self._found.get
        return TerminalClaim(
            get("terminal_id", ""),
            get("terminal_vendor", ""),
            get("terminal_model", ""),
            get("terminal_sw_version", ""),
        )

    @property
    def boost_type(self) -> int | None:
        """The boost wanted in real time, 0 to 255; None = none. Raise BadRequest for any other.

        ``boost_type`` of TS.43 §9.7.
        """
        text = self._found.get("boost_type")
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= _MAX_BOOST_TYPE:
            return int(text)
        raise BadRequest("bad_boost_type")

    @property
    def store(self) -> StoreClaim:
        """The store that asks for its user; raise BadRequest where a name is too long."""
        get = self._found.get
        claim = StoreClaim(get("store_vendor", "").lower(), get("store_user_id", ""))
        if len(claim.vendor) > _MAX_VENDOR or len(claim.user_id) > _MAX_USER_ID:
            raise BadRequest("bad_store")
        return claim

    @property
    def button(self) -> MsgButton | None:
        """What the subscriber pressed in a dialogue; None = nothing. Raise BadRequest if unclear.

        ``MSG_btn`` of TS.43 §11.1.3.
        """
        text = self._found.get("msg_btn")
        if text is None:
            return None
        if text in ("0", "1"):
            return MsgButton(int(text))
        raise BadRequest("bad_msg_btn")

    @property
    def notif(self) -> NotifClaim | None:
        """How the device asks to be notified; None where it does not."""
        found = self._found
        if "notif_action" not in found and "notif_token" not in found:
            return None
        return _notif(found.get("notif_action", ""), found.get("notif_token", ""))


def pull_query(query: bytes) -> Parameters:
    """Return the parameters in a query string, percent-decoded as strict UTF-8 (TS.43 §2.3).

    A ``+`` stays a plus: phones write a space as ``%20`` (AOSP service_entitlement). A ``%`` that
    begins no escape stays what it is.
    """
    if len(query) > MAX_BYTES:
        raise TooLarge("query_too_large")
    try:
        text = query.decode()
    except UnicodeDecodeError:
        raise BadRequest("query_not_utf8") from None
    if "\0" in text or "%00" in text:
        raise BadRequest("parameter_holds_nul")
    parts = text.split("&")
    if len(parts) > MAX_PARAMETERS:
        raise BadRequest("too_many_parameters")
    known = _ALIKE.get
    pairs = [known(part) or _pair(part) for part in parts]
    return tuple(pairs if all(pairs) else filter(None, pairs))  # type: ignore[arg-type]


def _pair(part: str) -> tuple[str, str] | None:
    """Return one parameter of a query; None for one without a name."""
    name, _, value = part.partition("=")
    if "%" in part:
        name, value = _decoded(name), _decoded(value)
        if name == "msisdn":
            value = _with_plus(value)
    if len(name) > MAX_NAME or len(value) > MAX_VALUE:
        raise BadRequest("parameter_too_long")
    if not name:
        return None
    pair = name.lower(), value
    if pair[0] in _SAID_ALIKE and len(part) <= _ALIKE_LETTERS:
        if len(_ALIKE) >= _MOST_ALIKE:
            _ALIKE.clear()
        _ALIKE[part] = pair
    return pair


def pull_body(body: bytes) -> Parameters | RelayPacket:
    """Return the parameters, or the EAP packet, in the body of a POST (TS.43 §2.4).

    Which of them it is, is told by the member ``eap-relay-packet``: older Android labels both
    kinds of body with the relay's content type. A JSON null is a parameter that did not come.
    """
    if len(body) > MAX_BYTES:
        raise TooLarge("body_too_large")
    members = flat_json.pull_object(body)
    if len(members) > MAX_PARAMETERS:
        raise BadRequest("too_many_parameters")
    by_name = {name.lower(): value for name, value in members}
    if len(by_name) != len(members):
        raise BadRequest("parameter_repeated")
    if relay.MEMBER in by_name:
        return RelayPacket(relay.pull_packet(by_name[relay.MEMBER]))
    pairs: list[tuple[str, str]] = []
    for name, value in by_name.items():
        if value is None or not name:
            continue
        if type(value) is list and name in _ARRAYS:
            pairs.extend((_text(name), _text(item)) for item in value)
        elif name == "msisdn":
            pairs.append((name, _with_plus(_text(value))))
        else:
            pairs.append((_text(name), _text(value)))
    if len(pairs) > MAX_PARAMETERS:
        raise BadRequest("too_many_parameters")
    if any(len(name) > MAX_NAME for name, _ in pairs):
        raise BadRequest("parameter_too_long")
    return tuple(pairs)


def ask(parameters: Parameters) -> Ask:
    """Return the typed request that ``parameters`` make; no app at all is left to the caller.

    Of a name that came twice the last value holds, but for proofs of identity, where two
    different values are refused. The text ``null``, which Android sends for what it could not
    read, is no value.
    """
    apps: tuple[str, ...]
    found = dict(parameters)
    if len(found) == len(parameters):
        app = found.pop("app", None)
        apps = () if app is None else (app,)
        if not _NOTHING.isdisjoint(found.values()):
            found = {name: value for name, value in found.items() if value not in _NOTHING}
    else:
        apps = tuple(value for name, value in parameters if name == "app")
        told = [pair for pair in parameters if pair[0] != "app" and pair[1] not in _NOTHING]
        found = dict(told)
        if len(found) != len(told):
            _refuse_two_proofs(told, found)
    spec_version = version.parse(found.get("entitlement_version", ""))
    if spec_version is None:
        raise BadRequest("bad_entitlement_version")
    return Ask(_apps(apps), spec_version, parameters, found)


def push_parameters(parameters: Parameters) -> bytes:
    """Return ``parameters`` as compact bytes, for the sealed cookie between two EAP legs.

    NUL divides the texts: `pull_query` and `pull_body` let none through.
    """
    texts = [text for pair in parameters for text in pair]
    data = "\0".join(texts).encode()
    if texts and data.count(0) != len(texts) - 1:
        raise ValueError("a parameter holds NUL")
    return data


def pull_parameters(data: bytes) -> Parameters:
    """Return exactly what was given to `push_parameters`."""
    if not data:
        return ()
    if len(data) > 2 * MAX_BYTES:
        raise TooLarge("parameters_too_large")
    try:
        texts = data.decode().split("\0")
    except UnicodeDecodeError:
        raise BadRequest("parameters_not_utf8") from None
    if len(texts) % 2:
        raise BadRequest("parameters_uneven")
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _decoded(text: str) -> str:
    """Undo percent-encoding: by table if all is ASCII, which takes half the time."""
    head, *rest = text.split("%")
    if not rest:
        return text
    try:
        return head + "".join([_ESCAPES[piece[:2]] + piece[2:] for piece in rest])
    except KeyError:
        pass
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise BadRequest("query_not_utf8") from None


def _text(value: object) -> str:
    """Return a JSON value that is a text, and one that a store and a cookie can hold."""
    if not isinstance(value, str):
        raise BadRequest("parameter_not_text")
    if len(value) > MAX_VALUE:
        raise BadRequest("parameter_too_long")
    if "\0" in value:
        raise BadRequest("parameter_holds_nul")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, written as \uD800
            raise BadRequest("body_not_utf8") from None
    return value


def _with_plus(number: str) -> str:
    """Return a number whose ``+`` somebody took for an encoded space, with its ``+``."""
    if number[:1] == " " and number[1:].isdigit():
        return "+" + number[1:]
    return number


@lru_cache(maxsize=256)
def _apps(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the AppIDs asked for, however several of them are written.

    Repeated ``app`` (TS.43 §2.3), one list with commas, an array (TS.43 §2.4), or Android's
    one string ``[ap2003,ap2004]`` in a POST.
    """
    found: dict[str, None] = {}
    for value in values:
        if value.isalnum():
            found[value.lower()] = None
            continue
        for item in value.removeprefix("[").removesuffix("]").split(","):
            found[item.strip(" \"'").lower()] = None
    found.pop("", None)
    found.pop("null", None)
    if len(found) > MAX_APPS:
        raise BadRequest("too_many_apps")
    if len(max(found, key=len, default="")) > _MAX_APP:
        raise BadRequest("app_too_long")
    return tuple(found)


def _notif(action: str, token: str) -> NotifClaim:
    known = action.isascii() and action.isdigit() and len(action) <= _MAX_ACTION_DIGITS
    return NotifClaim(int(action) if known else NO_ACTION, token)


def _refuse_two_proofs(told: list[tuple[str, str]], found: dict[str, str]) -> None:
    if any(name in _PROOFS and found[name] != value for name, value in told):
        raise BadRequest("proof_repeated")
