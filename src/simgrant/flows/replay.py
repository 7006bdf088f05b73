"""Recorded requests, decided anew: what another policy would have said to whoever asked.

A record holds the facts that were decided on, under keyed references. What follows from the policy
(features, offer, which consents are asked for) is taken from the version that is tried, so a change
of plans is compared like one of rules. What a version looks at and the record does not have, since
the policy of that day did not look at it, is not guessed: it is counted, with the reason.

A million phones are in some hundred different circumstances, so each of these is decided once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from simgrant.domain.conditions import (
    BSS_SUBJECTS,
    COMPANION_SUBJECTS,
    DEVICE_SUBJECTS,
    NETWORK_SUBJECTS,
    subjects_of,
)
from simgrant.domain.eligibility import Aspect, Aspects
from simgrant.domain.facts import (
    NO_STORE,
    NOBODY,
    Area,
    Device,
    Fact,
    Facts,
    Purchases,
    Question,
    StoreState,
)
from simgrant.domain.network_facts import Kinds
from simgrant.domain.plans import Billing, boost_feature
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import ConsentKind, ConsentStatus
from simgrant.flows.gather import NO_OPTIONS, counting, features_fact
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.nouns import Word, noun, replace
from simgrant.ports.store import RequestRecord
from simgrant.services import SERVICES
from simgrant.spec.version import DEFAULT, SpecVersion
from simgrant.telemetry.recorded import (
    Recorded,
    Unreadable,
    pull_decisions,
    pull_facts,
    pull_recorded,
)

SAMPLES: Final = 3
"""Subscribers that are named of each change, by their references."""
_MOST_KEPT: Final = 200_000
"""Circumstances that are known at a time; with more, all are looked at anew."""
_RANKS: Final = {"denied": 0, "step_up": 1, "pending": 2, "allowed": 3}
_A_BOOST: Final = boost_feature(166)
_EVERYTHING: Final = Kinds(NETWORK_SUBJECTS.values())
_FROM_POLICY: Final = "policy "
"""How the source of a fact begins that followed from a policy."""


class Missing(Word):
    """Why a record cannot be decided anew."""

    UNREADABLE = "unreadable"
    """It is of a release whose facts this one does not know."""
    UNKNOWN_APP = "unknown_app"
    """It is of a service that is not here any more."""
    CONSENT = "consent_not_on_record"
    """The version asks for a consent that was not asked for then."""
    SATELLITE = "satellite_not_on_record"
    STORE = "store_not_on_record"
    """The version has other terms or limits of an app store than those of then."""
    DEVICE = "device_not_on_record"
    """Rules about eSIMs look at the device that gets one, and only the asking one is on record."""
    NETWORK = "network_not_asked"
    """Rules look at what networks tell, and nobody asked them then."""
    BSS = "bss_not_asked"
    """Rules look at what a BSS is asked for where a rule looks at it, and it was not asked then."""
    COMPANIONS = "companions_not_counted"
    """Rules look at how many companions the line has, and nobody counted them then."""
    ROLLOUT = "rollout_not_drawn"
    """A roll-out has another share, and whether this subscription was in then does not say
    whether it would be now."""


class Kind(Word):
    """What a change is to the subscriber."""

    GAINS = "gains"
    LOSES = "loses"
    OTHERWISE = "otherwise"
    """The same, by another rule or for another reason."""


class Said(NamedTuple):
    """What was, or would be, decided."""

    result: str
    """Empty where it was not asked."""
    reason: str
    rule: str


NOT_ASKED: Final = Said("", "not_asked", "")


class Change(NamedTuple):
    """One way in which an answer changes."""

    kind: Kind
    feature: str
    area: str
    plan: str
    before: Said
    after: Said


@dataclass(slots=True)
class Affected:
    """How many a change is about."""

    requests: int = 0
    refs: set[str] = field(default_factory=set)
    """Who asked, by keyed reference."""

    def add(self, reference: str) -> None:
        """Count a request."""
        self.requests += 1
        self.refs.add(reference)

    @property
    def samples(self) -> list[str]:
        """Some of them, always the same."""
        return sorted(self.refs)[:SAMPLES]


class _NotOnRecord(Exception):
    def __init__(self, missing: Missing) -> None:
        self.missing = missing
        super().__init__(missing)


class _Circumstances(NamedTuple):
    """All that a record's decisions depend on."""

    facts: bytes
    decisions: bytes
    apps: tuple[str, ...]
    spec_version: str
    profile: str
    by_record: bool
    """Whether what is asked is what was asked then: an operation asks for one thing."""
    policy: str
    device: Device | None
    schedules: tuple[tuple[str, ...], ...]
    """What was in force then, of each version that is compared."""


class Version:
    """A policy that recorded requests are decided by."""

    def __init__(
        self,
        policy: Policy,
        origin_of: Callable[[str], Policy | None],
        told: Kinds,
        *,
        bss_tells: bool,
    ) -> None:
        """``origin_of`` returns the policy that a record names, None where it is not known.

        ``told`` is what networks tell at all, where a policy looks at it; ``bss_tells`` says
        whether a BSS is asked.
        """
        self.policy = policy
        self._origin_of = origin_of
        self._told = told
        self._subjects: dict[str, frozenset[str]] = {}
        self._bss_tells = bss_tells
        self._asked: dict[str, Kinds] = {}
        self._asked_bss: dict[str, Aspects] = {}

    @property
    def sees_device(self) -> frozenset[str]:
        """The applications whose decisions may depend on the device."""
        about = [
            rule.features
            for rule in self.policy.rules
            if any(
                subject.name in DEVICE_SUBJECTS
                for part in rule.conditions
                for subject in subjects_of(part)
            )
        ]
        return frozenset(
            app
            for app, service in SERVICES.items()
            if "device" in service.needs
            or any(
                features is None
                or not features.isdisjoint(service.features)
                # Of boosts a service names one type, which stands for all.
                or _A_BOOST in service.features
                for features in about
            )
        )

    def decided(
        self,
        seen: _Circumstances,
        facts: Mapping[str, Fact[Any]],
        version: SpecVersion,
        schedules: tuple[str, ...],
    ) -> dict[tuple[str, str], Said]:
        """Return what is decided of each feature and area; raise _NotOnRecord."""
        rebuilt = self._facts(seen, facts, schedules)
        questions = _asked_then(seen) if seen.by_record else _asked(seen.apps, version, rebuilt)
        found = {}
        for question in questions:
            self._look_for_what_is_missing(question, seen, rebuilt)
            if "rollout" in self._looked_at(question.feature):
                rebuilt = replace(rebuilt, rollouts=self._rollouts(seen, facts))
            decision = self.policy.decide(question, rebuilt)
            said = Said(decision.result.value, decision.reason, decision.rule)
            found[question.feature, question.area.value] = said
        return found

    def _facts(
        self, seen: _Circumstances, facts: Mapping[str, Fact[Any]], schedules: tuple[str, ...]
    ) -> Facts:
        """Return the facts of a record, with what follows from this policy."""
        policy = self.policy
        plan_name = facts["plan"].value
        plan, source = policy.plan(plan_name), f"{_FROM_POLICY}{policy.version}"
        made = {
            **facts,
            "features": features_fact(policy, plan_name, facts.get("options", NO_OPTIONS)),
            "offer": Fact(plan, source),
            "schedules": Fact(schedules, source),
            "device": Fact(seen.device or NO_DEVICE, "request"),
            "terms": self._consent(ConsentKind.TERMS, facts["terms"], source),
            "address": self._consent(ConsentKind.ADDRESS, facts["address"], source),
        }
        needs = frozenset(need for app in seen.apps for need in SERVICES[app].needs)
        if "usage" in needs and "usage" in facts:
            kept = tuple(each for each in facts["usage"].value if each.counter in plan.counters)
            made["usage"] = replace(facts["usage"], value=kept)
        if "satellite" in needs:
            if plan.satellite is None or not plan.satellite.activation:
                made.pop("satellite", None)
            elif "satellite" not in facts:
                raise _NotOnRecord(Missing.SATELLITE)
        if "store" in needs:
            origin = self._origin_of(seen.policy)
            then = origin.plan(plan_name).billing if origin is not None else None
            vendor = facts["wish"].value.store if "wish" in facts else ""
            made["store"] = _store(facts.get("store", _NO_STORE), vendor, plan.billing, then)
        return Facts(**made)

    def _consent(
        self, kind: ConsentKind, told: Fact[ConsentStatus], source: str
    ) -> Fact[ConsentStatus]:
        if not self.policy.requires(kind):
            return Fact(ConsentStatus.NOT_REQUIRED, source)
        if told.source.startswith(_FROM_POLICY):
            raise _NotOnRecord(Missing.CONSENT)
        return told

    def _look_for_what_is_missing(
        self, question: Question, seen: _Circumstances, facts: Facts
    ) -> None:
        """Raise _NotOnRecord where rules about this look at what nobody asked for then."""
        looked_at = self._looked_at(question.feature)
        if facts.kind.value is not None and looked_at & DEVICE_SUBJECTS:
            raise _NotOnRecord(Missing.DEVICE)
        kinds = {NETWORK_SUBJECTS[name] for name in looked_at & NETWORK_SUBJECTS.keys()}
        if not kinds <= self._asked_for(seen.policy):
            raise _NotOnRecord(Missing.NETWORK)
        aspects = {BSS_SUBJECTS[name] for name in looked_at & BSS_SUBJECTS.keys()}
        if aspects and self._bss_tells and not aspects <= self._asked_of_bss(seen.policy):
            raise _NotOnRecord(Missing.BSS)
        if looked_at & COMPANION_SUBJECTS and not self._counted(seen):
            raise _NotOnRecord(Missing.COMPANIONS)

    def _asked_for(self, name: str) -> Kinds:
        """Return what networks were asked for by a policy, or never tell anyway."""
        found = self._asked.get(name)
        if found is None:
            origin = self._origin_of(name)
            looked_at = _EVERYTHING if origin is None else origin.looks_at_network
            found = self._asked[name] = looked_at | (_EVERYTHING - self._told)
        return found

    def _asked_of_bss(self, name: str) -> Aspects:
        """Return what a BSS was asked for by a policy."""
        found = self._asked_bss.get(name)
        if found is None:
            origin = self._origin_of(name)
            found = Aspects(Aspect) if origin is None else origin.looks_at_bss
            self._asked_bss[name] = found
        return found

    def _counted(self, seen: _Circumstances) -> bool:
        """Say whether companions were counted for a request."""
        origin = self._origin_of(seen.policy)
        return origin is not None and not counting(origin).isdisjoint(seen.apps)

    def _rollouts(
        self, seen: _Circumstances, facts: Mapping[str, Fact[Any]]
    ) -> Fact[tuple[str, ...]]:
        """Return the roll-outs that the subscription would be in; raise _NotOnRecord.

        Who is in stays in while the share does not shrink, and out while it does not grow.
        """
        origin = self._origin_of(seen.policy)
        then = origin.rollouts if origin is not None else {}
        was_in = facts["rollouts"].value if "rollouts" in facts else ()
        found = []
        for name, share in self.policy.rollouts.items():
            known = then.get(name)
            if share >= 1 or (known is not None and name in was_in and share >= known):
                found.append(name)
            elif share > 0 and (known is None or name in was_in or share > known):
                raise _NotOnRecord(Missing.ROLLOUT)
        return Fact(tuple(found), f"{_FROM_POLICY}{self.policy.version}")

    def _looked_at(self, feature: str) -> frozenset[str]:
        found = self._subjects.get(feature)
        if found is None:
            found = self._subjects[feature] = frozenset(
                subject.name
                for rule in self.policy.rules
                if rule.features is None or feature in rule.features
                for part in rule.conditions
                for subject in subjects_of(part)
            )
        return found


_NO_STORE: Final = Fact(NO_STORE, NOBODY)


def _store(
    told: Fact[StoreState], vendor: str, billing: Billing | None, then: Billing | None
) -> Fact[StoreState]:
    """Return what is settled with the store that asked, by the terms and limits of a plan."""
    state = told.value
    if billing is None or not billing.sells(vendor):
        return replace(told, value=NO_STORE)
    if billing == then:
        return told
    if state.purchases is Purchases.NOT_OFFERED:
        raise _NotOnRecord(Missing.STORE)
    terms = state.terms
    if not billing.terms.required:
        terms = ConsentStatus.NOT_REQUIRED
    elif terms is ConsentStatus.NOT_REQUIRED:
        raise _NotOnRecord(Missing.STORE)
    limit = billing.limit(vendor)
    if str(limit or "") != state.limit and (then is None or limit != then.limit(vendor)):
        raise _NotOnRecord(Missing.STORE)
    return replace(told, value=state._replace(terms=terms))


def _asked_then(seen: _Circumstances) -> Iterable[Question]:
    for each in pull_decisions(seen.decisions):
        yield Question(each.feature, Area(each.area))


def _asked(apps: Sequence[str], version: SpecVersion, facts: Facts) -> Iterable[Question]:
    for app in apps:
        yield from SERVICES[app].questions(version, facts)


@dataclass(slots=True)
class _Outcome:
    """What becomes of a request in circumstances that were looked at."""

    changes: tuple[Affected, ...] = ()
    missing: Missing | None = None


@noun
class Report:
    """What a comparison found."""

    read: int
    """Records, of whatever kind."""
    decided: int
    """Records of requests that something was decided for."""
    unchanged: int
    changes: Mapping[Change, Affected]
    missing: Mapping[Missing, int]
    """Requests that could not be decided anew, by why."""
    policies: Mapping[str, int]
    """Requests by the version that decided them then."""
    circumstances: int
    first_us: int
    """Unix microseconds of the oldest record; 0 = there were none."""
    last_us: int

    def affected(self, kind: Kind) -> Affected:
        """Return how many gain, or lose, anything at all.

        A request that gains two services counts twice, its subscriber once.
        """
        total = Affected()
        for change, each in self.changes.items():
            if change.kind is kind:
                total.requests += each.requests
                total.refs |= each.refs
        return total


class Comparison:
    """Takes records and compares two policies by them, or one with what was decided then."""

    def __init__(
        self,
        before: Policy | None,
        after: Policy,
        *,
        origin_of: Callable[[str], Policy | None],
        version_of: Callable[[str, str], SpecVersion] = lambda _profile, _version: DEFAULT,
        told: Kinds = _EVERYTHING,
        bss_tells: bool = True,
    ) -> None:
        """``before`` None stands for what was decided then.

        ``version_of`` says in which version of TS.43 a client of a profile was answered that said
        it spoke another; ``told`` is what networks tell of subscribers at all, ``bss_tells``
        whether a BSS tells anything.
        """
        self._before = (
            None if before is None else Version(before, origin_of, told, bss_tells=bss_tells)
        )
        self._after = Version(after, origin_of, told, bss_tells=bss_tells)
        self._version_of = version_of
        policies = [after] if before is None else [before, after]
        self._calendars = [policy.calendar for policy in policies]
        self._sees_device = self._after.sees_device
        if self._before is not None:
            self._sees_device |= self._before.sees_device
        self._known: dict[_Circumstances, _Outcome] = {}
        self._changes: dict[Change, Affected] = {}
        self._missing: Counter[Missing] = Counter()
        self._policies: Counter[str] = Counter()
        self._read = self._unchanged = self._looked_at = 0
        self._first_us, self._last_us = 2**63, 0

    def take(self, records: Iterable[RequestRecord]) -> None:
        """Compare some records more."""
        for record in records:
            self._read += 1
            self._first_us = min(self._first_us, record.at_us)
            self._last_us = max(self._last_us, record.at_us)
            try:
                recorded = pull_recorded(record.body)
            except Unreadable:
                self._missing[Missing.UNREADABLE] += 1
                continue
            if recorded.event in ("", "request") and recorded.policy:
                self._policies[recorded.policy] += 1
                outcome = self._outcome(recorded, record.at_us / 1e6)
                self._count(outcome, record.subscriber_ref)

    def report(self) -> Report:
        """Return what was found so far; those who most are affected by come first."""
        order = sorted(
            self._changes.items(),
            key=lambda item: (list(Kind).index(item[0].kind), -len(item[1].refs), item[0]),
        )
        return Report(
            self._read,
            self._policies.total(),
            self._unchanged,
            dict(order),
            dict(self._missing.most_common()),
            dict(self._policies.most_common()),
            self._looked_at,
            self._first_us if self._last_us else 0,
            self._last_us,
        )

    def _count(self, outcome: _Outcome, reference: str) -> None:
        if outcome.missing is not None:
            self._missing[outcome.missing] += 1
        elif not outcome.changes:
            self._unchanged += 1
        for affected in outcome.changes:
            affected.add(reference)

    def _outcome(self, recorded: Recorded, at: float) -> _Outcome:
        seen = _Circumstances(
            bytes(recorded.facts),
            bytes(recorded.decisions),
            recorded.apps,
            recorded.spec_version,
            recorded.profile,
            bool(recorded.operation),
            recorded.policy,
            None if self._sees_device.isdisjoint(recorded.apps) else recorded.device,
            tuple(calendar.at(at) for calendar in self._calendars),
        )
        outcome = self._known.get(seen)
        if outcome is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._looked_at += 1
            outcome = self._known[seen] = self._compared(seen)
        return outcome

    def _compared(self, seen: _Circumstances) -> _Outcome:
        if not all(app in SERVICES for app in seen.apps):
            return _Outcome(missing=Missing.UNKNOWN_APP)
        try:
            facts = pull_facts(seen.facts)
            if not facts.keys() >= _WHOLE:
                return _Outcome(missing=Missing.UNREADABLE)
            version = self._version_of(seen.profile, seen.spec_version)
            before = (
                {
                    (each.feature, each.area): Said(each.result, each.reason, each.rule)
                    for each in pull_decisions(seen.decisions)
                }
                if self._before is None
                else self._before.decided(seen, facts, version, seen.schedules[0])
            )
            after = self._after.decided(seen, facts, version, seen.schedules[-1])
        except (Unreadable, ValueError):
            return _Outcome(missing=Missing.UNREADABLE)
        except _NotOnRecord as error:
            return _Outcome(missing=error.missing)
        plan = str(facts["plan"].value)
        changes = (
            change_of(asked, plan, before.get(asked, NOT_ASKED), after.get(asked, NOT_ASKED))
            for asked in sorted(before.keys() | after.keys())
        )
        return _Outcome(
            tuple(
                self._changes.setdefault(each, Affected()) for each in changes if each is not None
            )
        )


_WHOLE: Final = frozenset({"status", "plan", "terms", "address", "provisioning", "area"})
"""Facts without which no record is."""


def change_of(asked: tuple[str, str], plan: str, before: Said, after: Said) -> Change | None:
    """Return how an answer changes; None where it does not."""
    if before == after:
        return None
    was, is_ = (_RANKS.get(said.result, 0) for said in (before, after))
    kind = Kind.GAINS if is_ > was else Kind.LOSES if is_ < was else Kind.OTHERWISE
    return Change(kind, *asked, plan, before, after)
