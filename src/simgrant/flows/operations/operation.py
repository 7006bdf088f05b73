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
from importlib import resources
from typing import Final, TypeAlias

from simgrant.domain.owner import Enterprise, Owner
from simgrant.domain.partner import Partner
from simgrant.domain.risk import Way
from simgrant.domain.subscription import Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.told import Told
from simgrant.domain.trail import Verdict
from simgrant.errors import NotThere
from simgrant.flows.esim_means import EsimMeans
from simgrant.flows.lent_tokens import Lent
from simgrant.flows.network_data import NetworkFacts
from simgrant.identities import Msisdn
from simgrant.nouns import Word, noun
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.services.service import BadTable, ParmRow, parm_rows
from simgrant.spec.ids import AppId, OperationResult, SimIdType
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
    REQUESTOR = "requestor"
    """A system by itself, for no subscriber (TS.43 §2.8.3)."""


REQUESTORS_APPS: Final = frozenset({AppId.ODSA_SERVER_INITIATED.value})
"""The applications that are for systems, and for nobody else (TS.43 §10)."""


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
    signed_in: Way = Way.SIM
    """How the device's holder was proved; with a lent token, that of the device that lent it."""
    signed_in_at: int = 0
    """Unix seconds of that."""
    held_for: bytes = b""
    """The mark of the device that the token belongs to (`flows.marks`); empty = of none yet."""
    languages: tuple[str, ...] = ()
    """Those that whoever asks reads, the best first."""
    told: Told | None = None
    """What the BSS told, which is in ``subscription`` already; None = it tells nothing here."""

    @property
    def owner(self) -> Owner:
        """Whose orders of eSIMs it is about."""
        return self.subscription.imsi


@noun
class Requestor:
    """A system that proved itself: one of a partner's, such as a device management's."""

    partner: Partner
    client_id: str
    """The OAuth client that its access_token was of."""
    requestor_id: str
    """In lower case, as is the next."""
    enterprise_id: str
    """The company it acts for, one that the partner may act for; empty where it named none."""


@noun
class RequestorTask:
    """One call of an operation by a system alone.

    Nobody proved a SIM, and TS.43 names a line, where it names one at all, by parameters of the
    operation: whose it is, and whether this system may ask about it, the operation finds out.
    """

    tenant: Tenant
    requestor: Requestor
    app_id: str
    ask: Ask
    at: int
    """Unix seconds."""
    languages: tuple[str, ...] = ()
    """A system reads none."""

    @property
    def owner(self) -> Owner:
        """Whose orders of eSIMs it is about."""
        return Enterprise(self.requestor.enterprise_id)


AnyTask: TypeAlias = Task | RequestorTask


@noun
class Offer:
    """What a tenant decides about operations."""

    withheld: frozenset[str] = frozenset()
    """Names of operations that it does not offer."""
    temporary_life_s: int = 300
    single_use: bool = True
    """Whether a temporary token is good once; one that moves a line is good until it has."""
    transfer_life_s: int = 86_400
    """The most that one lives that moves a line."""
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
    network: NetworkFacts
    """Who is asked for numbers that the store lacks."""

    async def number(self, subscription: Subscription) -> Msisdn | None:
        """Return the number of a subscription; None where nobody tells it."""
        return await self.network.number(subscription)

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
    verdict: Verdict | None = None
    """What rules were asked for it, for the record."""
    times: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Unix seconds of the sources of its facts."""


@noun
class Refused:
    """It was not done, and nothing was changed."""

    result: OperationResult
    detail: str
    """Why, for the operator; no identity, no secret."""
    items: tuple[Item, ...] = ()
    verdict: Verdict | None = None
    times: Mapping[str, int] = field(default_factory=dict, hash=False)
    step_up: bool = False
    """Whether it may be done once its holder has signed in."""
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the subscriber is told of it, by language, where it is more than that it failed."""


Run: TypeAlias = Callable[[Task, Means], Awaitable[Done | Refused]]
RunForRequestor: TypeAlias = Callable[[RequestorTask, Means], Awaitable[Done | Refused]]


async def _nobodys(_task: object, _means: Means) -> Done | Refused:
    """Stand in for what the table lets nobody call."""
    raise TypeError("an operation was called with a proof that its table does not have")


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
    implied_by: frozenset[str]
    """Operations, by their names: a lent token that is good for one of them is for this one too."""
    spellings: tuple[str, ...]
    """What figures and prose of TS.43 call it besides, in lower case."""
    scopes: frozenset[str]
    """OAuth scopes, in lower case, that allow it to the holder of an operator token."""
    parms: Mapping[str, ParmRow]
    """Every parameter that it may emit, by path, but for OperationResult."""
    run: Run = field(compare=False)
    """What it does. One that may be called with a temporary token for single use must change
    nothing outside before it returns: the token is consumed after that."""
    run_for_requestor: RunForRequestor = field(compare=False, default=_nobodys)
    """What it does for a system that asks by itself."""


def without_number(task: Task) -> Refused:
    """Return, or to a third party raise, that the subscription has no number."""
    if task.lent is not None:
        raise NotThere("no_number")
    return Refused(OperationResult.GENERAL_ERROR, "the subscription has no number")


def from_table(
    module: str, run: Run | None, *, for_requestor: RunForRequestor | None = None
) -> Operation:
    """Return the operation that the table of the same stem as ``module`` and ``run`` make."""
    package, _, stem = module.rpartition(".")
    text = resources.files(package).joinpath(f"{stem}.toml").read_text("utf-8")
    return read_table(text, run, name=f"{stem}.toml", for_requestor=for_requestor)


def read_table(
    text: str, run: Run | None, *, name: str, for_requestor: RunForRequestor | None = None
) -> Operation:
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
            implied_by=frozenset(data.pop("implied_by", ())),
            spellings=tuple(data.pop("spellings", ())),
            scopes=frozenset(data.pop("scopes", ())),
            parms=parm_rows(data.pop("parm", {})),
            run=run or _nobodys,
            run_for_requestor=for_requestor or _nobodys,
        )
        _check_proofs(operation.proofs, devices=run is not None, systems=for_requestor is not None)
        if data:
            raise ValueError(f"unknown keys: {sorted(data)}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadTable(f"{name}: {error!r}") from error
    return operation


def _check_proofs(proofs: Mapping[str, frozenset[Proof]], *, devices: bool, systems: bool) -> None:
    """Refuse a table that a system could ask as a device by, or the other way round."""
    alone = {Proof.REQUESTOR}
    for app, allowed in proofs.items():
        is_wrong = allowed != alone if app in REQUESTORS_APPS else alone <= allowed
        if is_wrong:
            raise ValueError(f"{app} has a proof that is not for it")
    if systems != (not REQUESTORS_APPS.isdisjoint(proofs)):
        raise ValueError("requestor, and what is done for one, go together")
    if devices != (not proofs.keys() <= REQUESTORS_APPS):
        raise ValueError("a proof of a SIM, and what is done for its holder, go together")
