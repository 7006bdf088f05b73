"""Settings of events: those that the operator's systems send, and those that it is told."""

from __future__ import annotations

from typing import Annotated, Literal

from simgrant.config.api_tables import ApiTable
from simgrant.config.section import Section, Within
from simgrant.wire.tmf_events import MOST_BYTES


class Events(Section, frozen=True):
    """The listener on which the operator's systems bring events, and what is read of those of TM
    Forum's APIs (see [Events](../events.md)). Names of values are in any letter case; the first
    that an event has counts."""

    listen: str = ""
    """Address and port, such as `127.0.0.1:8084`; empty = nobody brings any by HTTP."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty = plain HTTP, for use behind a proxy. Read again
    when it changes and on SIGHUP."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    client_ca: str = ""
    """PEM file of the authorities that certificates of senders are from; empty = none is asked
    for."""
    in_flight: Annotated[int, Within(1, 100_000)] = 64
    """Calls that one worker handles at a time; more get 503."""
    of_sender: Annotated[int, Within(1, 100_000)] = 16
    """Those of one sender; more get 429."""
    max_body: Annotated[int, Within(1_024, MOST_BYTES)] = 1_048_576
    """Bytes of a call; more gets 413."""
    imsi_names: tuple[str, ...] = ("imsi",)
    """What the IMSI of the subscription is called: a characteristic, a reference with a value, or a
    member of what the event is about."""
    msisdn_names: tuple[str, ...] = ("msisdn",)
    """What its number is called."""
    new_imsi_names: tuple[str, ...] = ()
    """What the IMSI that it has from now on is called."""
    iccid_names: tuple[str, ...] = ("iccid",)
    """What the ICCID of its new SIM is called."""
    terminal_names: tuple[str, ...] = ("imei",)
    """What the IMEI of the device is called that is lost."""
    plan_names: tuple[str, ...] = ()
    """What its plan is called, such as `productOffering.id`."""
    plans: dict[str, str] = {}
    """The policy's name of each plan of theirs: `{ "PO-17" = "premium" }`. One that is not there is
    not told."""
    client_id_names: tuple[str, ...] = ("clientId",)
    """What the consumer of partner APIs is called that a consent is about. A consent without one is
    about the terms of your own services."""
    application_names: tuple[str, ...] = ("applicationId",)
    """What the application of that consumer is called; a consent without one is about all."""
    purpose_names: tuple[str, ...] = ("purpose",)
    """What its purpose is called, a word of W3C's DPV."""
    api_names: tuple[str, ...] = ("apis",)
    """What its APIs are called: one text, with spaces or commas between them."""
    expires_at_names: tuple[str, ...] = ("expiresAt",)
    """What the time is called until when it is given."""
    evidence_names: tuple[str, ...] = ("evidence",)
    """What that is called which shows it to a third party; without it, the event's id does."""


class EventSender(Section, frozen=True):
    """A system of the operator's that may bring events. It needs one of the ways to prove who it
    is; any that it has is enough."""

    tenant: str = "default"
    """Whose subscriptions its events are about."""
    token_file: str = ""
    """File with the token that it brings (`Authorization: Bearer …`), of 32 characters or more.
    Read again when it changes."""
    client_ids: tuple[str, ...] = ()
    """Or OAuth clients whose access tokens it brings, of one of the [issuers.NAME] of the
    tenant."""
    tls_sha256: tuple[str, ...] = ()
    """Or SHA-256 hashes of its certificates, with colons or without; with `events.client_ca`."""
    tls_subjects: tuple[str, ...] = ()
    """Or whole subjects of them, such as `CN=crm,O=Example,C=DE`. Whoever `events.client_ca` gives
    such a certificate is believed."""


class EventRule(Section, frozen=True):
    """A change that events of TM Forum's APIs mean. Rules are tried in the order of the file, and
    the first that fits counts; where none does, something changed (`changed`): what was told before
    is asked anew. A condition that is left out always holds."""

    change: str = ""
    """What happened: one of the [changes](../events.md). Must be set."""
    status: Literal["", "active", "suspended", "barred", "removed"] = ""
    """What the subscription's status is since then; empty = nothing is told of it."""
    senders: tuple[str, ...] = ()
    """The [event_senders.NAME] or [event_topics.NAME] that it is for."""
    event_types: tuple[str, ...] = ()
    """Patterns of eventType, such as `Product*Event`, in any letter case."""
    states: tuple[str, ...] = ()
    """States that what it is about has now, in any letter case."""
    values: tuple[str, ...] = ()
    """Names of values one of which it must have."""


class EventTopic(Section, frozen=True):
    """A topic of Kafka that events come from (`simgrant[kafka]`; see [Events](../events.md))."""

    tenant: str = "default"
    """Whose subscriptions its events are about."""
    brokers: tuple[str, ...] = ()
    """Where the cluster is found, such as `kafka-1.example.com:9093`. Must be set."""
    topic: str = ""
    """Its name. Must be set."""
    group: str = "simgrant"
    """Consumer group, one for all nodes."""
    dead_letters: str = ""
    """Topic that messages are sent to which cannot be read, as they came, with the reason in the
    header `simgrant-reason`; empty = they are set aside here alone."""
    batch: Annotated[int, Within(1, 1_000)] = 200
    """Messages that are taken over in one transaction at most."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a group begins that has not read the topic before."""
    session_timeout_s: Annotated[float, Within(6, 300)] = 10.0
    """Seconds after which the cluster gives the partitions of a node that is silent to others."""
    tls: bool = True
    """Whether connections are TLS."""
    ca_file: str = ""
    """PEM file of the authorities that certificates of brokers are from; empty = the system's."""
    certificate: str = ""
    """PEM file of our certificate and its chain, for brokers that want one."""
    key: str = ""
    """PEM file of its private key, without a password."""
    sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How a name and a password are shown to brokers; empty = they want none."""
    user: str = ""
    """That name."""
    password_file: str = ""
    """File with that password. Read when the server starts."""


class EventHub(ApiTable, frozen=True):
    """A hub of one of TM Forum's APIs at which we register ourselves, once for all nodes (see
    [Events](../events.md#hubs))."""

    url: str = ""
    """The hub, such as `https://bss.example.com/tmf-api/productInventory/v5/hub`. Must be `https`,
    or on this machine, unless `plain`."""
    callback: str = ""
    """Where it is to bring events: what `events.listen` is called from outside, without
    `/listener/…`, which hubs add. Must be set, and another for each hub."""
    query: str = ""
    """Which events are wanted, as the hub has it: `eventType=ProductStateChangeEvent`; empty =
    all."""
    sender: str = ""
    """The [event_senders.NAME] as which it brings them. Must be set."""
    every_s: Annotated[float, Within(10, 86_400)] = 300.0
    """Seconds between two looks whether it still knows us, more or less by a fifth."""
    look: bool = True
    """Ask it for our registration (`GET …/hub/ID`). Where it does not answer that, or with `false`,
    it is taken at its word for `renew_s`."""
    renew_s: Annotated[float, Within(0, 31 * 86_400)] = 86_400.0
    """Seconds after which a registration that it does not show is made anew; 0 = never."""
    timeout_s: Annotated[float, Within(0.05, 30)] = 5.0
    """Seconds that one answer may take."""
