"""Profiles of clients: how a family of them is recognised, and what it needs done differently.

A profile is data (ADR 0019): conditions and switches. The first one whose conditions all hold
counts, and the last one has none. Which it is depends on what all phones of a kind say in the same
letters, so it is looked up, and looked for only where nobody of that kind asked before.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from fnmatch import translate
from itertools import islice
from typing import NamedTuple

from simgrant.domain.trail import Trail
from simgrant.errors import UnsupportedVersion
from simgrant.flows.authenticate import Call
from simgrant.flows.shape import PLAIN, Shape
from simgrant.identities import Imei
from simgrant.nouns import named_noun, noun, replace
from simgrant.spec.version import FIRST, NEWEST, SpecVersion
from simgrant.wire import content_types
from simgrant.wire.negotiate import Format
from simgrant.wire.request import Ask

_LETTERS = 512
"""Of a text that a client says; what comes after them no pattern sees."""


@noun
class Told:
    """What a client says of itself, as far as a profile may look at it."""

    user_agent: str
    app_name: str
    version: SpecVersion
    bare: bool
    """It is a terminal that says neither which one it is nor which version it speaks."""
    accept: str = ""
    vendor: str = ""
    model: str = ""
    tac: str = ""
    apps: tuple[str, ...] = ()


class Patterns:
    """Texts with ``*`` for anything and ``?`` for one letter; one of them must fit the whole text.

    No regular expressions: each star is matched once and never again (`fnmatch.translate` makes
    atomic groups), so the time is bounded by pattern times text, whatever stands in either.
    """

    __slots__ = ("_fits", "text")

    def __init__(self, *patterns: str) -> None:
        text = "|".join(translate(pattern) for pattern in patterns)
        self._fits = re.compile(text, re.IGNORECASE).match if patterns else None
        self.text = " or ".join(patterns)

    def fit(self, text: str) -> bool:
        """Tell whether one fits; without patterns every text does."""
        return self._fits is None or self._fits(text[:_LETTERS]) is not None

    def __bool__(self) -> bool:
        return self._fits is not None


_ANY = Patterns()
_OLDEST, _LATEST = SpecVersion(0, 0), SpecVersion(9999, 9999)


class Condition(NamedTuple):
    """One condition of a profile, put to one client."""

    name: str
    """As the settings call it."""
    wanted: str
    said: str
    holds: bool


@named_noun
class Match:
    """The conditions of a profile; one that is left out always holds."""

    user_agent: Patterns = _ANY
    app_name: Patterns = _ANY
    accept: Patterns = _ANY
    vendor: Patterns = _ANY
    model: Patterns = _ANY
    tacs: tuple[tuple[str, str], ...] = ()
    """Ranges of TACs, first and last."""
    apps: frozenset[str] = frozenset()
    """One of them is asked for."""
    oldest: SpecVersion = _OLDEST
    newest: SpecVersion = _LATEST
    bare: bool | None = None

    @property
    def looks_closer(self) -> bool:
        """Whether it looks at more than what every look-up is made by."""
        return bool(self.accept or self.vendor or self.model or self.tacs or self.apps)

    def fits(self, told: Told) -> bool:
        """Tell whether all conditions hold."""
        return all(condition.holds for condition in self.conditions(told))

    def conditions(self, told: Told) -> Iterator[Condition]:
        """Yield the conditions that there are, each put to a client when its turn has come."""
        for name, patterns, said in (
            ("user_agent", self.user_agent, told.user_agent),
            ("app_name", self.app_name, told.app_name),
            ("accept", self.accept, told.accept),
            ("terminal_vendor", self.vendor, told.vendor),
            ("terminal_model", self.model, told.model),
        ):
            if patterns:
                yield Condition(name, patterns.text, said, patterns.fit(said))
        if self.tacs:
            ranges = " or ".join(f"{first}-{last}" for first, last in self.tacs)
            holds = any(first <= told.tac <= last for first, last in self.tacs)
            yield Condition("tac", ranges, told.tac, holds)
        if self.apps:
            wanted, said = " or ".join(sorted(self.apps)), ", ".join(told.apps)
            yield Condition("apps", wanted, said, not self.apps.isdisjoint(told.apps))
        said = str(told.version)
        if self.oldest > _OLDEST:
            holds = self.oldest <= told.version
            yield Condition("version_from", str(self.oldest), said, holds)
        if self.newest < _LATEST:
            yield Condition("version_to", str(self.newest), said, told.version <= self.newest)
        if self.bare is not None:
            wanted, said = str(self.bare).lower(), str(told.bare).lower()
            yield Condition("bare", wanted, said, self.bare is told.bare)


@named_noun
class Profile:
    """A family of clients and the switches it needs."""

    name: str
    match: Match = Match()
    apps: tuple[str, ...] = ()
    """AppIDs that are meant where a start names none."""
    format: Format | None = None
    """The one that its documents have; None = by its Accept."""
    xml_type: str = content_types.XML
    """Content type of its XML documents."""
    oldest: SpecVersion = FIRST
    newest: SpecVersion = NEWEST
    """Clients of other versions are served as the nearest of these two."""
    refuses: bool = False
    """Whether they are answered 406 instead."""
    shape: Shape = PLAIN
    token_validity_s: int = 0
    """The most that TOKEN says; 0 = the seconds that the token has left."""
    vers_validity_s: int = 0
    """What VERS says, before it is spread; 0 = as the settings say."""
    gzip: bool = True

    def content_type(self, format_: Format) -> str:
        """Return the content type of a document."""
        return self.xml_type if format_ is Format.XML else format_

    def served(self, version: SpecVersion) -> SpecVersion | None:
        """Return the version that a client of ``version`` is answered in; None = 406.

        Newer ones than we know count as the newest (divergence "version-unknown-newer-served").
        """
        if version < FIRST:
            return None
        known = min(version, NEWEST)
        nearest = min(max(known, self.oldest), self.newest)
        return None if self.refuses and nearest != known else nearest


@noun
class Client:
    """What a request's client is: its profile, and the version of TS.43 it is answered in."""

    profile: Profile
    version: SpecVersion
    refused: bool
    """Whether this version is not served."""


class Clients:
    """All profiles, in the order in which they are tried, and what was found for whom."""

    MOST = 4096

    def __init__(self, profiles: Sequence[Profile]) -> None:
        """Take the profiles; the last one must fit everybody."""
        self._known: dict[tuple[Hashable, ...], Client] = {}
        self.take(profiles)

    def take(self, profiles: Sequence[Profile]) -> None:
        """Tell clients by these from now on; requests under way go on by what they fitted."""
        self._profiles = profiles
        self._closer = any(profile.match.looks_closer for profile in profiles)
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, ask: Ask, call: Call, trail: Trail) -> Client:
        """Return what asks; raise UnsupportedVersion if its version is not served (TS.43 §2.5)."""
        bare = not (ask.terminal_id or ask.value("entitlement_version") or ask.is_lent)
        key: tuple[Hashable, ...] = call.user_agent, ask.app_name, ask.spec_version, bare
        if self._closer:
            claim = ask.terminal
            tac = Imei.tac_of(claim.terminal_id)
            key = *key, call.accept, claim.vendor, claim.model, tac, ask.apps
        client = self._known.get(key)
        if client is None:
            client = self._found(Told(*key))  # type: ignore[arg-type]
            if sum(len(text) for text in key if isinstance(text, str)) <= _LETTERS:
                self._keep(key, client)
        trail.profile = client.profile.name
        if client.refused:
            raise UnsupportedVersion
        return client

    def named(self, name: str) -> Profile | None:
        """Return the profile of a name."""
        return next((each for each in self._profiles if each.name == name), None)

    def tried(self, told: Told) -> Iterator[tuple[Profile, tuple[Condition, ...]]]:
        """Yield the profiles that are tried for a client, the last one being its own."""
        for profile in self._profiles:
            conditions = tuple(profile.match.conditions(told))
            yield profile, conditions
            if all(condition.holds for condition in conditions):
                return

    def _found(self, told: Told) -> Client:
        profile = next(each for each in self._profiles if each.match.fits(told))
        return client_of(profile, told.version)

    def _keep(self, key: tuple[Hashable, ...], client: Client) -> None:
        if len(self._known) >= self.MOST:
            for old in list(islice(self._known, self.MOST // 2)):
                del self._known[old]
        self._known[key] = client


def client_of(profile: Profile, version: SpecVersion) -> Client:
    """Return a client of a family that speaks this version."""
    served = profile.served(version)
    return Client(profile, served or version, refused=served is None)


def completed(ask: Ask, profile: Profile) -> Ask:
    """Return the request with the applications that its client means, where it names none."""
    if ask.apps or not profile.apps:
        return ask
    named = tuple(("app", app) for app in profile.apps)
    return replace(ask, apps=profile.apps, parameters=(*ask.parameters, *named))
