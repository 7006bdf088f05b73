"""Profiles of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import structlog

from simgrant.config.clients import tac_range, version_of
from simgrant.config.load import Loaded
from simgrant.config.model import Match as MatchSettings
from simgrant.config.model import Profile as ProfileSettings
from simgrant.errors import StartRefused
from simgrant.flows.clients import Clients, Match, Patterns, Profile
from simgrant.flows.operations import OPERATIONS
from simgrant.flows.shape import Shape
from simgrant.links.watched import Watched
from simgrant.services import SERVICES
from simgrant.spec.version import FIRST, NEWEST
from simgrant.wire.negotiate import Format


def profiles(loaded: Loaded) -> tuple[Profile, ...]:
    """Return the profiles of clients, in the order in which they are tried; raise StartRefused."""
    found = loaded.settings.profiles
    problems = [
        f"profiles.{name}.parm_names: {problem}"
        for name, settings in found.items()
        for problem in _name_problems(settings.parm_names)
    ]
    if problems:
        raise StartRefused("\n".join(problems))
    return tuple(_profile(name, settings) for name, settings in found.items())


def watched_settings(loaded: Loaded, clients: Clients) -> Iterator[Watched]:
    """Yield who takes over the profiles of settings that changed; the rest waits for a restart."""
    if loaded.file is None:
        return
    before = loaded

    def take() -> bool:
        nonlocal before
        now = loaded.again()
        found = profiles(now)
        if waiting := [name for name in now.changed(loaded) if name != "profiles"]:
            structlog.get_logger().warning("settings_wait_for_restart", sections=waiting)
        before, changed = now, "profiles" in now.changed(before)
        if changed:
            clients.take(found)
        return changed

    # They were read by the supervisor perhaps, and a worker that takes a dead one's place begins
    # with what they said then.
    yield Watched("profiles", (loaded.file,), take, read=False)


def _name_problems(parm_names: Mapping[str, str]) -> Iterator[str]:
    """Yield names that nothing has, and those by which a document would say something twice."""
    services = (each.parms for each in SERVICES.values())
    operations = (each.parms for each in OPERATIONS.values())
    paths = [path.split("/") for table in chain(services, operations) for path in table]
    names = {path[-1] for path in paths} | {"OperationResult", "RegisterNotifStatus"}
    taken = names.union(*paths, ("AppID",))
    for old, new in parm_names.items():
        if old not in names:
            yield f"{old}: no answer has this parameter"
        if new in taken:
            yield f"{old}: {new} is taken"


def _profile(name: str, settings: ProfileSettings) -> Profile:
    return Profile(
        name=name,
        match=_match(settings.match),
        apps=settings.apps,
        format={"xml": Format.XML, "json": Format.JSON}.get(settings.document_format),
        xml_type=settings.xml_content_type,
        oldest=version_of(settings.version_min, FIRST),
        newest=version_of(settings.version_max, NEWEST),
        refuses=settings.version_outside == "refuse",
        shape=Shape(
            own_parameters=settings.own_parameters,
            flat_voice=settings.voice_flat_status,
            parm_names=tuple(settings.parm_names.items()),
        ),
        token_validity_s=settings.token_validity_s,
        vers_validity_s=settings.vers_validity_s,
        gzip=settings.gzip,
    )


def _match(settings: MatchSettings) -> Match:
    return Match(
        user_agent=Patterns(*settings.user_agent),
        app_name=Patterns(*settings.app_name),
        accept=Patterns(*settings.accept),
        vendor=Patterns(*settings.terminal_vendor),
        model=Patterns(*settings.terminal_model),
        tacs=tuple(map(tac_range, settings.tac)),
        apps=frozenset(settings.apps),
        oldest=version_of(settings.version_from, Match().oldest),
        newest=version_of(settings.version_to, Match().newest),
        bare=settings.bare,
    )
