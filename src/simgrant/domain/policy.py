"""Policy: ordered rules, as data, that turn facts into a decision with a reason.

A rule is a set of conditions on facts, a result and a reason code. Rules are
compiled once; deciding costs a microsecond or two, however many rules there are, and can
always be explained line by line: which rule fired, and why those before it did not.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib import resources
from typing import Any

from simgrant.domain.allowance import Allowances
from simgrant.domain.conditions import (
    BSS_SUBJECTS,
    COMPANION_SUBJECTS,
    DEVICE_SUBJECTS,
    NETWORK_SUBJECTS,
    Names,
    first_failure,
    subjects_of,
)
from simgrant.domain.eligibility import Aspect, Aspects
from simgrant.domain.expressions import EXPRESSION_FAILED, ExpressionFailed, Expressions
from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.index import NONE, RuleFailed, RuleIndex
from simgrant.domain.network_facts import Kinds
from simgrant.domain.own import OwnItem, read_own
from simgrant.domain.plans import (
    CATALOGUE_KEYS,
    DERIVED,
    NO_PLAN,
    PLAN_KEYS,
    Catalogue,
    Plan,
    boost_feature,
)
from simgrant.domain.problems import Problem, Problems, shown
from simgrant.domain.reading import MOST_LETTERS, Reader
from simgrant.domain.rollouts import read_rollouts, shares_of
from simgrant.domain.rule import OF_SERVICES, Decision, Result, Rule, RuleTrace
from simgrant.domain.rule_reading import Rules, named_in
from simgrant.domain.schedules import ALWAYS as NO_SCHEDULES
from simgrant.domain.schedules import Calendar, read_schedules
from simgrant.domain.subscription import ConsentKind
from simgrant.domain.words import NO_WORDS, POLICY, Words

__all__ = [
    "FEATURES",
    "NO_RULE",
    "OF_SERVICES",
    "Decision",
    "Policy",
    "PolicyError",
    "Result",
    "Rule",
    "RuleTrace",
    "compile_policy",
    "default_policy",
    "default_policy_text",
    "parse_policy",
]

FEATURES: Mapping[str, str] = {
    "volte": "voice calls over LTE",
    "vonr": "voice calls over 5G",
    "vowifi": "voice calls over Wi-Fi",
    "smsoip": "text messages over IMS",
    "private_identity": "an identity for Wi-Fi networks in the IMSI's place",
    "companion": "watches and the like with a profile of their own",
    "esim": "eSIMs for the phone itself, and the line's transfer to one",
    "home_only": "option: nothing of the plan is offered abroad",
    "eps_fallback": "option: 5G calls fall back to LTE; told to the device with ap2003",
    "srvcc_5g": "option: 5G calls are handed over to 3G; told likewise",
    "srvcc_4g": "option: LTE calls are handed over to 2G or 3G; told likewise",
    "data_plan": "data plan and counters; follows from `data` of the plan",
    "standalone_5g": "5G standalone; follows from `standalone_5g` of the plan",
    "boost_166": "data boost of type 166, real-time interactive traffic; follows from `boosts` of "
    "the plan, as does `boost_N` for any other type",
    "satellite": "satellite networks; follows from `satellite` of the plan",
    "carrier_billing": "purchases on the bill; follows from `carrier_billing` of the plan",
}
"""What plans may contain without the policy declaring it under ``[features]``."""

NO_RULE = "no_rule"
"""The reason when not one rule held: what nobody allowed is denied."""

_ALWAYS_ASKED: Aspects = frozenset(
    {
        Aspect.STATUS,
        Aspect.PLAN,
        Aspect.OPTIONS,
        Aspect.REFUSALS,
        Aspect.PROVISIONING,
        Aspect.MSISDN,
    }
)
_CONSENTS = {ConsentKind.TERMS: Aspect.TERMS, ConsentKind.ADDRESS: Aspect.ADDRESS}
_MOST_PLANS = 500
_MOST_FEATURES = 100
_MOST_NETWORKS = 1000
"""Countries or networks in one named list."""
_MOST_BYTES = 1 << 20
_BOOST = re.compile(r"boost_[0-9]+")


class PolicyError(Exception):
    """The policy has mistakes; all of them are in ``problems``, for the one who edits it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """Compiled rules and plans; made by `compile_policy`."""

    version: str
    plans: Mapping[str, Plan]
    """What each plan contains, by its name."""
    features: Mapping[str, str]
    """Every feature that plans and rules may name, with what it means."""
    required: frozenset[ConsentKind]
    rules: tuple[Rule, ...]
    own: Mapping[str, tuple[OwnItem, ...]]
    """The operator's own parameters, by AppID."""
    calendar: Calendar = NO_SCHEDULES
    """The schedules that rules name."""
    rollouts: Mapping[str, float] = field(default_factory=dict)
    """The share (0 to 1) that is in each roll-out that rules name."""
    words: Words = NO_WORDS
    """What the tenant says otherwise; already in the texts of the rules."""
    _index: RuleIndex = field(init=False, repr=False)
    _ready: dict[str, dict[Area, dict[int, Decision]]] = field(init=False, repr=False)
    """The decisions that rules ended in, by feature, area and place of the rule: making one costs
    as much as finding the rule."""
    _subjects: frozenset[str] = field(init=False, repr=False)
    """Names of all that rules look at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", RuleIndex(self.rules, self.features))
        ready: dict[str, dict[Area, dict[int, Decision]]] = {
            feature: {area: {} for area in Area} for feature in self.features
        }
        object.__setattr__(self, "_ready", ready)
        looked_at = (subjects_of(part) for rule in self.rules for part in rule.conditions)
        subjects = frozenset(subject.name for some in looked_at for subject in some)
        object.__setattr__(self, "_subjects", subjects)

    def decide(self, question: Question, facts: Facts) -> Decision:
        """Return what the first rule says whose conditions all hold; denied when none does."""
        try:
            number = self._index.first(facts, question)
        except RuleFailed as failed:
            # Nobody knows what the rule would have said: what follows it may not decide.
            return self._denied(question, EXPRESSION_FAILED, self.rules[failed.number].id)
        areas = self._ready.get(question.feature)
        if areas is None:
            # A feature of a service from outside may be one that this policy never heard of.
            return self._decision(question, number)
        ready = areas[question.area]
        decision = ready.get(number)
        if decision is None:
            decision = ready[number] = self._decision(question, number)
        return decision

    def _decision(self, question: Question, number: int) -> Decision:
        if number == NONE:
            return self._denied(question, NO_RULE, "")
        rule = self.rules[number]
        return Decision(
            question,
            rule.result,
            rule.reason,
            rule.id,
            self.version,
            rule.texts,
            rule.allowance,
        )

    def _denied(self, question: Question, reason: str, rule: str) -> Decision:
        return Decision(question, Result.DENIED, reason, rule, self.version, {})

    def explain(self, question: Question, facts: Facts) -> tuple[RuleTrace, ...]:
        """Return every rule that was tried, in order; the last is the one that decided."""
        tried: list[RuleTrace] = []
        for rule in self._rules_about(question.feature):
            try:
                failed = first_failure(rule.conditions, facts, question)
            except ExpressionFailed as error:
                return (*tried, _broken(rule, str(error)))
            tried.append(
                RuleTrace(
                    rule.id,
                    rule.when,
                    rule.result,
                    rule.reason,
                    failed,
                    rule.care,
                    rule.allowance,
                )
            )
            if failed is None:
                return tuple(tried)
        return (*tried, RuleTrace("", "no rule held", Result.DENIED, NO_RULE, None))

    @property
    def looks_at_device(self) -> bool:
        """Whether any rule asks what the device is."""
        return not self._subjects.isdisjoint(DEVICE_SUBJECTS)

    @property
    def looks_at_companions(self) -> bool:
        """Whether any rule asks how many companions a line has."""
        return not self._subjects.isdisjoint(COMPANION_SUBJECTS)

    @property
    def looks_at_network(self) -> Kinds:
        """What core networks can tell that any rule asks for."""
        return Kinds(NETWORK_SUBJECTS[name] for name in self._subjects & NETWORK_SUBJECTS.keys())

    @property
    def looks_at_bss(self) -> Aspects:
        """What is to be asked of a BSS, as far as it tells it: what any rule or answer looks at."""
        looked_at = {aspect for name, aspect in BSS_SUBJECTS.items() if name in self._subjects}
        return _ALWAYS_ASKED | looked_at | {_CONSENTS[kind] for kind in self.required}

    def plan(self, name: str) -> Plan:
        """Return what a plan contains; nothing for a plan this policy does not know."""
        return self.plans.get(name, NO_PLAN)

    def features_of(self, plan: str) -> frozenset[str]:
        """Return a plan's features; none for a plan this policy does not know."""
        return self.plan(plan).features

    def requires(self, kind: ConsentKind) -> bool:
        """Return whether VoWiFi waits for this consent of the subscriber."""
        return kind in self.required

    def _rules_about(self, feature: str) -> tuple[Rule, ...]:
        return tuple(r for r in self.rules if r.features is None or feature in r.features)


def _broken(rule: Rule, error: str) -> RuleTrace:
    return RuleTrace(
        rule.id, rule.when, Result.DENIED, EXPRESSION_FAILED, None, rule.care, error=error
    )


def compile_policy(
    data: Mapping[str, object], *, version: str, expressions: Expressions | None = None
) -> Policy:
    """Return the policy that ``data`` describes, or raise `PolicyError` with all its mistakes.

    ``expressions`` compile those of rules; without them it is a mistake to have some.
    """
    problems = Problems()
    reader = _Reader(problems, expressions)
    policy = reader.policy(data, version=version)
    if problems.found:
        raise PolicyError(problems.found)
    return policy


def toml_of(text: str) -> dict[str, Any]:
    """Return what a TOML text says; PolicyError where it is none, or too large."""
    if len(text) > _MOST_BYTES:
        raise PolicyError((Problem("", "", f"is larger than {_MOST_BYTES} bytes"),))
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deep"
        raise PolicyError((Problem("", "", f"is not TOML: {message}"),)) from None


def parse_policy(
    text: str,
    *,
    version: str | None = None,
    words: Words = NO_WORDS,
    expressions: Expressions | None = None,
) -> Policy:
    """Return the policy of a TOML text; its version is a hash of the text unless given.

    ``words`` are a tenant's, for texts of this policy and of the services.
    """
    data = toml_of(text)
    _reword(data.get("texts", {}), words)
    version = version or named_by("policy", text)
    policy = compile_policy(data, version=version, expressions=expressions)
    return replace(policy, words=words)


def _reword(shared: object, words: Words) -> None:
    """Put a tenant's words into the shared texts of a policy that nobody has looked at yet."""
    if not isinstance(shared, dict):
        return
    problems = Problems()
    for name in words.texts.get(POLICY, {}):
        if name not in shared:
            problems.unknown("texts of the tenant", POLICY, name, shared)
        elif isinstance(shared[name], dict):
            shared[name] = words.of(POLICY, name, shared[name])
    if problems.found:
        raise PolicyError(problems.found)


def default_policy_text() -> str:
    """Return the packaged policy as its TOML text: what an operator starts from."""
    return resources.files(__package__).joinpath("default_policy.toml").read_text("utf-8")


def default_policy(words: Words = NO_WORDS) -> Policy:
    """Return the packaged policy, compiled."""
    text = default_policy_text()
    return parse_policy(text, version=named_by("default", text), words=words)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a policy's text, as it is kept."""
    return sha256(text.encode()).hexdigest()


def named_by(kind: str, text: str) -> str:
    """Return what a policy that was not published is called in records, logs and metrics:
    ``policy-0123456789ab``, or with another ``kind`` before the hash of its text."""
    return f"{kind}-{digest_of(text)[:12]}"


_TOP = (
    "features",
    "countries",
    "networks",
    "schedules",
    "rollouts",
    *CATALOGUE_KEYS,
    "plans",
    "vowifi",
    "own",
    "texts",
    "rule",
)


class _Reader:
    """Reads the data into compiled parts; mistakes go to the list and reading goes on."""

    def __init__(self, problems: Problems, expressions: Expressions | None) -> None:
        self._read = Reader(problems)
        self._expressions = expressions
        self._problems = problems
        self._say = self._read.say
        self._texts: dict[str, Mapping[str, str]] = {}
        self._features: dict[str, str] = dict(FEATURES)

    def policy(self, data: object, *, version: str) -> Policy:
        top = self._read.table(data, "", "", known=_TOP)
        self._features.update(self._declared(top.get("features", {})))
        self._texts.update(self._shared_texts(top.get("texts", {})))
        catalogue = Catalogue(top, self._read, self._texts)
        for boost_type in catalogue.boost_types:
            self._features.setdefault(boost_feature(boost_type), f"data boost {boost_type}")
        plans = self._plans(top.get("plans", {}), catalogue)
        required = self._required(top.get("vowifi", {}))
        own = read_own(top.get("own", {}), self._read)
        schedules = read_schedules(top.get("schedules", {}), self._read)
        rollouts = read_rollouts(top.get("rollouts", {}), self._read)
        names = Names(
            plans=plans.keys(),
            features=self._features.keys(),
            countries=self._lists(top.get("countries", {}), "countries", self._read.mcc),
            networks=self._lists(top.get("networks", {}), "networks", self._read.plmn),
            schedules=schedules.keys(),
            rollouts=rollouts.keys(),
        )
        allowances = Allowances(self._read, catalogue, own)
        reading = Rules(self._read, names, self._texts, allowances, self._expressions)
        rules = reading.rules(top.get("rule", []))
        return Policy(
            version,
            plans,
            dict(self._features),
            required,
            rules,
            own,
            Calendar(schedules).only(named_in(rules, "during")),
            shares_of(rollouts, named_in(rules, "rollout")),
        )

    def _declared(self, given: object) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, meaning in self._read.named(given, "features", most=_MOST_FEATURES):
            if name in FEATURES or _BOOST.fullmatch(name):
                self._say("features", name, "is built in and needs no declaration")
            elif not isinstance(meaning, str) or not 1 <= len(meaning) <= MOST_LETTERS:
                self._say("features", name, f"must be a short text, not {shown(meaning)}")
            else:
                found[name] = meaning
        return found

    def _plans(self, given: object, catalogue: Catalogue) -> dict[str, Plan]:
        found: dict[str, Plan] = {}
        for name, plan in self._read.entries(given, "plans", most=_MOST_PLANS):
            where = f"plans.{name[:64]}"
            if not 1 <= len(name) <= 64 or not name.isprintable():
                self._say("plans", shown(name), "must have 1 to 64 printable characters")
            body = self._read.table(plan, where, "", known=PLAN_KEYS)
            if isinstance(plan, Mapping) and "features" not in plan:
                self._say(where, "features", "is missing; write [] for none")
            listed = self._read.among(
                body.get("features", []), where, "features", self._features, what="features"
            )
            for feature in sorted(listed):
                key = "boosts" if _BOOST.fullmatch(feature) else DERIVED.get(feature)
                if key is not None:
                    self._say(
                        where, "features", f'"{feature}" follows from {key} = …; leave it out'
                    )
            found[name] = catalogue.plan(body, listed, where)
        return found

    def _lists(
        self, given: object, table: str, read: Callable[[object, str, str], str]
    ) -> dict[str, tuple[str, ...]]:
        """Return the named lists of countries or of networks."""
        found: dict[str, tuple[str, ...]] = {}
        for name, listed in self._read.named(given, table):
            items = self._read.items(listed, table, name, most=_MOST_NETWORKS)
            if listed == []:
                self._say(table, name, "is empty: nothing is in it")
            digits = (read(item, table, f"{name}[{n}]") for n, item in enumerate(items, 1))
            found[name] = tuple(dict.fromkeys(digits))
        return found

    def _required(self, given: object) -> frozenset[ConsentKind]:
        body = self._read.table(given, "vowifi", "", known=tuple(ConsentKind))
        return frozenset(
            kind for kind in ConsentKind if self._read.required(body.get(kind), "vowifi", kind)
        )

    def _shared_texts(self, given: object) -> dict[str, Mapping[str, str]]:
        return {
            name: self._read.languages(text, f"texts.{name[:64]}", "")
            for name, text in self._read.entries(given, "texts")
        }
