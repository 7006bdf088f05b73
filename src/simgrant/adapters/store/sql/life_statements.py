"""The SQL of events, of what follows from them, and of timers; the rules are `statements`'."""

# ruff: noqa: S608 - what is put into these texts is other texts of this package.

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from simgrant.adapters.store.sql.statements import (
    CONSENT_COLUMNS,
    SHARD_NUMBERS,
    SUBSCRIPTION_COLUMNS,
    TERMINAL_COLUMNS,
    change_unheld,
    purge,
)

T = TypeVar("T")

SOME: tuple[int, ...] = (1, 4, 32, 128)
"""How many a statement names: few numbers, so that there are few statements to prepare."""


def size_for(count: int) -> int:
    """Return how many a statement names that is to name so many."""
    return next(size for size in SOME if size >= count)


def some(named: Sequence[T], size: int) -> tuple[T, ...]:
    """Return as many as a statement for ``size`` names, the last one again and again."""
    return (*named, *([named[-1]] * (size - len(named))))


@cache
def of(text: str, size: int) -> str:
    """Return a statement with so many places for what it names, after its other parameters."""
    first = 1 + max((int(each) for each in _numbers(text)), default=0)
    places = ", ".join(f"?{number}" for number in range(first, first + size))
    return text.replace("@", places)


def _numbers(text: str) -> list[str]:
    return [part[: len(part) - len(part.lstrip("0123456789"))] for part in text.split("?")[1:]]


# --- events ------------------------------------------------------------------------------------

SEEN = """
INSERT INTO bss_seen (tenant, source, event_id, at, shard) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, source, event_id) DO NOTHING
RETURNING event_id
"""

SEEN_PURGED = purge("bss_seen", key="tenant, source, event_id", by="at")

HOLDERS_OF = "SELECT msisdn, imsi FROM msisdn WHERE tenant = ?1 AND msisdn IN (@)"
THERE = """
SELECT imsi FROM subscription WHERE tenant = ?1 AND imsi IN (@) AND status <> 'removed'
"""

EVENT_KEPT = """
INSERT INTO bss_event (tenant, imsi, source, event_id, arrived_us, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, imsi, source, event_id) DO NOTHING
RETURNING imsi
"""
EVENT_KNOWN = """
SELECT imsi, body FROM bss_event
WHERE tenant = ?1 AND source = ?2 AND event_id = ?3 AND imsi IN (@)
"""
EVENT_SAYS = """
UPDATE bss_event SET body = ?5 WHERE tenant = ?1 AND imsi = ?2 AND source = ?3 AND event_id = ?4
"""

# For a row with less than no tries nothing waits. The row is locked even where nothing changes: who
# acts upon the subscription's events now has either seen this one, or leaves the row to be found.
DUE = """
INSERT INTO life_due (tenant, imsi, due_ms, mark, tries, shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, imsi) DO UPDATE SET
    tries = CASE WHEN life_due.tries < 0 THEN 0 ELSE life_due.tries END
"""

# How many are due in each shard, of which nobody needs to know more than ?2.
DUE_SHARDS = f"""
SELECT shard, (
    SELECT count(*) FROM (
        SELECT 1 FROM life_due
        WHERE life_due.shard = numbers.shard AND due_ms <= ?1 AND tries >= 0 LIMIT ?2
    ) AS due
), EXISTS (
    SELECT 1 FROM life_due
    WHERE life_due.shard = numbers.shard AND due_ms <= ?1 AND tries < 0
)
FROM ({SHARD_NUMBERS}) AS numbers
"""

DUE_ROWS = """
SELECT tenant, imsi, mark, tries, shard FROM life_due
WHERE shard IN (@) AND due_ms <= ?1 AND tries >= 0 ORDER BY due_ms LIMIT ?2
"""

# Who locks several of these rows locks them in the order of their key, lest two wait for each
# other. An INSERT of many rows does that, an UPDATE does it in whatever order the server finds
# them. A row that is gone by now comes back: nothing waits for it, so it goes again.
#
# Every claim gives its row a mark that is one more than it was, so that of two who read the same
# mark one has the row.
CLAIMED = """
INSERT INTO life_due (tenant, imsi, due_ms, mark, tries, shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, imsi) DO UPDATE SET
    due_ms = excluded.due_ms, mark = excluded.mark, tries = excluded.tries
WHERE life_due.mark = excluded.mark - 1
RETURNING tenant, imsi, mark, tries
"""

DUE_AGAIN = """
INSERT INTO life_due (tenant, imsi, due_ms, mark, tries, shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, imsi) DO UPDATE SET due_ms = excluded.due_ms, tries = excluded.tries
WHERE life_due.mark = excluded.mark
RETURNING imsi
"""
IDLE_ROWS = """
SELECT tenant, imsi FROM life_due
WHERE shard IN (@) AND due_ms <= ?1 AND tries < 0 LIMIT ?2
"""
# An event that comes meanwhile has its row not forgotten, or makes another.
IDLE_FORGOTTEN = """
DELETE FROM life_due WHERE tenant = ?1 AND imsi = ?2 AND due_ms <= ?3 AND tries < 0
"""
DUE_NO_MORE = "DELETE FROM life_due WHERE tenant = ?1 AND imsi = ?2"
DUE_COUNT = "SELECT count(*) FROM life_due"

EVENTS_TAKEN = """
DELETE FROM bss_event WHERE tenant = ?1 AND imsi IN (@)
RETURNING imsi, source, arrived_us, body
"""
EVENTS_OF = """
SELECT imsi, source, arrived_us, body FROM bss_event WHERE tenant = ?1 AND imsi IN (@)
"""
EVENTS_FORGOTTEN = "DELETE FROM bss_event WHERE tenant = ?1 AND imsi = ?2"
EVENTS_OF_OTHERS_FORGOTTEN = f"{EVENTS_FORGOTTEN} AND source <> ?3"

# --- what is looked at -------------------------------------------------------------------------

# Nothing changes, and from here on nobody else changes these rows.
LOCKED = f"""
UPDATE subscription SET token_epoch = token_epoch WHERE tenant = ?1 AND imsi IN (@)
RETURNING {SUBSCRIPTION_COLUMNS}, {CONSENT_COLUMNS}
"""
STATES_OF = f"""
SELECT {SUBSCRIPTION_COLUMNS}, {CONSENT_COLUMNS} FROM subscription
WHERE tenant = ?1 AND imsi IN (@)
"""
HOLDINGS_OF = """
SELECT imsi, kind, body, at FROM holding WHERE tenant = ?1 AND imsi IN (@) ORDER BY kind, name
"""
MARKS_OF = "SELECT imsi, mark, value, at FROM line_mark WHERE tenant = ?1 AND imsi IN (@)"
TERMINALS_OF = f"""
SELECT imsi, {TERMINAL_COLUMNS} FROM terminal WHERE tenant = ?1 AND imsi IN (@)
ORDER BY terminal_id
"""
PUSHES_OF = """
SELECT DISTINCT imsi, terminal_id, app_id FROM push_registration
WHERE tenant = ?1 AND imsi IN (@)
"""
TOLD_OF = """
SELECT imsi, told, source, told_since, asked_at, doubted_at FROM eligibility
WHERE tenant = ?1 AND imsi IN (@)
"""
LEARNED_OF = """
SELECT imsi, kind, value, source, at, asked_at FROM learned WHERE tenant = ?1 AND imsi IN (@)
"""
ORDERS_OF = "SELECT tenant, imsi, body FROM esim_order WHERE tenant = ?1 AND imsi IN (@)"
ASPECTS_OF = "SELECT imsi, aspect, at FROM life_aspect WHERE tenant = ?1 AND imsi IN (@)"

# --- what follows ------------------------------------------------------------------------------

SETTLED = """
UPDATE subscription SET status = ?3, plan = ?4, provisioning = ?5, visited_plmn = ?6,
    visited_at = ?7, terms_status = ?8, terms_version = ?9, terms_at = ?10, terms_expires_at = ?11,
    address_status = ?12, address_version = ?13, address_at = ?14, address_expires_at = ?15,
    token_epoch = token_epoch + ?16, changed_at = ?17
WHERE tenant = ?1 AND imsi = ?2
"""

ASPECT_KEPT = """
INSERT INTO life_aspect (tenant, imsi, aspect, at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, imsi, aspect) DO UPDATE SET at = excluded.at
WHERE life_aspect.at < excluded.at
"""
ASPECTS_FORGOTTEN = "DELETE FROM life_aspect WHERE tenant = ?1 AND imsi = ?2"

# A subscription that goes to another IMSI; only to one that nobody has.
MOVED = f"""
INSERT INTO subscription ({SUBSCRIPTION_COLUMNS}, {CONSENT_COLUMNS})
SELECT tenant, ?3, msisdn, status, plan, gid1, provisioning, visited_plmn, visited_at, ?4,
    created_at, changed_at, {CONSENT_COLUMNS}
FROM subscription WHERE tenant = ?1 AND imsi = ?2
ON CONFLICT (tenant, imsi) DO UPDATE SET
    msisdn = excluded.msisdn, status = excluded.status, plan = excluded.plan,
    gid1 = excluded.gid1, provisioning = excluded.provisioning,
    visited_plmn = excluded.visited_plmn, visited_at = excluded.visited_at,
    created_at = excluded.created_at, changed_at = excluded.changed_at,
    terms_status = excluded.terms_status, terms_version = excluded.terms_version,
    terms_at = excluded.terms_at, terms_expires_at = excluded.terms_expires_at,
    address_status = excluded.address_status, address_version = excluded.address_version,
    address_at = excluded.address_at, address_expires_at = excluded.address_expires_at
WHERE subscription.status = 'removed'
RETURNING 1
"""

NUMBER_FOLLOWS = "UPDATE msisdn SET imsi = ?3 WHERE tenant = ?1 AND imsi = ?2 AND msisdn = ?4"

MOVES = tuple(
    f"UPDATE {table} SET {column} = ?3 WHERE tenant = ?1 AND {column} = ?2"
    for table, column in (
        ("holding", "imsi"),
        ("line_mark", "imsi"),
        ("push_registration", "imsi"),
        ("account_pin", "imsi"),
        ("life_aspect", "imsi"),
        ("bss_event", "imsi"),
        ("order_event", "imsi"),
        ("esim_claim", "holder"),
        ("profile_stock", "holder"),
        ("camara_consent", "imsi"),
    )
)
"""What goes along to the new IMSI."""

MOVES_WITH_SHARD = tuple(
    f"UPDATE {table} SET imsi = ?3, shard = ?4 WHERE tenant = ?1 AND imsi = ?2"
    for table in ("esim_order", "notice")
)
ENDS_MOVE = """
UPDATE life_timer SET imsi = ?3, shard = ?4 WHERE tenant = ?1 AND imsi = ?2 AND kind <> ?5
"""

# --- what was set aside ------------------------------------------------------------------------

_ASIDE = "tenant, aside_id, source, event_id, reason, at, body"

ASIDE_KEPT = """
INSERT INTO bss_aside (tenant, aside_id, source, event_id, subject, reason, at, body, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (tenant, aside_id) DO UPDATE SET at = excluded.at, reason = excluded.reason
"""
ASIDE = f"SELECT {_ASIDE} FROM bss_aside WHERE tenant = ?1 ORDER BY at DESC, aside_id LIMIT ?2"
ASIDE_FOUND = f"""
SELECT {_ASIDE} FROM bss_aside WHERE tenant = ?1 AND aside_id >= ?2 AND aside_id < ?3
ORDER BY aside_id LIMIT 2
"""
ASIDE_DROPPED = "DELETE FROM bss_aside WHERE tenant = ?1 AND aside_id = ?2 RETURNING 1"
ASIDE_FORGOTTEN = "DELETE FROM bss_aside WHERE tenant = ?1 AND subject = ?2"
ASIDE_PURGED = purge("bss_aside", key="tenant, aside_id", by="at")

# --- timers ------------------------------------------------------------------------------------

TIMER_SET = """
INSERT INTO life_timer (tenant, imsi, kind, name, due_at, shard) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, imsi, kind, name) DO UPDATE SET due_at = excluded.due_at
"""
TIMER_ENDED = """
DELETE FROM life_timer WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3 AND name = ?4
"""
ENDS_FORGOTTEN = "DELETE FROM life_timer WHERE tenant = ?1 AND imsi = ?2 AND kind <> ?3"
SWITCHES_OF = "SELECT name FROM life_timer WHERE tenant = ?1 AND imsi = ?2 AND kind = ?3"

TIMER_SHARDS = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers
WHERE EXISTS (
    SELECT 1 FROM life_timer
    WHERE life_timer.shard = numbers.shard AND due_at <= ?1 AND kind <> ?2
)
"""

TIMERS_FIRED = change_unheld(
    "DELETE FROM life_timer",
    key="tenant, imsi, kind, name",
    which="shard = ?1 AND due_at <= ?2 AND kind <> ?4 ORDER BY due_at LIMIT ?3",
    returning="tenant, imsi, kind, name, due_at",
)
