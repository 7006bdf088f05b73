"""How what an inventory tells is understood: whose an item is, and what it says of a subscription.

Operators model their products as they like. What stands for what is data: which offering is which
plan or option, which characteristic holds what, which state means what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any, Final

from simgrant.domain.aspect_values import meaning
from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.nouns import named_noun
from simgrant.ports.network_data import Subscriber
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.inventory import Inventory, Item

_BEST_FIRST: Final = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.SUSPENDED,
    SubscriptionStatus.BARRED,
    SubscriptionStatus.REMOVED,
)


class Useless(ValueError):
    """What is told cannot be understood; the text names no value and nobody."""


class SomebodyElse(ValueError):
    """What is told is about another subscriber, or does not say about whom."""


@named_noun
class ValueRule:
    """Where an aspect is told."""

    name: str
    """Of the characteristic."""
    meanings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What its values mean, in our words; one that is not named means itself."""


@named_noun
class Rules:
    """One inventory."""

    inventory: Inventory
    path: str
    """What its addresses begin with, such as ``/tmf-api/productInventory/v4``."""
    filters: Sequence[tuple[str, str]]
    """Names and values of the query; values may have ``{imsi}``, ``{msisdn}``, ``{e164}``."""
    fields: Sequence[str]
    """Members that are asked for; empty = whatever it sends."""
    owner: frozenset[str]
    """Characteristics that hold whose an item is: number or IMSI. Each item has one of them."""
    loose: bool = False
    """Whether items of others are passed over; else they spoil the answer."""
    states: Mapping[str, SubscriptionStatus | None] = field(hash=False)
    """What states mean; None = such an item is as good as none."""
    plans: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By id or name of an offering, specification or kind; of several the first here counts."""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    refusals: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Likewise, features of the policy."""
    vowifi: frozenset[str] = frozenset()
    """What the items are known by whose state is that of VoWiFi in the network."""
    provisioning: Mapping[str, ProvStatus] = field(default_factory=dict, hash=False)
    """What their states mean."""
    values: Mapping[Aspect, ValueRule] = field(default_factory=dict, hash=False)
    page: int = 20
    """Items that are asked for at a time."""
    pages: int = 3
    """The most pages of one answer."""

    @property
    def tells(self) -> Aspects:
        """Return what can be learned there."""
        found = set(self.values)
        if self.plans:
            found |= {Aspect.PLAN, Aspect.STATUS}
        if self.options:
            found.add(Aspect.OPTIONS)
        if self.refusals:
            found.add(Aspect.REFUSALS)
        if self.vowifi:
            found.add(Aspect.PROVISIONING)
        return frozenset(found)

    def query_for(self, who: Subscriber) -> list[tuple[str, str]]:
        """Return the filters for a subscriber; Useless where one names a number that is not known.

        A value is a whole with what is put into it, so nothing of it can add a filter.
        """
        places = {"imsi": who.imsi.digits}
        if who.msisdn is not None:
            places |= {"msisdn": who.msisdn.digits, "e164": who.msisdn.e164}
        try:
            return [(name, value.format_map(places)) for name, value in self.filters]
        except KeyError:
            raise Useless("the filter names the number, and it is not known here") from None

    def own(self, items: Iterable[Item], who: Subscriber) -> list[Item]:
        """Return the subscriber's items; SomebodyElse."""
        names = {who.imsi.digits} | ({who.msisdn.digits} if who.msisdn else set())
        found = []
        for item in items:
            owners = {
                item.values[name].removeprefix("+") for name in self.owner if name in item.values
            }
            if owners and owners <= names:
                found.append(item)
            elif not self.loose:
                raise SomebodyElse
        return found

    def understood(self, items: Sequence[Item]) -> Eligibility | None:
        """Return what a subscriber's items say of all that it tells; None = there is no such one.

        Useless where they say nothing that can be used.
        """
        standing = [(self._status(item), item) for item in items]
        there = [(status, item) for status, item in standing if status is not None]
        told: dict[str, Any] = {}
        base: Item | None = None
        if self.plans:
            if not there:
                return None
            status, base, plan = self._plan(there)
            told |= {Aspect.STATUS: status, Aspect.PLAN: plan}
        on = [item for status, item in there if status is SubscriptionStatus.ACTIVE]
        if self.options:
            told[Aspect.OPTIONS] = _named_in(self.options, on)
        if self.refusals:
            told[Aspect.REFUSALS] = _named_in(self.refusals, on)
        if self.vowifi:
            told[Aspect.PROVISIONING] = self._provisioned(items)
        used = [item for status, item in there if status is not SubscriptionStatus.REMOVED]
        for aspect, rule in self.values.items():
            value = _value(aspect, rule, [base, *used] if base else used)
            if value is not None:
                told[aspect] = value
        return Eligibility(**told)

    def _status(self, item: Item) -> SubscriptionStatus | None:
        if item.state not in self.states:
            raise Useless("an item is in a state that the settings do not know")
        return self.states[item.state]

    def _plan(
        self, there: Sequence[tuple[SubscriptionStatus, Item]]
    ) -> tuple[SubscriptionStatus, Item, str]:
        """Return the best of the items that are plans."""
        found = [
            (_BEST_FIRST.index(status), place, item, plan)
            for place, (name, plan) in enumerate(self.plans.items())
            for status, item in there
            if name in item.names
        ]
        if not found:
            raise Useless("none of its items is a plan that the settings know")
        rank, _, item, plan = min(found, key=lambda each: each[:2])
        return _BEST_FIRST[rank], item, plan

    def _provisioned(self, items: Sequence[Item]) -> ProvStatus:
        found = [item.state for item in items if self.vowifi & item.names]
        if any(state not in self.provisioning for state in found):
            raise Useless("VoWiFi is in a state that the settings do not know")
        said = {self.provisioning[state] for state in found}
        for status in (ProvStatus.PROVISIONED, ProvStatus.IN_PROGRESS, ProvStatus.NOT_REQUIRED):
            if status in said:
                return status
        return ProvStatus.NOT_PROVISIONED


def joined(parts: Iterable[Eligibility]) -> Eligibility:
    """Return what several inventories tell: sets of features together, else the first to tell."""
    told: dict[str, Any] = {}
    for part in parts:
        for each in fields(Eligibility):
            value = getattr(part, each.name)
            if value is None:
                continue
            before = told.get(each.name)
            if before is None:
                told[each.name] = value
            elif isinstance(before, frozenset):
                told[each.name] = before | value
    return Eligibility(**told)


def only(told: Eligibility, wants: Aspects) -> Eligibility:
    """Return what was wanted of it."""
    return Eligibility(**{aspect: getattr(told, aspect) for aspect in wants})


def _named_in(features: Mapping[str, str], items: Iterable[Item]) -> frozenset[str]:
    return frozenset(features[name] for item in items for name in item.names if name in features)


def _value(aspect: Aspect, rule: ValueRule, items: Iterable[Item]) -> object:
    for item in items:
        text = item.values.get(rule.name)
        if text is not None:
            try:
                return meaning(aspect, rule.meanings.get(text, text))
            except ValueError:
                raise Useless(f"what it says of {aspect} means nothing") from None
    return None
