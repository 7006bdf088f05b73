"""Calls on eSIM orders for an operator's own systems: the twin in JSON of `simgrant order`.

| call | does |
| --- | --- |
| GET /orders | lists orders, by ``waiting``, ``limit``, ``after`` (``next`` of a page) |
| POST /orders | writes down one that another system made, with its profile (TS.43 §7.5) |
| GET /orders/ORDER | shows one |
| POST /orders/ORDER/deliver | hands in ``iccid`` and ``activation_code`` or ``smdp_address`` |
| POST /orders/ORDER/fail | says that there will be none: ``reason`` |
| POST /orders/ORDER/release, returned, found, end | as the commands |

``tenant`` in the query says whose, if not ``default``. Whoever calls has the token, and nobody is
told anything without it. An answer is an object; where it is an error, with ``error``, a sentence.
A browser cannot be made to call: it does not have the token, and sends none by itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from simgrant.domain.owner import push_owner
from simgrant.errors import Conflict, EcsError
from simgrant.flows import subscriptions
from simgrant.flows.management.orders import ACTS, NewOrder, make, shown
from simgrant.flows.order_desk import (
    BadProfile,
    NoSuchOrder,
    NotPossible,
    OrderDesk,
)
from simgrant.flows.subscriptions import BadRow
from simgrant.links.asgi import Disconnected, Receive, Scope, TooLong, header, read_body
from simgrant.ports.clock import Clock
from simgrant.ports.orders import Kept
from simgrant.ports.store import Store
from simgrant.telemetry.log import say_fault

PATH: Final = "/orders"
_MOST_BYTES: Final = 16 * 1024
_MOST_AT_ONCE: Final = 1_000
_LEAST_TOKEN: Final = 32
S = TypeVar("S", bound=msgspec.Struct)


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class OrderCalls:
    """Answers the calls."""

    def __init__(
        self, store: Store, *, token: Callable[[], str], tenants: Collection[str], clock: Clock
    ) -> None:
        """``token`` returns the one that is good now; what it raises is answered with 503."""
        self._store = store
        self._token = token
        self._tenants = tenants
        self._clock = clock

    async def answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Return the status and the document of one call."""
        try:
            self._admit(scope)
            asked = _query(scope["query_string"])
            tenant = asked.get("tenant", "default")
            if tenant not in self._tenants:
                raise _Refused(404, "there is no such tenant")
            desk = OrderDesk(self._store.orders, tenant, int(self._clock.now()))
            body = await _body(scope, receive)
            path = scope["path"].removeprefix(PATH).strip("/")
            done = await self._do(desk, scope["method"], path, asked, body)
        except _Refused as refused:
            return refused.status, _error(str(refused))
        except (BadProfile, BadRow) as error:
            return 400, _error(str(error))
        except NoSuchOrder as error:
            return 404, _error(str(error))
        except NotPossible as error:
            return 409, _error(str(error))
        except Conflict as error:
            return 409, _error(error.for_operator or error.reason)
        except EcsError as error:
            return 503, _error(error.reason)
        except Exception as error:
            say_fault(error)
            return 500, _error("internal error")
        return 200, msgspec.json.encode(done)

    def _admit(self, scope: Scope) -> None:
        kind, _, given = header(scope, b"authorization").partition(" ")
        known = hmac.compare_digest(given.strip().encode(), self._token().encode())
        if kind.lower() != "bearer" or not known:
            raise _Refused(401, "the token is missing or wrong")

    async def _do(
        self, desk: OrderDesk, method: str, path: str, asked: dict[str, str], body: bytes
    ) -> dict[str, Any]:
        order_id, _, verb = path.partition("/")
        if method == "GET" and not verb:
            if order_id:
                return shown(await desk.find(order_id))
            return await self._page(desk, asked)
        if method != "POST":
            raise _Refused(405, "not a method of this address")
        if not order_id:
            return await self._add(desk, _pull(body, NewOrder))
        if verb not in ACTS:
            raise _Refused(404, "there is no such call")
        act, kind, _ = ACTS[verb]
        kept = await desk.find(order_id)
        said = None if kind is type(None) else _pull(body or b"{}", kind)
        return shown(Kept(kept.tenant, kept.owner, await act(desk, kept, said)))

    async def _page(self, desk: OrderDesk, asked: dict[str, str]) -> dict[str, Any]:
        limit = asked.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:6]) <= _MOST_AT_ONCE):
            raise _Refused(400, f"limit: not within 1 to {_MOST_AT_ONCE}")
        waiting = asked.get("waiting", "0") in ("1", "true")
        after = _pull_cursor(asked.get("after", ""))
        found = await desk.orders.page(
            desk.tenant, after=after, limit=int(limit[:6]), waiting=waiting
        )
        full = len(found) == int(limit[:6])
        return {
            "orders": [shown(kept) for kept in found],
            "next": _push_cursor(found[-1]) if full else None,
        }

    async def _add(self, desk: OrderDesk, add: NewOrder) -> dict[str, Any]:
        line = await subscriptions.find_live(self._store, desk.tenant, add.subscription)
        return shown(Kept(desk.tenant, line.imsi, await make(desk, line, add)))


def read_token(data: bytes) -> str:
    """Return the token in a file; raise ValueError where it is none."""
    token = data.decode("ascii").strip()
    if len(token) < _LEAST_TOKEN or not token.isprintable() or " " in token:
        raise ValueError(f"a token has {_LEAST_TOKEN} characters or more, and no space")
    return token


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})


def _query(text: bytes) -> dict[str, str]:
    try:
        found = parse_qs(text.decode("latin-1"), max_num_fields=8)
    except ValueError:
        raise _Refused(400, "more than 8 parameters") from None
    return {key: values[-1] for key, values in found.items()}


def _push_cursor(kept: Kept) -> str:
    where = msgspec.json.encode((push_owner(kept.owner), kept.order.place))
    return base64.urlsafe_b64encode(where).decode()


def _pull_cursor(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    try:
        where = msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[str, str])
    except (binascii.Error, ValueError):
        where = ("", "")
    if not all(part and part.isprintable() for part in where):
        raise _Refused(400, "after: not the next of a page")
    return where


def _pull(body: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _Refused(400, str(error)) from None
    except msgspec.DecodeError:
        raise _Refused(400, "not JSON") from None


async def _body(scope: Scope, receive: Receive) -> bytes:
    if scope["method"] != "POST":
        return b""
    try:
        return await read_body(scope, receive, most=_MOST_BYTES)
    except TooLong:
        raise _Refused(413, f"more than {_MOST_BYTES} bytes") from None
    except Disconnected:
        raise _Refused(400, "disconnected") from None
