"""What a rule allows otherwise than the plan and ``[own]`` have it: the ``with`` of a rule.

Nothing in it is new to an answer. A rule names parameters that ``[own]`` declares, and parts that
plans have, and gives them other values; so it is known beforehand what devices may be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from simgrant.domain.own import OwnItem, OwnParm
from simgrant.domain.plans import Catalogue, Plan, Satellite
from simgrant.domain.problems import did_you_mean, shown
from simgrant.domain.reading import Reader
from simgrant.nouns import noun, replace
from simgrant.spec.ids import DataAccessType, DataPlanType

MOST_VALUES = 20
"""Entries of one ``with``."""
PARTS: Mapping[str, str] = {"data": "data_plan", "satellite": "satellite"}
"""The parts of a plan that a rule may give otherwise, and the feature that it has to be about."""

Own: TypeAlias = Mapping[str, tuple[OwnItem, ...]]


@noun
class Allowance:
    """What a rule allows otherwise."""

    own: tuple[tuple[str, str], ...] = ()
    """The operator's own parameters, by name, and their values."""
    data: tuple[tuple[DataAccessType, DataPlanType], ...] = ()
    """In the place of the plan's; empty = as the plan has it."""
    satellite: Satellite | None = None
    """Its networks stand in the place of the plan's."""
    text: str = ""
    """All of it in one line, for people."""

    def on(self, plan: Plan) -> Plan:
        """Return the plan with what is otherwise.

        What it does not have at all, no rule gives it; nor does a rule spare anybody switching
        satellite service on.
        """
        if self.data and plan.data:
            plan = replace(plan, data=self.data)
        if self.satellite is not None and plan.satellite is not None:
            networks = replace(self.satellite, activation=plan.satellite.activation)
            plan = replace(plan, satellite=networks)
        return plan


NOTHING_MORE = Allowance()


def own_values(allowances: Iterable[Allowance]) -> Mapping[str, str]:
    """Return the own parameters that were given otherwise; of two rules the first one's value."""
    values: dict[str, str] = {}
    for allowance in allowances:
        for name, value in allowance.own:
            values.setdefault(name, value)
    return values


class Allowances:
    """Reads the ``with`` of rules, against what the policy has to be given otherwise."""

    def __init__(self, reader: Reader, catalogue: Catalogue, own: Own) -> None:
        self._read = reader
        self._catalogue = catalogue
        self._own = {
            item.name: app_id
            for app_id, items in own.items()
            for item in items
            if isinstance(item, OwnParm)
        }

    def read(self, given: object, where: str, features: frozenset[str] | None) -> Allowance:
        """Return what a rule about ``features`` (None = all) allows otherwise."""
        own: list[tuple[str, str]] = []
        data: tuple[tuple[DataAccessType, DataPlanType], ...] = ()
        satellite = None
        entries = self._read.entries(given, where, "with", most=MOST_VALUES)
        if not entries:
            self._read.say(where, "with", "is empty; leave it out where nothing is otherwise")
        for name, value in entries:
            key = f"with.{name[:64]}"
            if name in PARTS and features != frozenset({PARTS[name]}):
                self._read.say(where, key, f'only rules with features = ["{PARTS[name]}"] have it')
            elif name == "data":
                data = self._catalogue.data(value, where, key)
            elif name == "satellite":
                satellite = self._catalogue.satellite(value, where, key)
            elif name not in self._own:
                hint = did_you_mean(name, (*PARTS, *self._own))
                said = f"unknown name {shown(name)}: no parameter under [own]{hint}"
                self._read.say(where, "with", said)
            elif isinstance(value, int) and not isinstance(value, bool):
                own.append((name, str(value)))
            else:
                own.append((name, self._read.text(value, where, key)))
        text = ", ".join(f"{name} = {shown(value)}" for name, value in entries)
        return Allowance(tuple(own), data, satellite, text)
