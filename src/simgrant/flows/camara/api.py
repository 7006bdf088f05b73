"""What a partner API is: a table of its operations beside the functions that answer them.

The table says what the released OpenAPI document says (a test holds one against the other), and
what that leaves to words: how a subscriber has to be proved, by how many legs, and whether a token
is good for one call.
"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias

import msgspec

from simgrant.domain.camara.access_token import AccessToken, Method
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.line import Line
from simgrant.domain.camara.usage import Outcome
from simgrant.flows.camara.line_facts import Asking, LineFacts
from simgrant.flows.camara.problem import Code
from simgrant.flows.camara.subscribing import Made, Subscriptions
from simgrant.identities import Msisdn
from simgrant.nouns import named_noun, noun
from simgrant.ports.camara_consents import CamaraConsents

LEGS: Final = frozenset({2, 3})


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What a request says."""

    says_one_thing: ClassVar[bool] = False
    """Whether it may have one member alone, whatever that is (``maxProperties``)."""

    def named(self) -> Msisdn | None:
        """Return the number that it is about; None where it names nobody.

        Raise `Problem` where it names somebody in a way that is not served.
        """
        return None


class Empty(Body, kw_only=True):
    """What a request without a body says."""


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What an answer says."""


@named_noun
class ApiRules:
    """What an operator decides about answers."""

    monitored_sim_d: int = 0
    """Days for which SIM swaps are told; 0 = for ever."""
    monitored_device_d: int = 0
    """Likewise of device swaps."""


@named_noun
class Task:
    """One call that is to be answered: everything else is settled by then."""

    line: Line
    body: Any
    """Of the operation's type."""
    token: AccessToken
    consumer: Consumer
    facts: LineFacts
    consents: CamaraConsents | None
    rules: ApiRules
    subscriptions: Subscriptions | None
    """None = nobody keeps any."""
    home_plmns: frozenset[str]
    """Digits of MCC and MNC of the operator's own networks."""
    asking: Asking

    @property
    def now(self) -> int:
        """Unix seconds."""
        return self.asking.now


@named_noun
class ResourceTask:
    """One call about what its consumer has made before, and not about a line."""

    tenant: str
    api: str
    resource: str
    """The last part of the path, where the operation has a parameter there."""
    token: AccessToken
    subscriptions: Subscriptions
    asking: Asking


@noun
class Answer:
    """What a call is answered with."""

    content: Content | tuple[Content, ...] | None
    """None = nothing, and the status is 204."""
    outcome: Outcome = Outcome.DELIVERED
    status: int = 200
    made: Made | None = None
    """What is written with the row of its usage."""


Run: TypeAlias = Callable[[Task], Awaitable[Answer]]
RunResource: TypeAlias = Callable[[ResourceTask], Awaitable[Answer]]


@noun
class Handler:
    """What answers an operation about a line."""

    run: Run
    body: type[Body] = Empty
    content: type[Content] = Content
    """What it says."""


@noun
class ResourceHandler:
    """What answers an operation about what a consumer has made."""

    run: RunResource
    content: type[Content] | None
    """What it says, or says some of; None = it says nothing."""
    body: type[Body] = Empty


@named_noun
class ApiOperation:
    """One operation of an API."""

    api: str
    """The name of its API."""
    id: str
    """The operationId of the definition."""
    method: str
    path: str
    """Below that of the API."""
    scopes: frozenset[str]
    """Any one of them does."""
    codes: frozenset[Code]
    """Those that the definition lists."""
    legs: frozenset[int] = LEGS
    """With how many legs it may be asked."""
    methods: frozenset[Method] = frozenset()
    """How the subscriber has to be proved; empty = it does not matter."""
    single_use: bool = False
    """Whether a token is good for one call of it, whatever the token says."""
    needs_consent: bool = True
    """Whether it depends on the subscriber's consent, where the purpose does."""
    handler: Handler | ResourceHandler


@named_noun
class Api:
    """One API in one version."""

    name: str
    version: str
    path: str
    operations: tuple[ApiOperation, ...]


class _OperationTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    id: str
    method: str
    path: str
    scopes: tuple[str, ...]
    codes: tuple[str, ...]
    legs: tuple[int, ...] = (2, 3)
    methods: tuple[str, ...] = ()
    single_use: bool = False
    needs_consent: bool = True


class _ApiTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    version: str
    path: str
    operation: tuple[_OperationTable, ...]


def read_api(package: str, module: str, handlers: Mapping[str, Handler | ResourceHandler]) -> Api:
    """Return the API whose table lies beside a module; ValueError where the two do not fit."""
    text = resources.files(package).joinpath(f"{module}.toml").read_text("utf-8")
    table = msgspec.convert(tomllib.loads(text), _ApiTable)
    if {each.id for each in table.operation} != handlers.keys():
        raise ValueError(f"{module}: operations of the table and of the module differ")
    return Api(
        name=table.name,
        version=table.version,
        path=table.path,
        operations=tuple(
            ApiOperation(
                api=table.name,
                id=each.id,
                method=each.method,
                path=each.path,
                scopes=frozenset(each.scopes),
                codes=frozenset(map(Code, each.codes)),
                legs=frozenset(each.legs),
                methods=frozenset(map(Method, each.methods)),
                single_use=each.single_use,
                needs_consent=each.needs_consent,
                handler=handlers[each.id],
            )
            for each in table.operation
        ),
    )


@noun
class Route:
    """What there is at a path."""

    operations: Mapping[str, ApiOperation]
    """By method; empty where there is nothing."""
    resource: str = ""
    """The last part of the path, where that is a parameter."""


class Routes:
    """Finds operations by path and method."""

    def __init__(self, apis: Iterable[Api]) -> None:
        found: dict[str, dict[str, ApiOperation]] = {}
        resources: dict[str, dict[str, ApiOperation]] = {}
        for api in apis:
            for operation in api.operations:
                above, _, last = (api.path + operation.path).rpartition("/")
                if last.startswith("{"):
                    resources.setdefault(above, {})[operation.method] = operation
                else:
                    found.setdefault(f"{above}/{last}", {})[operation.method] = operation
        self.all = tuple(
            each for at in (*found.values(), *resources.values()) for each in at.values()
        )
        self._by_path = {path: Route(MappingProxyType(at)) for path, at in found.items()}
        self._resources = {path: MappingProxyType(at) for path, at in resources.items()}

    def at(self, path: str) -> Route:
        """Return what there is at a path."""
        found = self._by_path.get(path)
        if found is not None:
            return found
        above, _, last = path.rpartition("/")
        if last and (operations := self._resources.get(above)) is not None:
            return Route(operations, last)
        return _NOTHING


_NOTHING: Final = Route(MappingProxyType({}))
