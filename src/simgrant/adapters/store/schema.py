"""The tables, once for both engines: what the migrations must have built.

Only migrations and their tests import this; the device path never loads SQLAlchemy.

Every key begins with the tenant and, where there is one, the IMSI, so that an engine that spreads
rows over machines keeps a subscription's rows together. No key is counted up and no index begins
with the time: both would send every write of a busy table to one machine. What has to be found by
time has an index that begins with ``shard``, a hash in 0 to 15.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

_NAMES = {"pk": "pk_%(table_name)s"}

metadata = MetaData(naming_convention=_NAMES)
"""The tables of both engines."""

postgres_metadata = MetaData(naming_convention=_NAMES)
"""What PostgreSQL has besides: with SQLite, records have a file of their own (ADR 0015)."""


def _table(
    name: str,
    key: str,
    *columns: Column[str] | Column[int] | Column[bytes],
    within: MetaData = metadata,
) -> Table:
    """Make a table whose rows SQLite keeps in the key's own B-tree, not in a second one."""
    return Table(
        name, within, *columns, PrimaryKeyConstraint(*key.split()), sqlite_with_rowid=False
    )


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _small(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False)


def _big(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


subscription = _table(
    "subscription",
    "tenant imsi",
    _text("tenant"),
    _text("imsi"),
    _text("msisdn", nullable=True),
    _text("status"),
    _text("plan"),
    _text("gid1"),
    _small("provisioning"),
    _text("visited_plmn"),
    _big("visited_at"),
    _big("token_epoch"),
    _big("created_at"),
    _big("changed_at"),
    _text("terms_status", nullable=True),
    _text("terms_version", nullable=True),
    _big("terms_at", nullable=True),
    _big("terms_expires_at", nullable=True),
    _text("address_status", nullable=True),
    _text("address_version", nullable=True),
    _big("address_at", nullable=True),
    _big("address_expires_at", nullable=True),
)
"""With its consents, so that one look-up finds both; without a status none was given."""

msisdn = _table(
    "msisdn",
    "tenant msisdn",
    _text("tenant"),
    _text("msisdn"),
    _text("imsi"),
)
"""Whose number it is; a removed subscription has no row here, so its number can be given again."""

sim_key = _table(
    "sim_key",
    "tenant imsi",
    _text("tenant"),
    _text("imsi"),
    _text("algorithm"),
    _bytes("wrapped_k"),
    _bytes("wrapped_op"),
    _bytes("amf"),
    _big("sqn_offset"),
    _small("res_length"),
)

terminal = _table(
    "terminal",
    "tenant imsi terminal_id",
    _text("tenant"),
    _text("imsi"),
    _text("terminal_id"),
    _text("vendor"),
    _text("model"),
    _text("sw_version"),
    _big("seen_at"),
    _big("first_at", nullable=True),
)

token_grant = _table(
    "token_grant",
    "tenant imsi terminal_id client",
    _text("tenant"),
    _text("imsi"),
    _text("terminal_id"),
    _text("client"),
    _big("token_epoch"),
    _big("issued_at"),
)
"""The newest token of each client of a terminal; revoking a terminal raises the epoch in each."""

session = _table(
    "session",
    "tenant imsi session_id",
    _text("tenant"),
    _text("imsi"),
    _bytes("session_id"),
    _text("outcome"),
    _big("at"),
    _bytes("state"),
    _bytes("answer_hash"),
    _small("shard"),
)
Index("ix_session_purge", session.c.shard, session.c.at)

push_registration = _table(
    "push_registration",
    "tenant imsi terminal_id app_id app_name",
    _text("tenant"),
    _text("imsi"),
    _text("terminal_id"),
    _text("app_id"),
    _text("app_name"),
    _small("action"),
    _text("token"),
    _big("at"),
)

record = _table(
    "record",
    "tenant subscriber_ref at_us request_id",
    _text("tenant"),
    _text("subscriber_ref"),
    _big("at_us"),
    _text("request_id"),
    _bytes("body"),
    _small("shard"),
    within=postgres_metadata,
)
Index("ix_record_purge", record.c.shard, record.c.at_us)

token_use = _table(
    "token_use",
    "tenant imsi token_id",
    _text("tenant"),
    _text("imsi"),
    _bytes("token_id"),
    _text("state"),
    _bytes("holder"),
    _big("at"),
    _big("expires_at"),
    _small("shard"),
)
"""What became of a token that is not simply good until it is over; without a row, nothing yet."""
Index("ix_token_use_purge", token_use.c.shard, token_use.c.expires_at)

notice = _table(
    "notice",
    "tenant imsi terminal_id app_name app_id",
    _text("tenant"),
    _text("imsi"),
    _text("terminal_id"),
    _text("app_name"),
    _text("app_id"),
    _big("at"),
    _big("mark"),
    _big("due_at"),
    _small("attempts"),
    _small("shard"),
    _text("reason", nullable=True),
    _text("cause", nullable=True),
)
"""What a client on a terminal is to be told of an application, until it was told or is too old;
without a terminal, the subscription's SIM by SMS. There is one row at a time: a change that comes
before an older one was told takes its place (ADR 0021)."""
Index("ix_notice_due", notice.c.shard, notice.c.due_at)

web_view = _table(
    "web_view",
    "tenant imsi visit_id",
    _text("tenant"),
    _text("imsi"),
    _bytes("visit_id"),
    _text("step"),
    _bytes("receipt"),
    _big("opened_at"),
    _big("expires_at"),
    _small("shard"),
)
"""How far somebody is who opened a page of the portal; without a row, nobody did (ADR 0025). What
was bought there is kept with it, in JSON; empty where nothing was."""
Index("ix_web_view_purge", web_view.c.shard, web_view.c.expires_at)

holding = _table(
    "holding",
    "tenant imsi kind name",
    _text("tenant"),
    _text("imsi"),
    _text("kind"),
    _text("name"),
    _bytes("body"),
    _big("at"),
)
"""What a subscription holds besides its plan (`domain.holdings`), a row for each thing. They are
read together and never searched for, so what is particular to a kind is JSON."""

account_pin = _table(
    "account_pin",
    "tenant imsi",
    _text("tenant"),
    _text("imsi"),
    _bytes("digest"),
    _big("set_at"),
    _small("tries"),
    _big("tried_at"),
)
"""What is kept of the PIN of a subscriber's account; without a row, there is none."""

esim_order = _table(
    "esim_order",
    "tenant imsi place",
    _text("tenant"),
    _text("imsi"),
    _text("place"),
    _text("order_id"),
    _big("version"),
    _text("iccid", nullable=True),
    _small("orphan"),
    _bytes("body"),
    _big("due_at", nullable=True),
    _small("shard"),
    _text("awaits", nullable=True),
)
"""One order for each place of an owner (ADR 0028); what is searched for has columns, the rest is
JSON. ``imsi`` says whose it is, as `domain.owner` writes it: an enterprise has no IMSI. ``due_at``
is when something is to be done for it, without one nothing is; ``awaits`` is what somebody else is
to do."""
Index("ix_esim_order_due", esim_order.c.shard, esim_order.c.due_at)
Index("ix_esim_order_id", esim_order.c.tenant, esim_order.c.order_id)
Index(
    "ix_esim_order_awaits",
    esim_order.c.tenant,
    esim_order.c.imsi,
    esim_order.c.place,
    sqlite_where=esim_order.c.awaits.is_not(None),
    postgresql_where=esim_order.c.awaits.is_not(None),
)

order_event = _table(
    "order_event",
    "tenant imsi place order_id version",
    _text("tenant"),
    _text("imsi"),
    _text("place"),
    _text("order_id"),
    _big("version"),
    _big("at"),
    _bytes("body"),
)
"""What happened to each order, a row for each transition."""

profile_stock = _table(
    "profile_stock",
    "tenant iccid",
    _text("tenant"),
    _text("iccid"),
    _text("smdp"),
    _text("profile_type"),
    _text("state"),
    _text("holder"),
    _text("place"),
)
"""Every profile that is ours to order, or that an SM-DP+ chose for us; holder is the owner of the
order that has it, or empty."""
Index(
    "ix_profile_stock_free",
    profile_stock.c.tenant,
    profile_stock.c.smdp,
    profile_stock.c.profile_type,
    profile_stock.c.state,
    profile_stock.c.iccid,
)

enterprise = _table(
    "enterprise",
    "tenant enterprise_id",
    _text("tenant"),
    _text("enterprise_id"),
    _big("live"),
    _big("hour"),
    _big("made"),
)
"""How many orders an enterprise has that have not ended, and how many it ``made`` in an ``hour``
(hours since 1970); without a row, none (ADR 0028)."""

line_mark = _table(
    "line_mark",
    "tenant imsi mark",
    _text("tenant"),
    _text("imsi"),
    _text("mark"),
    _text("value"),
    _big("at"),
)
"""What is noted about a line (`domain.line_marks`), a row for each thing, with its own age."""

esim_claim = _table(
    "esim_claim",
    "tenant subject order_id",
    _text("tenant"),
    _text("subject"),
    _text("order_id"),
    _text("holder"),
    _text("place"),
    _big("at"),
)
"""By which eUICC and which device (``subject``) each order was made; holder is the IMSI of the
order. The row with an empty order_id is the subject's own, which two who order at once wait for."""
Index("ix_esim_claim_holder", esim_claim.c.tenant, esim_claim.c.holder)

network_event = _table(
    "network_event",
    "tenant imsi name effect",
    _text("tenant"),
    _text("imsi"),
    _text("name"),
    _text("effect"),
    _big("at"),
    _text("cause"),
    _text("peer"),
    _big("times"),
    _small("shard"),
)
"""What core networks told and nobody acted upon yet; a row for each of its kind and effect."""
Index("ix_network_event_shard", network_event.c.shard, network_event.c.at)

learned = _table(
    "learned",
    "tenant imsi kind",
    _text("tenant"),
    _text("imsi"),
    _text("kind"),
    _text("value"),
    _text("source"),
    _big("at"),
    _big("asked_at"),
)
"""What core networks said of subscribers when they were asked; value is empty where they never
told any, asked_at 0 where they have to be asked anew."""

bss_seen = _table(
    "bss_seen",
    "tenant source event_id",
    _text("tenant"),
    _text("source"),
    _text("event_id"),
    _big("at"),
    _small("shard"),
)
"""Which events an operator's systems brought already, for as long as they may bring them again."""
Index("ix_bss_seen_purge", bss_seen.c.shard, bss_seen.c.at)

bss_event = _table(
    "bss_event",
    "tenant imsi source event_id",
    _text("tenant"),
    _text("imsi"),
    _text("source"),
    _text("event_id"),
    _big("arrived_us"),
    _bytes("body"),
)
"""Events that nobody acted upon yet (ADR 0045)."""

life_due = _table(
    "life_due",
    "tenant imsi",
    _text("tenant"),
    _text("imsi"),
    _big("due_ms"),
    _big("mark"),
    _small("tries"),
    _small("shard"),
)
"""When somebody is to look at a subscription's events, one row for all of them; it stays for a
while after they were acted upon, so that those which follow closely wait for each other."""
Index("ix_life_due", life_due.c.shard, life_due.c.due_ms)

bss_aside = _table(
    "bss_aside",
    "tenant aside_id",
    _text("tenant"),
    _text("aside_id"),
    _text("source"),
    _text("event_id"),
    _text("subject"),
    _text("reason"),
    _big("at"),
    _bytes("body"),
    _small("shard"),
)
"""Events for which a person has to do something; ``subject`` is the IMSI or the number that one
names, or empty. Without an event_id, the body is what nobody could read."""
Index("ix_bss_aside_purge", bss_aside.c.shard, bss_aside.c.at)
Index("ix_bss_aside_at", bss_aside.c.tenant, bss_aside.c.at)
Index("ix_bss_aside_subject", bss_aside.c.tenant, bss_aside.c.subject)

life_aspect = _table(
    "life_aspect",
    "tenant imsi aspect",
    _text("tenant"),
    _text("imsi"),
    _text("aspect"),
    _big("at"),
)
"""Since when each aspect of a subscription is as it was told last; older news of it is late."""

life_timer = _table(
    "life_timer",
    "tenant imsi kind name",
    _text("tenant"),
    _text("imsi"),
    _text("kind"),
    _text("name"),
    _big("due_at"),
    _small("shard"),
)
"""When something that a subscription holds ends by itself."""
Index("ix_life_timer_due", life_timer.c.shard, life_timer.c.due_at)

policy_version = _table(
    "policy_version",
    "tenant number",
    _text("tenant"),
    _big("number"),
    _text("body"),
    _text("sha256"),
    _big("made_from"),
)
"""Each policy that a tenant published, as its TOML text; a row is never changed. Made_from is the
number of the version that was in force, 0 where that was a file's."""

policy_change = _table(
    "policy_change",
    "tenant change",
    _text("tenant"),
    _big("change"),
    _big("number"),
    _text("author"),
    _big("at"),
    _text("comment"),
    _bytes("signature"),
)
"""Which version each change put in force, by whom, and why; signed with the change before it (ADR
0042)."""

policy_current = _table(
    "policy_current",
    "tenant",
    _text("tenant"),
    _big("change"),
)
"""The newest change of each tenant: what every worker looks at all the time."""

policy_sweep = _table(
    "policy_sweep",
    "tenant change",
    _text("tenant"),
    _big("change"),
    _text("after_imsi"),
    _big("looked"),
    _big("told"),
    _big("due_ms"),
    _big("mark"),
)
"""Changes of whose policies not every subscription's devices were told yet, and up to which IMSI
they were."""

audit_entry = _table(
    "audit_entry",
    "tenant number",
    _text("tenant"),
    _big("number"),
    _big("at"),
    _text("client"),
    _text("actor"),
    _text("call"),
    _text("request_id"),
    _text("detail"),
    _text("subject"),
    _bytes("before_digest"),
    _bytes("after_digest"),
    _bytes("chain"),
)
"""What was changed by hand and by the operator's systems. It is counted, since each entry vouches
for the one before (ADR 0047); people are not as busy as phones."""
Index(
    "ix_audit_entry_subject",
    audit_entry.c.tenant,
    audit_entry.c.subject,
    audit_entry.c.number,
)

audit_head = _table(
    "audit_head",
    "tenant",
    _text("tenant"),
    _big("number"),
    _bytes("chain"),
)
"""The number and the chain of a tenant's newest entry."""

api_answer = _table(
    "api_answer",
    "tenant client call_key",
    _text("tenant"),
    _text("client"),
    _text("call_key"),
    _bytes("digest"),
    _small("progress"),
    _small("status"),
    _text("headers"),
    _bytes("body"),
    _text("subject"),
    _big("at"),
    _small("shard"),
)
"""What calls of the management API were answered that may come again, for a day."""
Index("ix_api_answer_purge", api_answer.c.shard, api_answer.c.at)
Index("ix_api_answer_subject", api_answer.c.tenant, api_answer.c.subject)
eligibility = _table(
    "eligibility",
    "tenant imsi",
    _text("tenant"),
    _text("imsi"),
    _text("told"),
    _text("source"),
    _big("told_since"),
    _big("asked_at"),
    _big("doubted_at"),
)
"""What a BSS told of subscriptions, as JSON; told is empty where an event came before anybody
asked. Told_since is when it began to tell this, doubted_at the newest event's time."""

event_hub = _table(
    "event_hub",
    "tenant name",
    _text("tenant"),
    _text("name"),
    _text("state"),
    _text("wanted"),
    _text("hub_id"),
    _text("url"),
    _text("callback"),
    _text("query"),
    _text("stale"),
    _big("registered_at"),
    _big("looked_at"),
    _big("due_at"),
    _big("held_until"),
    _big("failures"),
    _text("reason"),
)
"""Our registrations at hubs (ADR 0050): a handful, each for events of one tenant."""

camara_change = _table("camara_change", "tenant", _text("tenant"), _big("number"))
"""The number of a tenant's newest change of consumers and tariffs (ADR 0056)."""

camara_consumer = _table(
    "camara_consumer",
    "tenant client_id",
    _text("tenant"),
    _text("client_id"),
    _big("number"),
    _big("revision"),
    _text("body"),
)
"""Consumers of partner APIs, as JSON; empty where one was removed. Number is its newest change."""

camara_tariff = _table(
    "camara_tariff",
    "tenant name valid_from",
    _text("tenant"),
    _text("name"),
    _big("valid_from"),
    _text("body"),
)
"""What answers of partner APIs cost, from a moment on."""

camara_usage = _table(
    "camara_usage",
    "tenant usage_id",
    _text("tenant"),
    _bytes("usage_id"),
    _big("at_ms"),
    _text("client_id"),
    _text("application"),
    _text("api"),
    _text("operation"),
    _text("purpose"),
    _text("method"),
    _text("outcome"),
    _small("status"),
    _text("code"),
    _text("subject_ref"),
    _text("correlator"),
    _text("tariff"),
    _big("price_micros"),
    _big("share_micros"),
    _text("currency"),
    _text("suspicion"),
    _small("sandbox"),
    _big("duration_us"),
    _big("expires_at"),
    _small("shard"),
)
"""What was used of partner APIs: of a token for one call, the row that says that it is spent."""
Index("ix_camara_usage_time", camara_usage.c.shard, camara_usage.c.at_ms)

camara_assertion = _table(
    "camara_assertion",
    "tenant client_id jti",
    _text("tenant"),
    _text("client_id"),
    _bytes("jti"),
    _big("expires_at"),
    _small("shard"),
)
"""Assertions that consumers used, as long as they would be good (ADR 0055); jti is a hash."""
Index("ix_camara_assertion_purge", camara_assertion.c.shard, camara_assertion.c.expires_at)

camara_request = _table(
    "camara_request",
    "tenant request_id",
    _text("tenant"),
    _bytes("request_id"),
    _text("kind"),
    _text("client_id"),
    _text("state"),
    _bytes("body"),
    _big("expires_at"),
    _big("poll_from"),
    _big("interval_s"),
    _small("shard"),
)
"""Backchannel requests and authorization codes; request_id is a hash, body is sealed."""
Index("ix_camara_request_purge", camara_request.c.shard, camara_request.c.expires_at)

camara_question = _table(
    "camara_question",
    "tenant msisdn",
    _text("tenant"),
    _text("msisdn"),
    _bytes("request_id"),
    _bytes("proof"),
    _big("open_until"),
    _text("asked"),
    _big("quiet_until"),
    _small("tries"),
    _big("expires_at"),
    _small("shard"),
)
"""What a number was asked last, out of band, and when it was asked before (ADR 0060)."""
Index("ix_camara_question_purge", camara_question.c.shard, camara_question.c.expires_at)

camara_revoked = _table(
    "camara_revoked",
    "tenant token_id",
    _text("tenant"),
    _bytes("token_id"),
    _big("expires_at"),
    _small("shard"),
)
"""Access tokens that were revoked, as long as they would be good."""
Index("ix_camara_revoked_purge", camara_revoked.c.shard, camara_revoked.c.expires_at)

camara_subscription = _table(
    "camara_subscription",
    "tenant subscription_id",
    _text("tenant"),
    _text("subscription_id"),
    _text("client_id"),
    _text("api"),
    _text("msisdn"),
    _text("state"),
    _bytes("body"),
    _small("shard"),
)
"""Subscriptions of partners to events (ADR 0058); those of test numbers have no ``msisdn``."""
Index("ix_camara_subscription_number", camara_subscription.c.tenant, camara_subscription.c.msisdn)
Index(
    "ix_camara_subscription_client",
    camara_subscription.c.tenant,
    camara_subscription.c.client_id,
    camara_subscription.c.api,
)

camara_notification = _table(
    "camara_notification",
    "tenant subscription_id event_id",
    _text("tenant"),
    _text("subscription_id"),
    _text("event_id"),
    _text("befell"),
    _big("at"),
    _text("plmn"),
    _bytes("event"),
    _big("due_at"),
    _big("mark"),
    _small("tries"),
    _small("shard"),
)
"""What befell subscriptions, and once it is judged, the event that is to be told."""
Index("ix_camara_notification_due", camara_notification.c.shard, camara_notification.c.due_at)

camara_consent = _table(
    "camara_consent",
    "tenant imsi client_id application purpose api number",
    _text("tenant"),
    _text("imsi"),
    _text("client_id"),
    _text("application"),
    _text("purpose"),
    _text("api"),
    _big("number"),
    _text("said"),
    _big("at"),
    _big("expires_at", nullable=True),
    _text("subject"),
    _text("source"),
    _text("evidence"),
    _bytes("proof"),
)
"""What a subscriber said about a consumer, a purpose and an API; never changed (ADR 0059)."""
