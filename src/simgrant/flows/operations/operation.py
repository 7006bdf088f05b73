"""What an operation of TS.43 is: a name, a table, and one function over the ports (TS.43 §6.1).

A service answers from facts alone; an operation may ask and do things, so it is awaited and gets
what it needs handed to it. Who may call it, with which proof and for which application, what it
must be given and what it may say is in the table beside it; the flow around it
(``flows.operate``) checks that, so that no operation has to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from importlib import resources
from typing import TypeAlias

from simgrant.domain.partner import Partner
from simgrant.domain.subscription import Subscription
from simgrant.domain.tenant import Tenant
from simgrant.errors import NotThere
from simgrant.flows.esim_means import EsimMeans
from simgrant.flows.lent_tokens import Lent
from simgrant.nouns import Word, noun
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.services.service import BadTable, ParmRow, parm_rows
from simgrant.spec.ids import OperationResult, SimIdType
from simgrant.spec.version import SpecVersion, parse
from simgrant.wire.document import Item
from simgrant.wire.request import Ask


class Proof(Word):
    """How whoever asks proves what he asks for."""

    SIM = "sim"
    """The device, by its token or in full (TS.43 §2.8.1, 2.8.5)."""
    TEMPORARY_TOKEN = "temporary_token"  # noqa: S105 - a name
    """Whoever the device gave one to (TS.43 §2.8.6)."""
    OPERATOR_TOKEN = "operator_token"  # noqa: S105 - a name
    """Whoever an app gave one to (TS.43 §14.1.6)."""


@noun
class Holder:
    """The client on a device that proved the SIM: what new tokens are bound to."""

    terminal_id: str = field(repr=False)
    client: str
    """As in `Claims.client`."""
    terminal_epoch: int


@noun
class Task:
    """One call of an operation, all of it checked against the operation's table."""

    tenant: Tenant
    subscription: Subscription
    app_id: str
    ask: Ask
    at: int
    """Unix seconds."""
    proof: Proof
    holder: Holder
    lent: Lent | None
    """The token that was lent; None where the SIM was proved."""
    client_id: str
    """The OAuth client that an access_token proves; empty without one."""


@noun
class Offer:
    """What a tenant decides about operations."""

    withheld: frozenset[str] = frozenset()
    """Names of operations that it does not offer."""
    temporary_life_s: int = 300
    single_use: bool = True
    """Whether a temporary token is good once."""
    operator_life_s: int = 3600
    auth_url: str = ""
    """Told with an operator token: where its holder turns to (OperatorTokenAuthURL)."""
    sim_id_type: SimIdType = SimIdType.IMSI_HASH
    tells_imsi: bool = False
    """Whether GetSubscriberDeviceInfo tells the IMSI beside the number."""
    mvno_name: str = ""
    bare_json: bool = False
    """Whether partners get the JSON of Google's guide: always JSON, without OperationResult."""


@noun
class Means:
    """What operations are done with."""

    operations: Mapping[str, Operation]
    """All of them, by name in lower case."""
    keys: Keys
    store: Store
    offers: Mapping[str, Offer]
    """By tenant."""
    partners: Mapping[str, tuple[Partner, ...]]
    """By tenant."""
    esim: EsimMeans
    """For operations on eSIMs."""

    def operation(self, name: str) -> Operation | None:
        """Return an operation by its name, in any letter case, or as the figures misspell it."""
        return self.operations.get(name.lower())

    def partner(self, tenant: str, client_id: str) -> Partner | None:
        """Return the partner that has an OAuth client."""
        for partner in self.partners[tenant]:
            if client_id in partner.client_ids:
                return partner
        return None


@noun
class Done:
    """It was done; ``items`` follow OperationResult 1 (TS.43 §6.5.1)."""

    items: tuple[Item, ...] = ()
    wrong_guess: bool = False
    """Whether it was asked if something is so, and it is not: too many such from third parties
    are refused."""
    detail: str = ""
    """What the operator should know of it; no identity, no secret."""


@noun
class Refused:
    """It was not done, and nothing was changed."""

    result: OperationResult
    detail: str
    """Why, for the operator; no identity, no secret."""
    items: tuple[Item, ...] = ()


Run: TypeAlias = Callable[[Task, Means], Awaitable[Done | Refused]]


@noun
class Operation:
    """One operation; flow, records and docs know it by this alone."""

    name: str
    """As TS.43 spells it."""
    section: str
    since: SpecVersion
    """First version of TS.43 that has it; older clients are answered all the same."""
    proofs: Mapping[str, frozenset[Proof]]
    """By AppID: the proofs with which it may be called there."""
    required: tuple[str, ...]
    """Request parameters, in lower case, without which it cannot be done."""
    optional: bool
    """Whether TS.43 leaves it to the server to have it: then "not offered" is a result."""
    asks_validity: bool
    """Whether it asks if a lent token is good at all: it may be asked of every token, whatever that
    was lent for, and that one is not good is an answer."""
    spellings: tuple[str, ...]
    """What figures and prose of TS.43 call it besides, in lower case."""
    scopes: frozenset[str]
    """OAuth scopes, in lower case, that allow it to the holder of an operator token."""
    parms: Mapping[str, ParmRow]
    """Every parameter that it may emit, by path, but for OperationResult."""
    run: Run = field(compare=False)
    """What it does. One that may be called with a temporary token for single use must change
    nothing outside before it returns: the token is consumed after that."""


def without_number(task: Task) -> Refused:
    """Return, or to a third party raise, that the subscription has no number."""
    if task.lent is not None:
        raise NotThere("no_number")
    return Refused(OperationResult.GENERAL_ERROR, "the subscription has no number")


def from_table(module: str, run: Run) -> Operation:
    """Return the operation that the table of the same stem as ``module`` and ``run`` make."""
    package, _, stem = module.rpartition(".")
    text = resources.files(package).joinpath(f"{stem}.toml").read_text("utf-8")
    return read_table(text, run, name=f"{stem}.toml")


def read_table(text: str, run: Run, *, name: str) -> Operation:
    """Return what a table's text says, or raise `BadTable`."""
    try:
        data = tomllib.loads(text)
        since = parse(data.pop("since"))
        if since is None:
            raise ValueError("since is no version")
        operation = Operation(
            name=data.pop("name"),
            section=data.pop("section"),
            since=since,
            proofs={
                app: frozenset(map(Proof, proofs)) for app, proofs in data.pop("proofs").items()
            },
            required=tuple(data.pop("required")),
            optional=data.pop("optional", False),
            asks_validity=data.pop("asks_validity", False),
            spellings=tuple(data.pop("spellings", ())),
            scopes=frozenset(data.pop("scopes", ())),
            parms=parm_rows(data.pop("parm", {})),
            run=run,
        )
        if data:
            raise ValueError(f"unknown keys: {sorted(data)}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadTable(f"{name}: {error!r}") from error
    return operation


def utc(seconds: int) -> str:
    """Return a time as TS.43 tells one: ISO 8601 with its zone, which Android insists on."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
