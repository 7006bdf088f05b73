"""What calls take and answer. Made by `make client`: do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class ApiConsent(TypedDict):
    """One word of a subscriber's about one consumer, purpose and API, with what proves it."""

    client_id: str
    application: str | None
    """Which of the consumer's; null = all."""
    purpose: str
    """W3C DPV, with its prefix."""
    api: str
    number: int
    """Counts the words about the same, from 1; the last one holds."""
    said: Literal["denied", "given", "requested", "withdrawn"]
    at: str
    expires_at: str | None
    """Until when it is given; null = until it is withdrawn."""
    phone_number: str | None
    """The number that the line had then."""
    source: str
    """By which way it was said."""
    evidence: str | None
    """What shows it to a third party."""
    proof: str
    """The server's signature over all of it, in hexadecimal."""
    genuine: bool
    """Whether it is as it was written."""


class ApiConsents(TypedDict):
    """All that a subscriber said; nothing of it is ever changed."""

    items: list[ApiConsent]


class ApplicationDocument(TypedDict):
    """What a consumer acts for: an app of its own, or that of one of its customers."""

    id: str
    name: str
    """As a subscriber would know it."""
    sink_hosts: NotRequired[list[str]]
    """Where its notifications may go; none = wherever its consumer's may."""


class AuditEntry(TypedDict):
    """Who changed what."""

    number: int
    """Counted from 1, in each tenant, without a gap."""
    at: str | None
    client: str
    """The system that called, or `cli`."""
    actor: str
    """The person behind it, as that system says, or who used the command line."""
    call: str
    """The name of the call."""
    request_id: str
    detail: str
    """What of it was changed."""
    subject: str
    """Keyed reference of the subscription, or what else was changed."""
    before: str
    """Digest of the subscription's state before, empty where there was none."""
    after: str
    chain: str
    """Keyed hash over this entry and the chain of the one before."""


class AuditPage(TypedDict):
    """Some entries."""

    items: list[AuditEntry]
    next: str | None
    """`after` of the next page; null = there is none now."""


class Boost(TypedDict):
    """A data boost that was bought."""

    purchase: NotRequired[Literal["active", "in_progress", "untracked"]]
    """How far it is."""
    until: NotRequired[str | None]
    """When it ends by itself."""


class ConsentChange(TypedDict):
    """How far a consent is from now on."""

    status: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    version: NotRequired[str]
    """Which text was agreed to, or the identifier of the address."""
    expires_at: NotRequired[str | None]
    """From when on it counts as missing."""


class Consents(TypedDict):
    """The consents of a subscription; one that was never given is not among them."""

    items: list[GivenConsent]


class Consumer(TypedDict):
    """A consumer of partner APIs."""

    revision: int
    """Counts its changes, from 1."""
    has_secret: bool
    """Whether a secret was made for it."""
    consumer: ConsumerDocument


class ConsumerDocument(TypedDict):
    """A consumer of partner APIs."""

    client_id: str
    name: str
    active: NotRequired[bool]
    sandbox: NotRequired[bool]
    """It gets test numbers only, and pays nothing."""
    proving: NotRequired[Literal["client_secret_basic", "private_key_jwt"]]
    """How it proves itself; `client_secret_basic` only for Google's plain flavour of TS.43."""
    jwks: NotRequired[dict[str, Any] | None]
    """Its public keys (JWK Set)."""
    jwks_url: NotRequired[str]
    """Or where they are, by https."""
    algorithms: NotRequired[list[str]]
    """It may sign by these."""
    certificate_sha256: NotRequired[str]
    """Of the certificate that it has to connect with; empty = any or none."""
    grants: NotRequired[
        list[Literal["authorization_code", "ciba", "client_credentials", "jwt_bearer"]]
    ]
    """How it may get access tokens."""
    subjects: NotRequired[list[Literal["ipport", "operatortoken", "tel", "temptoken"]]]
    """How it may name a subscriber; `tel` is for whom you trust by contract."""
    asks: NotRequired[bool]
    """Its backchannel requests may name any number, whose owner is asked by USSD or SMS."""
    requestor_ids: NotRequired[list[str]]
    """Temporary tokens that were acquired for one of these are its (TS.43)."""
    redirect_uris: NotRequired[list[str]]
    bound: NotRequired[Literal["certificate", "dpop", "nothing"]]
    """To what its access tokens are bound."""
    assertion_life_s: NotRequired[int]
    """The most that its assertions may live."""
    sector: NotRequired[str]
    """Consumers of one sector get the same pairwise subjects."""
    application_claim: NotRequired[str]
    """The claim of its assertions that names the application."""
    applications: NotRequired[list[ApplicationDocument]]
    permissions: NotRequired[list[PermissionDocument]]
    sink_hosts: NotRequired[list[str]]
    """Where its notifications may go; none = to any public address."""


class ConsumerPage(TypedDict):
    """Some consumers."""

    items: list[Consumer]
    next: str | None
    """`after` of the next page; null = there is none."""


class Erased(TypedDict):
    """How many rows of each kind are gone."""

    subscriptions: int
    terminals: int
    sessions: int
    records: int
    left: int
    """Services and eSIM orders that have still to end in the network."""


class Event(TypedDict):
    """Something that happened to a subscription, which is named by IMSI, number or both."""

    event_id: str
    """What its sender calls it: one that comes again is known."""
    change: Literal[
        "changed",
        "consent_given",
        "consent_withdrawn",
        "device_lost",
        "imsi_changed",
        "msisdn_changed",
        "option_ended",
        "option_started",
        "plan_changed",
        "ported_out",
        "profile_ready",
        "resumed",
        "roaming_entered",
        "roaming_left",
        "sim_swapped",
        "suspended",
    ]
    at: str
    """When it happened."""
    imsi: NotRequired[str]
    msisdn: NotRequired[str]
    told: NotRequired[Holds]
    new_imsi: NotRequired[str]
    """For `imsi_changed`, and for a SIM swap that changed it."""
    iccid: NotRequired[str]
    """Of the new SIM, or of the profile that is ready."""
    terminal_id: NotRequired[str]
    """Of the device that is lost."""
    api_consent: NotRequired[ToldApiConsent]


class EventTaken(TypedDict):
    """What became of an event."""

    event_id: str
    taken: Literal["kept", "known", "set_aside"]
    """`known`: it came before. `set_aside`: nothing can be done for it now; a person finds it."""


class EventsTaken(TypedDict):
    """What became of events, in their order."""

    items: list[EventTaken]


class Failure(TypedDict):
    """Why there will be no profile."""

    reason: NotRequired[str]


class GivenConsent(TypedDict):
    """A consent as it is kept."""

    kind: Literal["address", "terms"]
    status: Literal["given", "in_progress", "missing", "not_required"]
    version: str
    """Which text was agreed to, or the identifier of the address."""
    at: str | None
    expires_at: str | None
    """From when on it counts as missing; null = never."""


class History(TypedDict):
    """Records of requests, notices and what networks told, the newest first."""

    items: list[dict[str, Any]]
    next: str | None
    """`after` of the next page, which has older ones; null = there is none."""


class Holdings(TypedDict):
    """What a subscription holds, an object for each thing."""

    items: list[dict[str, str | int | None]]


class Holds(TypedDict):
    """What holds since an event, as far as it is told."""

    status: NotRequired[Literal["active", "barred", "suspended"]]
    plan: NotRequired[str]
    """A plan of the tenant's policy."""
    options: NotRequired[list[str]]
    """Features that it has besides those of its plan."""
    refusals: NotRequired[list[str]]
    """Features that it may not have."""
    terms: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    address: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    provisioning: NotRequired[
        Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    ]
    visited_plmn: NotRequired[str]
    """Digits of the network it is in; empty = not known."""
    msisdn: NotRequired[str]
    number_type: NotRequired[Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]]
    prepaid: NotRequired[bool]
    port_freeze: NotRequired[bool]


class Imported(TypedDict):
    """What became of an import."""

    rows: int
    """How many there are."""
    written: int
    """How many subscriptions were made or overwritten."""
    existing: int
    """How many of them there were before."""


class LineError(TypedDict):
    """What is wrong with one line of an import, or one event of a list."""

    line: int
    """Counted from 1; of a list, its members are counted."""
    reason: str


class ListedSubscription(TypedDict):
    """A subscription in a list. Times are ISO 8601 in UTC."""

    tenant: str
    imsi: str
    msisdn: str | None
    status: Literal["active", "barred", "removed", "suspended"]
    plan: str
    gid1: str
    provisioning: Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    visited_plmn: str | None
    visited_at: str | None
    token_epoch: int
    """Raised when its tokens are revoked."""
    created_at: str | None
    changed_at: str | None


class NewApiConsent(TypedDict):
    """What a subscriber said just now."""

    client_id: str
    """About which consumer."""
    application: NotRequired[str]
    """Only about this one of the consumer's; empty = about all."""
    purpose: str
    """For what: a purpose of W3C's DPV."""
    api: str
    """About which API."""
    said: Literal["denied", "given", "requested", "withdrawn"]
    """`withdrawn` is an objection where the legal basis is a legitimate interest."""
    expires_at: NotRequired[str | None]
    """Until when it is given."""
    source: NotRequired[Literal["api", "bss", "care"]]
    """By which way it was said."""
    evidence: NotRequired[str]
    """What shows it to a third party: the version of a text, the number of a call."""


class NewOrder(TypedDict):
    """An order that another system made, with its profile (TS.43 §7.5)."""

    iccid: str
    activation_code: NotRequired[str]
    smdp_address: NotRequired[str]
    subscription: str
    """IMSI, or an MSISDN with ``+``."""
    app: Literal["companion", "primary"]
    eid: NotRequired[str]
    terminal_id: NotRequired[str]
    name: NotRequired[str]
    vendor: NotRequired[str]
    model: NotRequired[str]
    service: NotRequired[Literal["DiffNumber", "FamilyNumber", "SharedNumber"]]
    plan: NotRequired[str]
    ask: NotRequired[Literal["confirmation", "nothing", "page", "pin"]]
    """What the subscriber is asked before he may have it."""


class NewSubscription(TypedDict):
    """A subscription to be made."""

    msisdn: NotRequired[str]
    """Telephone number, E.164."""
    status: NotRequired[Literal["active", "barred", "suspended"]]
    gid1: NotRequired[str]
    """GID1 of the SIM."""
    provisioning: NotRequired[
        Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    ]
    """State of VoWiFi in the network."""
    visited_plmn: NotRequired[str]
    """Digits of the network it is in; empty = not known."""
    iccid: NotRequired[str]
    """ICCID of the SIM; another one than before is a SIM swap."""
    sim_since: NotRequired[str]
    """When the line got its SIM."""
    port_freeze: NotRequired[bool]
    """Whether it is locked against being moved."""
    prepaid: NotRequired[bool]
    number_type: NotRequired[Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]]
    plan: str
    """A plan of the tenant's policy."""
    k: NotRequired[str]
    """Ki for the local AuC; nobody is told it again."""
    opc: NotRequired[str]
    """OPc, or TOPc for TUAK."""
    op: NotRequired[str]
    """OP or TOP, in place of `opc`."""
    algorithm: NotRequired[Literal["milenage", "tuak"]]
    amf: NotRequired[str]
    sqn: NotRequired[str]
    """Highest sequence number that the SIM has seen."""
    res_length: NotRequired[Literal[16, 4, 8]]
    """Bytes of RES."""
    terms: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    """Terms and conditions."""
    terms_version: NotRequired[str]
    """Which text was agreed to."""
    address: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    """Emergency address."""
    address_id: NotRequired[str]
    """Identifier of the address on file."""
    imsi: str


class OrderPage(TypedDict):
    """Some orders."""

    items: list[dict[str, Any]]
    next: str | None
    """`after` of the next page; null = there is none."""


class PermissionDocument(TypedDict):
    """What a consumer may use of one API, and what for."""

    api: str
    """As it is in addresses: `number-verification`."""
    scopes: list[str]
    purposes: NotRequired[list[str]]
    """W3C DPV purposes without their prefix; none = only without a subscriber in the token."""
    tariff: NotRequired[str]
    """Empty = it costs nothing."""
    rates: NotRequired[RatesDocument]


class PolicyChange(TypedDict):
    """That a version came in force."""

    change: int
    """Counted from 1."""
    version: int
    name: str
    """What the version is called in records and metrics."""
    author: str
    at: str | None
    comment: str
    genuine: bool
    """Whether it is as it was signed."""
    is_new: bool
    """Whether the version was published by it; else it was rolled back to."""


class PolicyChanges(TypedDict):
    """The changes of a policy, the newest first."""

    items: list[PolicyChange]


class PolicyChecked(TypedDict):
    """What is wrong with a policy."""

    problems: list[str]
    """Empty = it could be published."""
    warnings: list[str]
    """What can be read and was probably not meant; nothing of it keeps it from being
    published.
    """


class PolicyDraft(TypedDict):
    """A policy that is not in force."""

    text: str
    """TOML."""


class PolicyInForce(TypedDict):
    """What is in force from now on; every worker decides by it within a second."""

    change: int
    version: int
    name: str


class PolicyText(TypedDict):
    """A version with its text."""

    version: int
    name: str
    text: str
    """TOML."""


class PriceDocument(TypedDict):
    """What one kind of answer costs."""

    outcome: Literal["asked", "delivered", "match", "no_match", "refused"]
    price: str
    """In the currency, with at most six decimals."""
    operation: NotRequired[str]
    """The operationId it is for; empty = any that has no price of its own."""
    method: NotRequired[Literal["", "claimed", "nba", "none", "oob", "sim"]]
    """How the subscriber was proved; empty = in any way that has no price of its own."""


class ProblemDetails(TypedDict):
    """What an answer says that is an error (`application/problem+json`)."""

    type: str
    """An URI that ends with the code."""
    title: str
    status: int
    code: str
    """What the problem is, in a word that stays the same."""
    detail: NotRequired[str]
    """More, for people."""
    request_id: NotRequired[str]
    """By which the call is found in the log."""
    errors: NotRequired[list[LineError]]
    """Of an import, or of events: what is wrong with which of them, the first hundred; how
    many there are is in `detail`.
    """


class Profile(TypedDict):
    """A profile that is handed in, by its code or by its SM-DP+."""

    iccid: str
    activation_code: NotRequired[str]
    smdp_address: NotRequired[str]


class Publication(TypedDict):
    """A policy that is to come in force."""

    text: str
    """TOML."""
    comment: str
    """Why, for those who look at the history."""
    seen: int
    """The newest change that is known, 0 for none: another one since then is not overridden."""


class RatesDocument(TypedDict):
    """How much of one API a consumer may ask for; 0 = no limit."""

    per_second: NotRequired[float]
    """Of each worker."""
    burst: NotRequired[int]
    """0 = as many as a second's."""
    per_month: NotRequired[int]
    """Answers in a calendar month (UTC)."""


class Registration(TypedDict):
    """That a client on a device wants to be told of changes; its token is not shown."""

    app_id: str
    app_name: str
    channel: str
    at: str | None


class Revoked(TypedDict):
    """That tokens are no good any more, on every node."""

    token_epoch: int
    """Only tokens of this epoch are good from now on; it was raised by one."""


class Rollback(TypedDict):
    """An older version that is to come in force again."""

    version: int
    comment: str
    seen: int
    """The newest change that is known."""


class Satellite(TypedDict):
    """Whether the subscriber has switched satellite service on."""

    status: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]


class Statement(TypedDict):
    """What was used in a month."""

    month: str
    items: list[StatementLine]


class StatementLine(TypedDict):
    """Answers that are alike. Amounts are exact, in their currency."""

    consumer: str
    application: str
    api: str
    operation: str
    method: str
    """How the subscriber was proved."""
    outcome: str
    tariff: str
    sandbox: bool
    count: int
    currency: str
    price: str
    aggregator: str
    """Of the price, the aggregator's."""
    operator: str
    """Of the price, the operator's."""


class Subscription(TypedDict):
    """A subscription, with what is noted about its line."""

    tenant: str
    imsi: str
    msisdn: str | None
    status: Literal["active", "barred", "removed", "suspended"]
    plan: str
    gid1: str
    provisioning: Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    visited_plmn: str | None
    visited_at: str | None
    token_epoch: int
    """Raised when its tokens are revoked."""
    created_at: str | None
    changed_at: str | None
    etag: str
    """By which a later change says which state it has seen (`If-Match`)."""
    iccid: str | None
    sim_since: str | None
    port_freeze: bool | None
    prepaid: bool | None
    number_type: Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"] | None


class SubscriptionChange(TypedDict):
    """What is to be changed of a subscription."""

    msisdn: NotRequired[str]
    """Telephone number, E.164."""
    status: NotRequired[Literal["active", "barred", "suspended"]]
    gid1: NotRequired[str]
    """GID1 of the SIM."""
    provisioning: NotRequired[
        Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    ]
    """State of VoWiFi in the network."""
    visited_plmn: NotRequired[str]
    """Digits of the network it is in; empty = not known."""
    iccid: NotRequired[str]
    """ICCID of the SIM; another one than before is a SIM swap."""
    sim_since: NotRequired[str]
    """When the line got its SIM."""
    port_freeze: NotRequired[bool]
    """Whether it is locked against being moved."""
    prepaid: NotRequired[bool]
    number_type: NotRequired[Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]]
    plan: NotRequired[str]


class SubscriptionPage(TypedDict):
    """Some subscriptions."""

    items: list[ListedSubscription]
    next: str | None
    """`after` of the next page; null = there is none."""


class TariffDocument(TypedDict):
    """One version of a tariff."""

    name: str
    valid_from: str
    """From when on it is in force (UTC)."""
    currency: str
    """ISO 4217."""
    prices: NotRequired[list[PriceDocument]]
    """Answers that none is for cost nothing."""
    aggregator_share: NotRequired[str]
    """The aggregator's part of the price, in percent; the rest is yours."""


class Tariffs(TypedDict):
    """Every version of all tariffs."""

    items: list[TariffDocument]


class Tell(TypedDict):
    """Of what the devices are to be told."""

    apps: NotRequired[list[str]]
    """AppIDs; empty = every one that they registered for."""


class Terminal(TypedDict):
    """A device that authenticated with a subscription's SIM."""

    terminal_id: str
    """IMEI or UUID, as the device says."""
    vendor: str
    model: str
    sw_version: str
    first_at: str | None
    seen_at: str | None
    """When it last authenticated in full."""
    registrations: list[Registration]


class Terminals(TypedDict):
    """The devices of a subscription."""

    items: list[Terminal]


class Told(TypedDict):
    """How many notices will be sent."""

    notices: int


class ToldApiConsent(TypedDict):
    """About which consumer of partner APIs a consent was given or withdrawn, and what for."""

    client_id: str
    application: NotRequired[str]
    """Only about this one of the consumer's; empty = about all."""
    purpose: str
    """For what: a purpose of W3C's DPV."""
    apis: list[str]
    expires_at: NotRequired[str | None]
    """Until when it is given."""
    evidence: NotRequired[str]
    """What shows it to a third party; empty = the event's id does."""


class Usage(TypedDict):
    """How much data was used."""

    used: int
    """Bytes in this cycle."""
    allowance: NotRequired[int | None]
    """Bytes; null = no limit."""
    cycle_end: NotRequired[str | None]


class UsagePage(TypedDict):
    """Some usage; a page may have fewer rows than `limit`, and yet not be the last one."""

    items: list[dict[str, Any]]
    """Each as the command `simgrant usage export` prints it."""
    next: str | None
    """`after` of the next page; null = there is none."""


class Whole(TypedDict):
    """A subscription that is written as a whole."""

    msisdn: NotRequired[str]
    """Telephone number, E.164."""
    status: NotRequired[Literal["active", "barred", "suspended"]]
    gid1: NotRequired[str]
    """GID1 of the SIM."""
    provisioning: NotRequired[
        Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
    ]
    """State of VoWiFi in the network."""
    visited_plmn: NotRequired[str]
    """Digits of the network it is in; empty = not known."""
    iccid: NotRequired[str]
    """ICCID of the SIM; another one than before is a SIM swap."""
    sim_since: NotRequired[str]
    """When the line got its SIM."""
    port_freeze: NotRequired[bool]
    """Whether it is locked against being moved."""
    prepaid: NotRequired[bool]
    number_type: NotRequired[Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]]
    plan: str
    """A plan of the tenant's policy."""
    k: NotRequired[str]
    """Ki for the local AuC; nobody is told it again."""
    opc: NotRequired[str]
    """OPc, or TOPc for TUAK."""
    op: NotRequired[str]
    """OP or TOP, in place of `opc`."""
    algorithm: NotRequired[Literal["milenage", "tuak"]]
    amf: NotRequired[str]
    sqn: NotRequired[str]
    """Highest sequence number that the SIM has seen."""
    res_length: NotRequired[Literal[16, 4, 8]]
    """Bytes of RES."""
    terms: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    """Terms and conditions."""
    terms_version: NotRequired[str]
    """Which text was agreed to."""
    address: NotRequired[Literal["given", "in_progress", "missing", "not_required"]]
    """Emergency address."""
    address_id: NotRequired[str]
    """Identifier of the address on file."""


class WrittenConsumer(TypedDict):
    """A consumer as it was written."""

    revision: int
    """Counts its changes, from 1."""
    has_secret: bool
    """Whether a secret was made for it."""
    consumer: ConsumerDocument
    warnings: list[str]
    """What can be written and was probably not meant; nothing of it kept it from being
    written.
    """
