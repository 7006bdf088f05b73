"""Every SQL statement of the store, once for both engines.

Parameters are ``?1``, ``?2`` …, which SQLite takes as they are and PostgreSQL as ``$1``, ``$2``.
What is in here is the part of SQL that both, and the engines that speak PostgreSQL's protocol,
understand: no sequences, no locks of tables, no triggers, no listening; a test reads these texts
and says so. A statement that has to say what it did RETURNs it, and changes nothing where its
condition does not hold, so that each can be repeated.
"""

# ruff: noqa: S608 - what is put into these texts is other texts of this file.

from __future__ import annotations

import re
from functools import cache
from zlib import crc32

from simgrant.nouns import noun

REVISION = "0030"
"""The schema that these statements are for; a test holds it against the migrations."""

TABLES = (
    "subscription",
    "msisdn",
    "sim_key",
    "terminal",
    "token_grant",
    "session",
    "push_registration",
    "token_use",
    "notice",
    "holding",
    "web_view",
    "account_pin",
    "esim_order",
    "order_event",
    "profile_stock",
    "enterprise",
    "line_mark",
    "esim_claim",
    "network_event",
    "learned",
    "bss_seen",
    "bss_event",
    "life_due",
    "bss_aside",
    "life_aspect",
    "life_timer",
    "policy_version",
    "policy_change",
    "policy_current",
    "policy_sweep",
    "audit_entry",
    "audit_head",
    "api_answer",
    "eligibility",
    "event_hub",
    "camara_change",
    "camara_consumer",
    "camara_tariff",
    "camara_usage",
    "camara_assertion",
    "camara_request",
    "camara_question",
    "camara_revoked",
    "camara_subscription",
    "camara_notification",
    "camara_consent",
)
"""Those of every engine. PostgreSQL has records besides; with SQLite, they have a file of their
own."""

SHARDS = 16
"""Into how many parts the indexes by time are split; kept in rows, so never to be changed."""


def shard_of(text: str) -> int:
    """Return which part of an index by time a row belongs to."""
    return crc32(text.encode()) % SHARDS


_SKIPS = "FOR UPDATE SKIP LOCKED"
_UNHELD = f"/* {_SKIPS} */"
"""A comment to SQLite, where there is one who writes, so that nobody can hold a row."""


@cache
def numbered(sql: str) -> str:
    """Return a statement as PostgreSQL writes it: its parameters, and what to do about locks."""
    return sql.replace("?", "$").replace(_UNHELD, _SKIPS)


def change_unheld(change: str, *, key: str, which: str, returning: str = "1") -> str:
    """Return a statement that changes rows of one table, except those that somebody else holds.

    ``change`` is an UPDATE or a DELETE without its WHERE, ``which`` the condition, order and limit
    of the rows. It waits for nobody, so two that hold what the other wants need not be told apart
    by the server, which takes it a second (ADR 0065).
    """
    table = re.split(r"\s+", change.removeprefix("DELETE FROM ").removeprefix("UPDATE "))[0]
    # WITH, since PostgreSQL may ask what stands in a condition more than once, for other rows.
    return f"""
WITH unheld AS (SELECT {key} FROM {table} WHERE {which} {_UNHELD})
{change} WHERE ({key}) IN (SELECT {key} FROM unheld) RETURNING {returning}
"""


def purge(table: str, *, key: str, by: str) -> str:
    """Return a statement that deletes some of a shard's rows whose time, a column, is over."""
    which = f"shard = ?1 AND {by} < ?2 ORDER BY {by} LIMIT ?3"
    return change_unheld(f"DELETE FROM {table}", key=key, which=which)


_TYPES = {
    **dict.fromkeys(("provisioning", "res_length", "shard", "action", "tries"), "smallint"),
    **dict.fromkeys(("visited_at", "created_at", "changed_at", "at_us"), "bigint"),
    **dict.fromkeys(("token_epoch", "sqn_offset"), "bigint"),
    **dict.fromkeys(("terms_at", "terms_expires_at"), "bigint"),
    **dict.fromkeys(("at", "arrived_us", "due_ms", "due_at", "mark"), "bigint"),
    **dict.fromkeys(("told_since", "asked_at"), "bigint"),
    **dict.fromkeys(("address_at", "address_expires_at"), "bigint"),
    **dict.fromkeys(("wrapped_k", "wrapped_op", "amf", "body"), "bytea"),
}
"""Of the columns that are written many rows at a time; the others are text."""

_VALUES = re.compile(r"(?:INSERT INTO|WITH) \w+ \(([^)]*)\)\s+(?:AS \()?(VALUES \([^)]*\))")


@cache
def as_arrays(sql: str) -> str | None:
    """Return an INSERT, or what begins WITH new rows, that takes an array for each parameter, so
    many rows at once.

    None for any other statement. It takes PostgreSQL a fraction of the time.
    """
    if not (found := _VALUES.search(sql)):
        return None
    names = found[1].replace(" ", "").split(",")
    arrays = (f"${n}::{_TYPES.get(name, 'text')}[]" for n, name in enumerate(names, 1))
    return sql.replace(found[2], f"SELECT * FROM unnest({', '.join(arrays)})")


@cache
def for_rows(sql: str, count: int) -> str | None:
    """Return an INSERT of one row of VALUES as one of ``count`` rows; None if it is none."""
    found = _VALUES.search(sql)
    if not found or "?" in sql.replace(found[2], ""):
        return None
    width = found[2].count("?")
    rows = (
        f"({', '.join(f'?{row * width + place}' for place in range(1, width + 1))})"
        for row in range(count)
    )
    return sql.replace(found[2], f"VALUES {', '.join(rows)}")


@noun
class Guarded:
    """A statement, and what is to follow in the same transaction if it RETURNed a row.

    PostgreSQL does it in one statement, ``joined``: one journey, and its servers may
    repeat it themselves. One row of parameters serves all the statements.
    """

    parts: tuple[tuple[str, int], ...]
    """The statements, with how many of the parameters each of them takes."""
    joined: str


def guarded(first: str, *then: str) -> Guarded:
    """Join statements of the form ``INSERT … SELECT … WHERE true …`` to one they depend on."""
    named = [f"done AS ({first})"]
    for number, statement in enumerate(then):
        named.append(f"then{number} AS ({statement.replace('WHERE true', 'FROM done')})")
    parts = tuple(
        (text, max(int(number) for number in re.findall(r"\?(\d+)", text)))
        for text in (first, *then)
    )
    return Guarded(parts, f"WITH {', '.join(named)} SELECT 1 FROM done")


@cache
def select_existing(count: int) -> str:
    """Return the statement that finds which of so many IMSIs of a tenant there are."""
    return (
        "SELECT imsi, status, msisdn, plan, provisioning, gid1, visited_plmn, terms_status,"
        " address_status FROM subscription WHERE tenant = ?1"
        f" AND imsi IN ({_places(count)})"
    )


@cache
def select_holders(count: int) -> str:
    """Return the statement that finds whose so many MSISDNs of a tenant are."""
    return f"SELECT msisdn, imsi FROM msisdn WHERE tenant = ?1 AND msisdn IN ({_places(count)})"


def _places(count: int) -> str:
    return ", ".join(f"?{number}" for number in range(2, count + 2))


def _columns(text: str, alias: str) -> str:
    return re.sub(r"(\w+)", rf"{alias}.\1", text)


SUBSCRIPTION_COLUMNS = (
    "tenant, imsi, msisdn, status, plan, gid1, provisioning, visited_plmn, visited_at,"
    " token_epoch, created_at, changed_at"
)
# Of the same table; a status that is NULL is of a consent that was never given.
CONSENT_COLUMNS = (
    "terms_status, terms_version, terms_at, terms_expires_at,"
    " address_status, address_version, address_at, address_expires_at"
)
TERMINAL_COLUMNS = "terminal_id, vendor, model, sw_version, seen_at, COALESCE(first_at, seen_at)"
SIM_KEY_COLUMNS = "algorithm, wrapped_k, wrapped_op, amf, sqn_offset, res_length"

# --- the device path -----------------------------------------------------------------------


# Read for every request, so it gives nothing back that the asker has.
def _profile(columns: str = "", joined: str = "") -> str:
    return f"""
SELECT s.msisdn, s.status, s.plan, s.gid1, s.provisioning, s.visited_plmn, s.visited_at,
    s.token_epoch, s.created_at, s.changed_at,
    {_columns(CONSENT_COLUMNS, "s")},
    g.token_epoch, g.issued_at{columns}
FROM subscription s
LEFT JOIN token_grant g
    ON g.tenant = ?1 AND g.imsi = ?2 AND g.terminal_id = ?3 AND g.client = ?4{joined}
WHERE s.tenant = ?1 AND s.imsi = ?2
"""


PROFILE = _profile()

PROFILE_TOLD = _profile(
    ", e.told, e.source, e.told_since, e.asked_at, e.doubted_at",
    "\nLEFT JOIN eligibility e ON e.tenant = ?1 AND e.imsi = ?2",
)
"""The same with what a BSS told, where there is one."""

SESSION = """
SELECT outcome, at, state, answer_hash FROM session
WHERE tenant = ?1 AND imsi = ?2 AND session_id = ?3
"""

SESSION_BEGINS = """
INSERT INTO session (tenant, imsi, session_id, outcome, at, state, answer_hash, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, imsi, session_id) DO NOTHING
RETURNING 1
"""

SESSION_GOES_ON = """
UPDATE session SET outcome = ?4, at = ?5, state = ?6, answer_hash = ?7, shard = ?8
WHERE tenant = ?1 AND imsi = ?2 AND session_id = ?3 AND outcome = ?9
RETURNING 1
"""

_TERMINAL_SEEN = """
INSERT INTO terminal (tenant, imsi, terminal_id, vendor, model, sw_version, seen_at, first_at)
SELECT ?1, ?2, ?9, ?10, ?11, ?12, ?13, ?13 WHERE true
ON CONFLICT (tenant, imsi, terminal_id) DO UPDATE SET
    vendor = excluded.vendor, model = excluded.model, sw_version = excluded.sw_version,
    seen_at = excluded.seen_at, first_at = COALESCE(terminal.first_at, terminal.seen_at)
"""

# A client's first grant may begin at 0 though the terminal was revoked before: there is no older
# token of that client.
_GRANT_KEPT = """
INSERT INTO token_grant (tenant, imsi, terminal_id, client, token_epoch, issued_at)
SELECT ?1, ?2, ?9, ?14, 0, ?5 WHERE true
ON CONFLICT (tenant, imsi, terminal_id, client) DO UPDATE SET issued_at = excluded.issued_at
"""

ACCEPTED_AT_ONCE = guarded(SESSION_BEGINS, _TERMINAL_SEEN, _GRANT_KEPT)
ACCEPTED = guarded(SESSION_GOES_ON.replace("?9", "?15"), _TERMINAL_SEEN, _GRANT_KEPT)

GRANT_RENEWED = """
UPDATE token_grant SET issued_at = ?5
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id = ?3 AND client = ?4 AND issued_at = ?6
RETURNING 1
"""

PUSH_KEPT = """
INSERT INTO push_registration (tenant, imsi, terminal_id, app_id, app_name, action, token, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, imsi, terminal_id, app_id, app_name) DO UPDATE SET
    action = excluded.action, token = excluded.token, at = excluded.at
"""

PUSH_ENDED = """
DELETE FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id = ?3 AND app_id = ?4 AND app_name = ?5
"""

SIM_KEY = f"SELECT {SIM_KEY_COLUMNS} FROM sim_key WHERE tenant = ?1 AND imsi = ?2"

SQN_OFFSET_SET = """
UPDATE sim_key SET sqn_offset = ?3 WHERE tenant = ?1 AND imsi = ?2 AND sqn_offset = ?4
RETURNING 1
"""

RECORD_KEPT = """
INSERT INTO record (tenant, subscriber_ref, at_us, request_id, body, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, subscriber_ref, at_us, request_id) DO NOTHING
"""

PING = "SELECT version_num FROM schema_version"

USE = """
SELECT state, holder, at, expires_at FROM token_use
WHERE tenant = ?1 AND imsi = ?2 AND token_id = ?3
"""

USE_BEGINS = """
INSERT INTO token_use (tenant, imsi, token_id, state, holder, at, expires_at, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, imsi, token_id) DO NOTHING
RETURNING 1
"""

# Only for whom it was redeemed.
USE_GOES_ON = """
UPDATE token_use SET state = ?4, at = ?6, expires_at = ?7, shard = ?8
WHERE tenant = ?1 AND imsi = ?2 AND token_id = ?3 AND holder = ?5 AND state = ?9
RETURNING 1
"""

# An order is made with a token: one that is bound to this device, and whose order has not ended.
USE_BY_ORDER = """
UPDATE token_use SET at = ?5
WHERE tenant = ?1 AND imsi = ?2 AND token_id = ?3 AND state = ?4
RETURNING 1
"""

# What becomes of an order becomes of the token that it was asked for with.
USE_FOLLOWS = """
UPDATE token_use SET state = ?4, at = ?5 WHERE tenant = ?1 AND imsi = ?2 AND token_id = ?3
"""

# --- the management plane ------------------------------------------------------------------

NEW_SUBSCRIPTION = f"""
INSERT INTO subscription ({SUBSCRIPTION_COLUMNS}, {CONSENT_COLUMNS})
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
    ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
"""


def _kept(kind: str) -> str:
    """Return what sets a consent of one that is replaced, if there is a new one."""
    return f"""
    {kind}_status = COALESCE(excluded.{kind}_status, subscription.{kind}_status),
    {kind}_version = COALESCE(excluded.{kind}_version, subscription.{kind}_version),
    {kind}_at = COALESCE(excluded.{kind}_at, subscription.{kind}_at),
    {kind}_expires_at = CASE WHEN excluded.{kind}_status IS NULL
        THEN subscription.{kind}_expires_at ELSE excluded.{kind}_expires_at END"""


# Of one that was removed, only the token epoch lives on: removing it forgets its consents.
SUBSCRIPTION_REPLACED = f"""
{NEW_SUBSCRIPTION}
ON CONFLICT (tenant, imsi) DO UPDATE SET
    msisdn = excluded.msisdn, status = excluded.status, plan = excluded.plan,
    gid1 = excluded.gid1, provisioning = excluded.provisioning,
    visited_plmn = excluded.visited_plmn, visited_at = excluded.visited_at,
    created_at = CASE WHEN subscription.status = 'removed'
        THEN excluded.created_at ELSE subscription.created_at END,
    changed_at = CASE WHEN subscription.status = 'removed'
        THEN excluded.changed_at ELSE subscription.changed_at END,
    {_kept("terms")},{_kept("address")}
"""

NEW_MSISDN = "INSERT INTO msisdn (tenant, msisdn, imsi) VALUES (?1, ?2, ?3)"

MSISDN_TAKEN = f"""
{NEW_MSISDN}
ON CONFLICT (tenant, msisdn) DO UPDATE SET imsi = excluded.imsi
WHERE msisdn.imsi = excluded.imsi
RETURNING 1
"""

MSISDN_FREED = "DELETE FROM msisdn WHERE tenant = ?1 AND msisdn = ?2 AND imsi = ?3"

SIM_KEY_SET = f"""
INSERT INTO sim_key (tenant, imsi, {SIM_KEY_COLUMNS})
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, imsi) DO UPDATE SET
    algorithm = excluded.algorithm, wrapped_k = excluded.wrapped_k,
    wrapped_op = excluded.wrapped_op, amf = excluded.amf, sqn_offset = excluded.sqn_offset,
    res_length = excluded.res_length
"""

TERMS_SET = """
UPDATE subscription
SET terms_status = ?3, terms_version = ?4, terms_at = ?5, terms_expires_at = ?6
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
RETURNING 1
"""

ADDRESS_SET = """
UPDATE subscription
SET address_status = ?3, address_version = ?4, address_at = ?5, address_expires_at = ?6
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
RETURNING 1
"""

# Gives back the number as it was: MSISDN_MOVED follows, once the new one is free.
CHANGED = f"""
UPDATE subscription SET
    status = COALESCE(?4, status), plan = COALESCE(?5, plan), gid1 = COALESCE(?6, gid1),
    provisioning = COALESCE(?7, provisioning), visited_plmn = COALESCE(?8, visited_plmn),
    visited_at = CASE WHEN ?8 IS NULL THEN visited_at ELSE ?3 END
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
RETURNING {SUBSCRIPTION_COLUMNS}
"""

MSISDN_MOVED = "UPDATE subscription SET msisdn = ?3 WHERE tenant = ?1 AND imsi = ?2"

REMOVED = """
UPDATE subscription
SET status = 'removed', token_epoch = token_epoch + 1, changed_at = ?3,
    terms_status = NULL, terms_version = NULL, terms_at = NULL, terms_expires_at = NULL,
    address_status = NULL, address_version = NULL, address_at = NULL, address_expires_at = NULL
WHERE tenant = ?1 AND imsi = ?2
RETURNING msisdn
"""

TOKENS_REVOKED = """
UPDATE subscription SET token_epoch = token_epoch + 1 WHERE tenant = ?1 AND imsi = ?2
RETURNING token_epoch
"""

# Every client of the terminal has a grant, and a token is good for its own grant's epoch only.
TERMINALS_LEFT = """
UPDATE token_grant SET token_epoch = token_epoch + 1
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id NOT IN (?3, ?4)
"""

TERMINAL_REVOKED = """
UPDATE token_grant SET token_epoch = token_epoch + 1
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id = ?3
RETURNING token_epoch
"""

BY_IMSI = f"SELECT {SUBSCRIPTION_COLUMNS} FROM subscription WHERE tenant = ?1 AND imsi = ?2"

BY_MSISDN = f"""
SELECT {_columns(SUBSCRIPTION_COLUMNS, "s")} FROM msisdn m
JOIN subscription s ON s.tenant = m.tenant AND s.imsi = m.imsi
WHERE m.tenant = ?1 AND m.msisdn = ?2
"""

_PAGE = f"SELECT {SUBSCRIPTION_COLUMNS} FROM subscription WHERE tenant = ?1 AND imsi > ?2"
PAGE = f"{_PAGE} ORDER BY imsi LIMIT ?3"
PAGE_OF_STATUS = f"{_PAGE} AND status = ?4 ORDER BY imsi LIMIT ?3"

COUNT = "SELECT count(*) FROM subscription WHERE tenant = ?1 AND status <> 'removed'"

CONSENTS = f"SELECT {CONSENT_COLUMNS} FROM subscription WHERE tenant = ?1 AND imsi = ?2"

TERMINALS = f"""
SELECT {TERMINAL_COLUMNS} FROM terminal WHERE tenant = ?1 AND imsi = ?2 ORDER BY terminal_id
"""

TERMINAL_SINCE = """
SELECT COALESCE(first_at, seen_at) FROM terminal
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id = ?3
"""

PUSHES = """
SELECT terminal_id, app_id, app_name, action, token, at FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 ORDER BY terminal_id, app_id, app_name
"""

SIM_KEY_FORGOTTEN = "DELETE FROM sim_key WHERE tenant = ?1 AND imsi = ?2"
PUSHES_FORGOTTEN = "DELETE FROM push_registration WHERE tenant = ?1 AND imsi = ?2"
GRANTS_FORGOTTEN = "DELETE FROM token_grant WHERE tenant = ?1 AND imsi = ?2"
TERMINALS_FORGOTTEN = "DELETE FROM terminal WHERE tenant = ?1 AND imsi = ?2 RETURNING 1"
SESSIONS_FORGOTTEN = "DELETE FROM session WHERE tenant = ?1 AND imsi = ?2 RETURNING 1"
USES_FORGOTTEN = "DELETE FROM token_use WHERE tenant = ?1 AND imsi = ?2"
SUBSCRIPTION_FORGOTTEN = """
DELETE FROM subscription WHERE tenant = ?1 AND imsi = ?2 RETURNING msisdn
"""
RECORDS_FORGOTTEN = "DELETE FROM record WHERE tenant = ?1 AND subscriber_ref = ?2 RETURNING 1"

RECORDS = """
SELECT tenant, subscriber_ref, at_us, request_id, body FROM record
WHERE tenant = ?1 AND subscriber_ref = ?2 AND at_us <= ?4 AND (at_us, request_id) < (?4, ?5)
ORDER BY at_us DESC, request_id DESC LIMIT ?3
"""

RECORDS_SINCE = """
SELECT tenant, subscriber_ref, at_us, request_id, body FROM record
WHERE shard = ?1 AND at_us >= ?2 AND at_us <= ?3 AND (at_us, request_id) < (?3, ?4) AND tenant = ?5
ORDER BY at_us DESC, request_id DESC LIMIT ?6
"""

SIM_KEYS = f"""
SELECT tenant, imsi, {SIM_KEY_COLUMNS} FROM sim_key
WHERE (tenant, imsi) > (?1, ?2) ORDER BY tenant, imsi LIMIT ?3
"""

REWRAPPED = """
UPDATE sim_key SET wrapped_k = ?3, wrapped_op = ?4
WHERE tenant = ?1 AND imsi = ?2 AND wrapped_k = ?5 AND wrapped_op = ?6
RETURNING 1
"""

# --- upkeep --------------------------------------------------------------------------------

SESSIONS_PURGED = purge("session", key="tenant, imsi, session_id", by="at")

RECORDS_PURGED = purge("record", key="tenant, subscriber_ref, at_us, request_id", by="at_us")

# --- what a subscription holds ----------------------------------------------------------------

HOLDINGS = "SELECT kind, body, at FROM holding WHERE tenant = ?1 AND imsi = ?2 ORDER BY kind, name"

HOLDING_KEPT = """
INSERT INTO holding (tenant, imsi, kind, name, body, at)
SELECT tenant, imsi, ?3, ?4, ?5, ?6 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi, kind, name) DO UPDATE SET body = excluded.body, at = excluded.at
RETURNING 1
"""

HOLDING_ENDED = """
DELETE FROM holding WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3 AND name = ?4
RETURNING 1
"""

# A document's version is the time of the subscription's last change.
# A version is told apart from every one before it, however closely they follow.
TOUCHED = """
UPDATE subscription SET changed_at = CASE WHEN changed_at < ?3 THEN ?3 ELSE changed_at + 1 END
WHERE tenant = ?1 AND imsi = ?2
"""

HOLDINGS_FORGOTTEN = "DELETE FROM holding WHERE tenant = ?1 AND imsi = ?2"

HOLDING_AT = """
SELECT at, body FROM holding WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3 AND name = ?4
"""

# --- web views that were opened ----------------------------------------------------------------

VISIT = """
SELECT step, opened_at, expires_at FROM web_view WHERE tenant = ?1 AND imsi = ?2 AND visit_id = ?3
"""

VISIT_BEGINS = """
INSERT INTO web_view (tenant, imsi, visit_id, step, opened_at, expires_at, shard, receipt)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (tenant, imsi, visit_id) DO NOTHING
RETURNING 1
"""

VISIT_GOES_ON = """
UPDATE web_view SET step = ?4,
    receipt = COALESCE(?6, receipt), expires_at = COALESCE(?7, expires_at)
WHERE tenant = ?1 AND imsi = ?2 AND visit_id = ?3 AND step = ?5
RETURNING 1
"""

RECEIPTS = """
SELECT imsi, visit_id, receipt FROM web_view
WHERE tenant = ?1 AND (imsi, visit_id) > (?2, ?3) AND receipt <> ?4
ORDER BY imsi, visit_id LIMIT ?5
"""

RECEIPTS_OF = """
SELECT receipt FROM web_view WHERE tenant = ?1 AND imsi = ?2 AND receipt <> ?3 ORDER BY opened_at
"""

VISITS_FORGOTTEN = "DELETE FROM web_view WHERE tenant = ?1 AND imsi = ?2"

VISITS_PURGED = purge("web_view", key="tenant, imsi, visit_id", by="expires_at")

# --- PINs of accounts --------------------------------------------------------------------------

PIN = "SELECT digest, set_at, tries, tried_at FROM account_pin WHERE tenant = ?1 AND imsi = ?2"

PIN_SET = """
INSERT INTO account_pin (tenant, imsi, digest, set_at, tries, tried_at)
SELECT tenant, imsi, ?3, ?4, 0, 0 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi) DO UPDATE SET
    digest = excluded.digest, set_at = excluded.set_at, tries = 0, tried_at = 0
RETURNING 1
"""

PIN_TRIED = """
UPDATE account_pin
SET tries = CASE WHEN tried_at <= ?5 THEN 1 ELSE tries + 1 END, tried_at = ?3
WHERE tenant = ?1 AND imsi = ?2 AND (tries < ?4 OR tried_at <= ?5)
RETURNING digest
"""

PIN_RIGHT = """
UPDATE account_pin SET tries = 0 WHERE tenant = ?1 AND imsi = ?2 AND digest = ?3 RETURNING 1
"""

PIN_FORGOTTEN = "DELETE FROM account_pin WHERE tenant = ?1 AND imsi = ?2"

# --- the outbox of notices -------------------------------------------------------------------

_NOTICE_KEY = "tenant, imsi, terminal_id, app_name, app_id"
_THIS_NOTICE = """
tenant = ?1 AND imsi = ?2 AND terminal_id = ?3 AND app_name = ?4 AND app_id = ?5 AND mark = ?6
"""
_NOTICE_IS_NEWER = f"""
ON CONFLICT ({_NOTICE_KEY}) DO UPDATE SET
    at = excluded.at, mark = excluded.mark, due_at = excluded.due_at, attempts = 0,
    reason = NULL, cause = excluded.cause
RETURNING 1
"""

NOTICES_OF_ALL = f"""
INSERT INTO notice ({_NOTICE_KEY}, at, mark, due_at, attempts, shard)
SELECT {_NOTICE_KEY}, ?3, ?4, ?3, 0, ?5 FROM push_registration
WHERE tenant = ?1 AND imsi = ?2
{_NOTICE_IS_NEWER}"""

NOTICES_OF_APP = f"""
INSERT INTO notice ({_NOTICE_KEY}, at, mark, due_at, attempts, shard)
SELECT {_NOTICE_KEY}, ?3, ?4, ?3, 0, ?5 FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 AND app_id = ?6
{_NOTICE_IS_NEWER}"""

NOTICES_TO_OTHERS = f"""
INSERT INTO notice ({_NOTICE_KEY}, at, mark, due_at, attempts, shard, cause)
SELECT {_NOTICE_KEY}, ?3, ?4, ?3, 0, ?5, ?9 FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 AND app_id = ?6 AND terminal_id NOT IN (?7, ?8)
{_NOTICE_IS_NEWER}"""

NOTICES_OF_DEVICE = f"""
INSERT INTO notice ({_NOTICE_KEY}, at, mark, due_at, attempts, shard)
SELECT {_NOTICE_KEY}, ?3, ?4, ?3, 0, ?5 FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 AND app_id = ?6 AND terminal_id = ?7
{_NOTICE_IS_NEWER}"""

NOTICE_BY_SMS = f"""
INSERT INTO notice ({_NOTICE_KEY}, at, mark, due_at, attempts, shard)
SELECT tenant, imsi, ?7, ?7, ?6, ?3, ?4, ?3, 0, ?5 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND msisdn IS NOT NULL AND status <> 'removed'
{_NOTICE_IS_NEWER}"""

SHARD_NUMBERS = " UNION ALL ".join(f"SELECT {shard} AS shard" for shard in range(SHARDS))

SHARDS_DUE = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers
WHERE EXISTS (SELECT 1 FROM notice WHERE notice.shard = numbers.shard AND due_at <= ?1)
"""


def _of_registration(column: str) -> str:
    return f"""(SELECT r.{column} FROM push_registration r
    WHERE r.tenant = notice.tenant AND r.imsi = notice.imsi
        AND r.terminal_id = notice.terminal_id AND r.app_id = notice.app_id
        AND r.app_name = notice.app_name)"""


# Who claims a row puts off when it is due, so that nobody else claims it meanwhile.
NOTICES_CLAIMED = change_unheld(
    "UPDATE notice SET due_at = ?3, attempts = attempts + 1",
    key=_NOTICE_KEY,
    which="shard = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?4",
    returning=f"""{_NOTICE_KEY}, at, mark, attempts, reason, cause,
    {_of_registration("action")}, {_of_registration("token")}, {_of_registration("at")},
    (SELECT s.msisdn FROM subscription s WHERE s.tenant = notice.tenant AND s.imsi = notice.imsi)
""",
)

NOTICE_DONE = f"DELETE FROM notice WHERE {_THIS_NOTICE}"
NOTICE_LATER = f"UPDATE notice SET due_at = ?7, reason = ?8 WHERE {_THIS_NOTICE}"

# One that was renewed after the channel gave the token up is not meant.
PUSH_DEAD = """
DELETE FROM push_registration
WHERE tenant = ?1 AND imsi = ?2 AND terminal_id = ?3 AND app_name = ?4 AND app_id = ?5
    AND token = ?6 AND at <= ?7
"""

NOTICES = """
SELECT terminal_id, app_name, app_id, at, due_at, attempts, reason, cause FROM notice
WHERE tenant = ?1 AND imsi = ?2 ORDER BY terminal_id, app_name, app_id
"""

NOTICES_FORGOTTEN = "DELETE FROM notice WHERE tenant = ?1 AND imsi = ?2"

USES_PURGED = purge("token_use", key="tenant, imsi, token_id", by="expires_at")

# --- orders and the stock of profiles --------------------------------------------------------

_ORDER = "tenant, imsi, body"

ORDERS = f"SELECT {_ORDER} FROM esim_order WHERE tenant = ?1 AND imsi = ?2 ORDER BY place"
ORDER_AT = f"SELECT {_ORDER} FROM esim_order WHERE tenant = ?1 AND imsi = ?2 AND place = ?3"

# One row judges how many orders an enterprise has, and how many it makes in an hour.
ENTERPRISE_MAY = """
INSERT INTO enterprise (tenant, enterprise_id, live, hour, made) VALUES (?1, ?2, 1, ?3, 1)
ON CONFLICT (tenant, enterprise_id) DO UPDATE SET
    live = enterprise.live + 1,
    made = CASE WHEN enterprise.hour = excluded.hour THEN enterprise.made + 1 ELSE 1 END,
    hour = excluded.hour
WHERE enterprise.live < ?4 AND (enterprise.hour <> excluded.hour OR enterprise.made < ?5)
RETURNING 1
"""
ENTERPRISE_HAS_LESS = """
UPDATE enterprise SET live = live - 1 WHERE tenant = ?1 AND enterprise_id = ?2
"""
ENTERPRISE_LIVE = "SELECT live FROM enterprise WHERE tenant = ?1 AND enterprise_id = ?2"
ENTERPRISE_FORGOTTEN = "DELETE FROM enterprise WHERE tenant = ?1 AND enterprise_id = ?2"

ORDER_MADE = """
INSERT INTO esim_order
    (tenant, imsi, place, order_id, version, iccid, orphan, body, due_at, awaits, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (tenant, imsi, place) DO NOTHING
RETURNING 1
"""

# Whoever drives it finds it gone, and finds it again here once something is due for it.
ORDER_SET_ASIDE = """
UPDATE esim_order SET place = ?4, body = ?5
WHERE tenant = ?1 AND imsi = ?2 AND place = ?3 AND order_id = ?6 AND version = ?7
RETURNING 1
"""

# The order whose place it takes has ended, and nothing is to be done for it.
ORDER_MADE_INSTEAD = """
UPDATE esim_order
SET order_id = ?4, version = ?5, iccid = ?6, orphan = ?7, body = ?8, due_at = ?9, awaits = ?10,
    shard = ?11
WHERE tenant = ?1 AND imsi = ?2 AND place = ?3 AND order_id = ?12 AND version = ?13
    AND due_at IS NULL
RETURNING 1
"""

ORDER_CHANGED = """
UPDATE esim_order SET version = ?5, iccid = ?6, orphan = ?7, body = ?8, awaits = ?10,
    due_at = CASE WHEN ?12 = 1 THEN due_at ELSE ?9 END
WHERE tenant = ?1 AND imsi = ?2 AND place = ?3 AND order_id = ?4 AND version = ?11
RETURNING 1
"""

ORDER_SHARDS_DUE = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers
WHERE EXISTS (SELECT 1 FROM esim_order WHERE esim_order.shard = numbers.shard AND due_at <= ?1)
"""

ORDERS_CLAIMED = change_unheld(
    "UPDATE esim_order SET due_at = ?3",
    key="tenant, imsi, place",
    which="shard = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?4",
    returning=_ORDER,
)

ORDER_OF_PROFILE = """
SELECT o.tenant, o.imsi, o.body FROM profile_stock p
JOIN esim_order o ON o.tenant = p.tenant AND o.imsi = p.holder AND o.place = p.place
WHERE p.tenant = ?1 AND p.iccid = ?2
"""

ORDER_DONE_WITH = """
DELETE FROM esim_order WHERE tenant = ?1 AND imsi = ?2 AND place = ?3 AND order_id = ?4
"""

ORDERS_BY_ID = f"""
SELECT {_ORDER} FROM esim_order
WHERE tenant = ?1 AND order_id >= ?2 AND order_id < ?3 ORDER BY order_id LIMIT 2
"""

_ORDER_PAGE = f"""
SELECT {_ORDER} FROM esim_order WHERE tenant = ?1 AND (imsi, place) > (?2, ?3) {{}}
ORDER BY imsi, place LIMIT ?4
"""
ORDER_PAGE = _ORDER_PAGE.format("")
ORDER_PAGE_WAITING = _ORDER_PAGE.format("AND awaits IS NOT NULL")

ORPHANS = f"SELECT {_ORDER} FROM esim_order WHERE tenant = ?1 AND orphan = 1 ORDER BY imsi, place"

ORDER_PASSED = """
INSERT INTO order_event (tenant, imsi, place, order_id, version, at, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
"""

ORDER_HISTORY = """
SELECT at, place, order_id, version, body FROM order_event
WHERE tenant = ?1 AND imsi = ?2 ORDER BY at, place, order_id, version
"""

ORDERS_FORGOTTEN = f"""
DELETE FROM esim_order WHERE tenant = ?1 AND imsi = ?2 RETURNING {_ORDER}, due_at
"""
ORDER_HISTORY_FORGOTTEN = "DELETE FROM order_event WHERE tenant = ?1 AND imsi = ?2"
# The SM-DP+ has these profiles as ordered, so they are not free: only whose they were is forgotten.
PROFILES_FORGOTTEN = """
UPDATE profile_stock SET holder = ?3, place = ?3
WHERE tenant = ?1 AND iccid IN (
    SELECT iccid FROM esim_order WHERE tenant = ?1 AND imsi = ?2 AND iccid IS NOT NULL
)
"""

PROFILES_FREE = """
SELECT iccid FROM profile_stock
WHERE tenant = ?1 AND smdp = ?2 AND profile_type = ?3 AND state = ?4 LIMIT ?5
"""

# Of two who want the same, the second finds it in another state, and changes nothing.
PROFILE_GOES_ON = """
UPDATE profile_stock SET state = ?3, holder = ?4, place = ?5
WHERE tenant = ?1 AND iccid = ?2 AND state = ?6 AND holder = ?7 AND place = ?8
RETURNING 1
"""

PROFILE_KNOWN = """
INSERT INTO profile_stock (tenant, iccid, smdp, profile_type, state, holder, place)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (tenant, iccid) DO NOTHING
RETURNING 1
"""

# One that an SM-DP+ or a BSS chose, and has again.
PROFILE_NO_LONGER_KNOWN = """
DELETE FROM profile_stock
WHERE tenant = ?1 AND iccid = ?2 AND state = ?3 AND holder = ?4 AND place = ?5
"""

# From one order of a subscription to another one of it.
PROFILE_MOVES = """
UPDATE profile_stock SET place = ?4 WHERE tenant = ?1 AND iccid = ?2 AND holder = ?3
RETURNING 1
"""

STOCK = """
SELECT smdp, profile_type, state, count(*) FROM profile_stock WHERE tenant = ?1
GROUP BY smdp, profile_type, state ORDER BY smdp, profile_type, state
"""

# How many orders were made of a subscription: the first transition of each has version 0.
ORDERS_SINCE = """
SELECT count(*) FROM order_event WHERE tenant = ?1 AND imsi = ?2 AND version = 0 AND at > ?3
"""

# --- by which devices orders are counted -----------------------------------------------------

# Of two who order for the same device at once, the second waits here, and then counts the first.
CLAIMS_LOCKED = """
INSERT INTO esim_claim (tenant, subject, order_id, holder, place, at)
VALUES (?1, ?2, ?3, ?3, ?3, ?4)
ON CONFLICT (tenant, subject, order_id) DO UPDATE SET at = excluded.at
"""

CLAIMED = """
INSERT INTO esim_claim (tenant, subject, order_id, holder, place, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, subject, order_id) DO NOTHING
"""

# With the order behind it, if that is still there.
CLAIMS = """
SELECT c.at, o.tenant, o.imsi, o.body FROM esim_claim c
LEFT JOIN esim_order o ON o.tenant = c.tenant AND o.imsi = c.holder AND o.place = c.place
    AND o.order_id = c.order_id
WHERE c.tenant = ?1 AND c.subject = ?2 AND c.order_id <> ?3
"""

CLAIMS_OVER = """
DELETE FROM esim_claim
WHERE tenant = ?1 AND subject = ?2 AND order_id <> ?3 AND at < ?4 AND NOT EXISTS (
    SELECT 1 FROM esim_order o
    WHERE o.tenant = esim_claim.tenant AND o.imsi = esim_claim.holder
        AND o.place = esim_claim.place AND o.order_id = esim_claim.order_id
)
"""

# First those of the devices themselves: an EID is not to be left where nobody is known by it.
CLAIMS_UNLOCKED = """
DELETE FROM esim_claim
WHERE tenant = ?1 AND order_id = ?3 AND subject IN (
    SELECT subject FROM esim_claim WHERE tenant = ?1 AND holder = ?2
)
"""
CLAIMS_FORGOTTEN = "DELETE FROM esim_claim WHERE tenant = ?1 AND holder = ?2"

# --- what is noted about a line ----------------------------------------------------------------

MARKS = "SELECT mark, value, at FROM line_mark WHERE tenant = ?1 AND imsi = ?2 ORDER BY mark"

# A mark's time is when it became what it is: told once more, it is as old as before.
MARK_KEPT = """
INSERT INTO line_mark (tenant, imsi, mark, value, at)
SELECT tenant, imsi, ?3, ?4, ?5 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi, mark) DO UPDATE SET value = excluded.value,
    at = CASE WHEN line_mark.value = excluded.value THEN line_mark.at ELSE ?6 END
RETURNING 1
"""

MARKS_FORGOTTEN = "DELETE FROM line_mark WHERE tenant = ?1 AND imsi = ?2"

# --- what core networks told ------------------------------------------------------------------

EVENT_PUT = """
INSERT INTO network_event (tenant, imsi, name, effect, at, cause, peer, times, shard)
SELECT tenant, imsi, ?3, ?4, ?5, ?6, ?7, 1, ?8 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi, name, effect) DO UPDATE SET
    at = excluded.at, cause = excluded.cause, peer = excluded.peer,
    times = network_event.times + 1
RETURNING 1
"""

EVENT_SHARDS = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers
WHERE EXISTS (SELECT 1 FROM network_event WHERE network_event.shard = numbers.shard)
"""

EVENTS_WAITING = """
SELECT tenant, imsi, name, effect, cause, peer, at, times FROM network_event
WHERE shard = ?1 ORDER BY at LIMIT ?2
"""

EVENT_TAKEN = """
DELETE FROM network_event WHERE tenant = ?1 AND imsi = ?2 AND name = ?3 AND effect = ?4
RETURNING tenant, imsi, name, effect, cause, peer, at, times
"""

EVENTS_FORGOTTEN = "DELETE FROM network_event WHERE tenant = ?1 AND imsi = ?2"

# --- what core networks said when they were asked ---------------------------------------------

LEARNED = """
SELECT kind, value, source, at, asked_at FROM learned WHERE tenant = ?1 AND imsi = ?2
"""

LEARNED_KEPT = """
INSERT INTO learned (tenant, imsi, kind, value, source, at, asked_at)
SELECT tenant, imsi, ?3, ?4, ?5, ?6, ?7 FROM subscription
WHERE tenant = ?1 AND imsi = ?2 AND status <> 'removed'
ON CONFLICT (tenant, imsi, kind) DO UPDATE SET
    value = excluded.value, source = excluded.source, at = excluded.at,
    asked_at = excluded.asked_at
RETURNING 1
"""

LEARNED_IS_OLD = """
UPDATE learned SET asked_at = 0 WHERE tenant = ?1 AND imsi = ?2
"""

KIND_FORGOTTEN = "DELETE FROM learned WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3"

LEARNED_FORGOTTEN = "DELETE FROM learned WHERE tenant = ?1 AND imsi = ?2"
