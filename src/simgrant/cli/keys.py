"""`simgrant keys`: make, rotate, look at and tidy up the key ring. Secrets are never shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.cli.common import (
    BadUsage,
    JsonOption,
    Refused,
    YesOption,
    note,
    now,
    open_store,
    paint,
    print_json,
    progress,
    run,
    settings,
    table,
    warn,
)
from simgrant.nouns import noun

if TYPE_CHECKING:
    from simgrant.compose.wrapped import Kind
    from simgrant.config.load import Loaded
    from simgrant.keyring.ring import Key

app = typer.Typer(help="The key ring.", no_args_is_help=True)

PUBLISHED_S: Final = 86_400
"""Seconds for which a replaced signing key is published: answers are checked as they come."""
ACTIVE_IN_S: Final = 10
"""Seconds from making a key to its use: every process has read the ring by then."""


class UseName(StrEnum):
    """What a key is for, as said on the command line."""

    SEALING = "sealing"
    HASHING = "hashing"
    WRAPPING = "wrapping"
    SIGNING = "signing"


RingOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help="That tenant's own ring; else the server's."),
]


@app.command()
def init(ctx: typer.Context) -> None:
    """Make every configured key ring that is absent, mode 0600. An existing one is kept."""
    loaded = settings(ctx)
    made = make_rings(loaded)
    for path in made:
        note(f"{path}: made. Back it up: without it no SIM key can be read and no token opened.")
    for path in rings(loaded):
        if path not in made:
            note(f"{path}: is there already, kept")


def make_rings(loaded: Loaded) -> list[Path]:
    """Make the absent key rings and return their paths; raise StartRefused."""
    from simgrant.adapters.keyring.file import initial_keys, write_keys
    from simgrant.errors import StartRefused

    made = []
    for path in rings(loaded):
        try:
            write_keys(path, initial_keys(now=now()), create=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise StartRefused(f"key ring {path}: {error.strerror}") from None
        made.append(path)
    return made


def rings(loaded: Loaded) -> dict[Path, list[str]]:
    """Return every ring file with the tenants that use it, the server's own first."""
    found: dict[Path, list[str]] = {loaded.key_file: []}
    for name, tenant in loaded.tenants.items():
        path = loaded.path(tenant.keys) if tenant.keys else loaded.key_file
        found.setdefault(path, []).append(name)
    return found


# --- looking ---------------------------------------------------------------------------------


@app.command("list")
def list_keys(ctx: typer.Context, *, json: JsonOption = False) -> None:
    """List every key: its id, what it is for, since when and until when it counts."""
    from simgrant.adapters.keyring.file import read_keys

    loaded = settings(ctx)
    found = [
        _key_data(key, path, tenants, standing)
        for path, tenants in rings(loaded).items()
        for key, standing in _standings(read_keys(path), loaded, now())
    ]
    if json:
        print_json(found)
        return
    table(
        ("KEY", "USE", "STATE", "CREATED", "ACTIVE", "ACCEPTED UNTIL", "TENANTS"),
        (
            (
                entry["id"],
                entry["use"],
                entry["state"],
                entry["created"],
                entry["active"],
                entry["accepted_until"] or "-",
                ", ".join(entry["tenants"]) or "-",
            )
            for entry in found
        ),
    )


@noun
class _Standing:
    """Where a key stands among those of its use."""

    state: str
    """``newest``, ``coming``, ``accepted`` or ``over``."""
    until: int | None
    """Unix seconds at which a replaced sealing or signing key has no use any more."""


def _standings(keys: list[Key], loaded: Loaded, at: int) -> Iterator[tuple[Key, _Standing]]:
    """Yield each key with its standing, by use, the newest first."""
    from simgrant.keyring.ring import Use

    for use in Use:
        # In the ring's own order: of two made in one second, the later one is the newer.
        of_use = sorted(
            (key for key in reversed(keys) if key.use is use),
            key=lambda key: key.active,
            reverse=True,
        )
        current = next((key for key in of_use if key.active <= at), of_use[-1] if of_use else None)
        successor: Key | None = None
        for key in of_use:
            until = None
            if successor is not None and use in (Use.SEALING, Use.SIGNING):
                kept_s = accept_for(loaded) if use is Use.SEALING else PUBLISHED_S
                until = successor.active + kept_s
            if key is current:
                state = "newest"
            elif key.active > at:
                state = "coming"
            elif until is not None and until <= at:
                state = "over"
            else:
                state = "accepted"
            yield key, _Standing(state, until)
            successor = key


def _key_data(key: Key, path: Path, tenants: list[str], standing: _Standing) -> dict[str, Any]:
    from simgrant.flows.moments import moment

    return {
        "id": key.id,
        "use": key.use.value,
        "state": standing.state,
        "created": moment(key.created),
        "active": moment(key.active),
        "accepted_until": None if standing.until is None else moment(standing.until),
        "file": str(path),
        "tenants": tenants,
    }


def accept_for(loaded: Loaded) -> int:
    """Return the seconds for which a replaced sealing key is accepted."""
    tokens = loaded.settings.tokens
    return tokens.life_s + tokens.overlap_s


# --- rotating --------------------------------------------------------------------------------


@app.command()
def rotate(
    ctx: typer.Context,
    *,
    use: Annotated[UseName, typer.Option("--use", help="Which kind of key.")] = UseName.SEALING,
    tenant: RingOption = None,
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="Use it now: when no server runs, or after a theft."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Add a new key, in use ten seconds from now, when every process knows it.

    A new wrapping key wraps every SIM key of the local AuC, and every access token of a
    consumer's sink, anew; without --yes those are only counted.
    """
    from simgrant.adapters.keyring.file import changing, new_key, read_keys, write_keys
    from simgrant.flows.moments import moment
    from simgrant.keyring.ring import Use

    loaded = settings(ctx)
    path, tenants = _ring_of(loaded, tenant)
    keys = read_keys(path)
    if use is UseName.WRAPPING and not yes:
        count = run(_count(loaded, tenants))
        note(f"would add a wrapping key to {path} and wrap {_told(count)} anew")
        note("Nothing was changed. Do it with --yes.")
        return
    at = now()
    key = new_key(Use(use), now=at, active=at if at_once else at + ACTIVE_IN_S)
    try:
        with changing(path):
            keys = read_keys(path)
            write_keys(path, [*keys, key])
    except OSError as error:
        raise Refused(f"key ring {path}: {error.strerror}") from None
    note(f"{path}: {use} key {key.id} is in use from {moment(key.active)}; back the ring up anew")
    if use is UseName.SEALING:
        old = max((each for each in keys if each.use is key.use), key=lambda each: each.active)
        until = moment(key.active + accept_for(loaded))
        note(f"what {old.id} sealed stays good until {until}, so no phone has to log in for this")
    elif use is UseName.HASHING:
        note("older request records stay findable by the older keys, which are never removed")
    elif use is UseName.SIGNING:
        note("it is published from now on; keys prune removes the one before it a day later")
    else:
        _wait_until(key.active)
        run(_rewrap(loaded, tenants))


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Id, as `keys list` shows it.")],
    *,
    tenant: RingOption = None,
    yes: YesOption = False,
) -> None:
    """Stop accepting a sealing key, or publishing a signing key, at once, as after a theft.

    All that a sealing key sealed is refused: phones whose token it was authenticate anew.
    Rotate with --at-once first, if it is the newest; keys of other uses are never revoked,
    since what they keep is needed.
    """
    from simgrant.adapters.keyring.file import changing, read_keys, write_keys
    from simgrant.keyring.ring import Use

    path, _ = _ring_of(settings(ctx), tenant)
    with changing(path):
        keys = read_keys(path)
        found = next((key for key in keys if key.id == key_id), None)
        if found is None:
            raise BadUsage(f"{path} has no key {key_id}; see: simgrant keys list")
        if found.use not in (Use.SEALING, Use.SIGNING):
            raise Refused(f"{key_id} is a {found.use} key; those are never revoked")
        left = [key for key in keys if key is not found]
        if not any(key.use is found.use and key.active <= now() for key in left):
            first = f"simgrant keys rotate --use {found.use} --at-once"
            raise Refused(f"no other {found.use} key is in use: {first}")
        if not yes:
            gone = "every token that it sealed gets 511"
            if found.use is Use.SIGNING:
                gone = "nobody can check any more what it signed"
            note(f"would remove {key_id} from {path}; {gone}")
            note("Nothing was changed. Do it with --yes.")
            return
        write_keys(path, left)
    note(f"{key_id} is gone; servers know within a second or so")


@app.command()
def rewrap(ctx: typer.Context, *, tenant: RingOption = None, yes: YesOption = False) -> None:
    """Wrap all that is wrapped by the newest wrapping key, as after a rotation cut short."""
    loaded = settings(ctx)
    _, tenants = _ring_of(loaded, tenant)
    if yes:
        run(_rewrap(loaded, tenants))
        return
    count = run(_count(loaded, tenants))
    note(f"would look at {_told(count)} and wrap anew what is under an older key")
    note("Nothing was changed. Do it with --yes.")


def _ring_of(loaded: Loaded, tenant: str | None) -> tuple[Path, list[str]]:
    """Return a ring file and the tenants that use it."""
    from simgrant.cli.common import find_tenant

    found = rings(loaded)
    if tenant is None:
        return loaded.key_file, found[loaded.key_file]
    find_tenant(loaded, tenant)
    own = loaded.tenants[tenant].keys
    if not own:
        raise BadUsage(f"tenant {tenant} has no key ring of its own; leave out --tenant")
    return loaded.path(own), found[loaded.path(own)]


def _wait_until(active: int) -> None:
    """Wait until every process knows a key, showing how long it takes."""
    left = active - now()
    if left <= 0:
        return
    note(f"waiting {left} s until every process knows the key")
    with progress("waiting", left) as advance:
        for second in range(left):
            advance(second)
            time.sleep(1)


async def _count(loaded: Loaded, tenants: list[str]) -> Counter[Kind]:
    """Return how much there is of each kind under the wrapping keys of these tenants."""
    from simgrant.compose.wrapped import wrapped_secrets

    async with open_store(loaded) as store:
        return Counter([one.kind async for one in wrapped_secrets(store) if one.tenant in tenants])


def _told(count: Counter[Kind]) -> str:
    from simgrant.compose.wrapped import Kind

    return " and ".join(
        f"{count[kind]} {kind}" for kind in Kind if count[kind] or kind is Kind.SIM_KEY
    )


async def _rewrap(loaded: Loaded, tenants: list[str]) -> None:
    """Wrap all secrets of these tenants by the newest key; safe beside running servers."""
    from simgrant.compose.store import open_keys
    from simgrant.compose.wrapped import wrapped_secrets
    from simgrant.keyring.ring import SealBroken

    ring = open_keys(loaded).ring
    total = (await _count(loaded, tenants)).total()
    done: Counter[Kind] = Counter()
    lost: Counter[Kind] = Counter()
    try:
        async with open_store(loaded) as store:
            with progress("secrets", total) as advance:
                async for one in wrapped_secrets(store):
                    if one.tenant not in tenants:
                        continue
                    try:
                        await one.wrap_anew(ring, now())
                        done[one.kind] += 1
                    except SealBroken:
                        lost[one.kind] += 1
                    if (so_far := done.total() + lost.total()) % 100 == 0:
                        advance(so_far)
    except BaseException:
        so_far = done.total() + lost.total()
        warn(f"{so_far} of {total} secrets are done; finish with: simgrant keys rewrap --yes")
        raise
    note(f"{_told(done)} are under the newest wrapping key")
    if lost:
        raise Refused(f"{_told(lost)} open with no key of the ring; restore the ring they need")
    note("older wrapping keys can go: simgrant keys prune")


# --- tidying up ------------------------------------------------------------------------------


@app.command()
def prune(ctx: typer.Context, *, yes: YesOption = False) -> None:
    """Remove sealing and signing keys past their time and wrapping keys that nothing needs."""
    from simgrant.adapters.keyring.file import changing, read_keys, write_keys

    loaded = settings(ctx)
    for path, tenants in rings(loaded).items():
        keys = read_keys(path)
        useless = _expired(keys, loaded) | run(_unneeded(loaded, keys, tenants))
        if not useless:
            note(f"{path}: every key is needed")
            continue
        for key in keys:
            if key.id in useless:
                verb = "removed" if yes else "would remove"
                note(f"{path}: {verb} {key.use} key {paint(key.id, bold=True)}")
        if yes:
            try:
                with changing(path):
                    left = [key for key in read_keys(path) if key.id not in useless]
                    write_keys(path, left)
            except OSError as error:
                raise Refused(f"key ring {path}: {error.strerror}") from None
    if not yes:
        note("Nothing was changed. Do it with --yes.")


def _expired(keys: list[Key], loaded: Loaded) -> set[str]:
    return {key.id for key, standing in _standings(keys, loaded, now()) if standing.state == "over"}


async def _unneeded(loaded: Loaded, keys: list[Key], tenants: list[str]) -> set[str]:
    """Return the replaced wrapping keys under which there is nothing any more."""
    from simgrant.compose.wrapped import wrapped_secrets
    from simgrant.keyring.ring import KeyRing, Use

    replaced = {
        key.id
        for key, standing in _standings(keys, loaded, now())
        if key.use is Use.WRAPPING and standing.state == "accepted"
    }
    if not replaced:
        return set()
    # A ring with one wrapping key tells whether something is under that one.
    others = [key for key in keys if key.use is not Use.WRAPPING]
    single: Mapping[str, KeyRing] = {
        key.id: KeyRing({name: [*others, key] for name in tenants}, accept_for=accept_for(loaded))
        for key in keys
        if key.id in replaced
    }
    at = now()
    async with open_store(loaded) as store:
        async for one in wrapped_secrets(store):
            tenant = one.tenant
            if tenant not in loaded.tenants:
                warn(f"there are {one.kind} of tenant {tenant}, which is not configured any more")
                return set()
            if tenant not in tenants:
                continue
            for key_id in list(replaced):
                ring = single[key_id]
                if any(ring.is_wrapped_by_newest(tenant, text, now=at) for text in one.texts):
                    replaced.discard(key_id)
            if not replaced:
                break
    return replaced
