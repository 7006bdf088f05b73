"""What a plan contains, as the policy's catalogue has it: data, boosts, satellite, billing.

Parts that several plans share have a name of their own and are referred to. What a plan contains
in detail it also has as a feature, so that rules may grant or deny it like any other; nobody has to
say it twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from simgrant.domain.holdings import Money
from simgrant.domain.problems import shown
from simgrant.domain.reading import Reader
from simgrant.nouns import Word, noun
from simgrant.spec.ids import (
    DataAccessType,
    DataPlanType,
    DataUsageType,
    ServicePolicy,
    ServiceType,
    TcOperation,
)

REAL_TIME = 166
"""The boost type for real-time interactive traffic: the only one before TS.43 12.0, as 0."""
MOST_BOOST_TYPE = 255
ANY_STORE = "*"
UNLIMITED = "unlimited"
"""In place of a spending limit."""
LIMIT = "{limit}"
"""Stands for the spending limit in the message about the terms."""
MOST_BOOSTS = 50
MOST_OFFERS = 10
"""Ways to buy one boost."""
MOST_NETWORKS = 500
"""Satellite networks in one list."""
MOST_STORES = 50
MOST_STORE = 64
"""Letters of a store_vendor."""

TARGETS: Mapping[str, int] = {
    "PDB": 1,
    "Jitter": 1,
    "MinDownlinkDataRate": 0,
    "MaxDownlinkDataRate": 0,
    "MaxDownlinkBurstRate": 0,
    "MinUplinkDataRate": 0,
    "MaxUplinkDataRate": 0,
    "MaxUplinkBurstRate": 0,
    "PER": 0,
}
"""What a boost aims at, by TS.43's names and in its order, with the least value of each."""

_MOST_TARGET = 2**31 - 1


def boost_meant(number: int | None) -> int | None:
    """Return the boost type that a client means by a number: 0 is the old name of 166."""
    return REAL_TIME if number == 0 else number


class Sale(Word):
    """How a plan has a boost."""

    INCLUDED = "included"
    FOR_SALE = "for_sale"


class BoostOffer(NamedTuple):
    """How a boost can be bought on the portal."""

    lasts_s: int | None = None
    """Seconds after which it ends by itself; None = it stays."""
    price: Money | None = None
    """None = nothing is asked for it."""


@noun
class Showcase:
    """How the portal sells a boost."""

    title: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    offers: tuple[BoostOffer, ...] = (BoostOffer(),)


PLAIN_SHOWCASE = Showcase()


@noun
class PlanBoost:
    """A boost that a plan includes or offers (TS.43 §9.1.2)."""

    boost_type: int
    sale: Sale
    target: tuple[tuple[str, int], ...]
    """Names of TargetCharacteristicsInfo and their values."""
    showcase: Showcase = PLAIN_SHOWCASE


@noun
class Counter:
    """How a counter of data use is told (TS.43 §9.1.3)."""

    usage_type: DataUsageType
    name: Mapping[str, str]
    description: Mapping[str, str]


@noun
class SatelliteNetwork:
    """A satellite network that may be used (TS.43 §15.2)."""

    plmn: str
    data_plan: DataPlanType | None
    services: tuple[tuple[ServiceType, ServicePolicy], ...]
    """None listed = messages only."""


@noun
class Satellite:
    """Which satellite networks a plan has, and whether they have to be switched on first."""

    activation: bool
    """Whether the subscriber has to switch it on, on the operator's page."""
    allowed: tuple[SatelliteNetwork, ...]
    barred: tuple[str, ...]


@noun
class BillingTerms:
    """How a subscriber is asked for the terms of carrier billing (TS.43 §11.1.2)."""

    required: bool
    ways: tuple[TcOperation, ...]
    """The preferred one first."""
    title: Mapping[str, str]
    message: Mapping[str, str]
    """``{limit}`` in it stands for the spending limit."""


@noun
class Billing:
    """At which stores a plan may be billed, and how much."""

    limits: Mapping[str, Money | None]
    """By store_vendor in lower case, `ANY_STORE` for all others; None = no limit."""
    terms: BillingTerms

    def sells(self, store: str) -> bool:
        """Say whether purchases at a store may be billed at all."""
        return store != "" and (store in self.limits or ANY_STORE in self.limits)

    def limit(self, store: str) -> Money | None:
        """Return the limit at a store."""
        return self.limits.get(store, self.limits.get(ANY_STORE))


@noun
class Plan:
    """What one plan contains."""

    features: frozenset[str] = frozenset()
    """What is listed, and what follows from the rest."""
    data: tuple[tuple[DataAccessType, DataPlanType], ...] = ()
    boosts: tuple[PlanBoost, ...] = ()
    """In the order of their types."""
    standalone_5g: bool | None = None
    """None = devices are told nothing about it."""
    satellite: Satellite | None = None
    billing: Billing | None = None
    counters: Mapping[str, Counter] = field(default_factory=dict)
    """The counters that this operator has, whatever the plan."""

    def boost(self, boost_type: int) -> PlanBoost | None:
        """Return the boost of a type, if the plan has it."""
        return next((each for each in self.boosts if each.boost_type == boost_type), None)

    def __str__(self) -> str:
        """Return what there is beside the features, for people."""
        said = [f"{access.name.lower()} {metering.lower()}" for access, metering in self.data]
        said += [f"boost {boost.boost_type} {boost.sale}" for boost in self.boosts]
        if self.standalone_5g is not None:
            said.append(f"5G standalone {'yes' if self.standalone_5g else 'no'}")
        if self.satellite is not None:
            allowed, barred = len(self.satellite.allowed), len(self.satellite.barred)
            said.append(f"{allowed} satellite networks, {barred} barred")
        if self.billing is not None:
            limits = self.billing.limits.items()
            said += [f"store {store} {limit or UNLIMITED}" for store, limit in limits]
        return ", ".join(said).replace("_", " ") or "nothing"


NO_PLAN = Plan()


def boost_feature(boost_type: int) -> str:
    """Return the feature that rules know a boost by."""
    return f"boost_{boost_type}"


DERIVED: Mapping[str, str] = {
    "data_plan": "data",
    "standalone_5g": "standalone_5g",
    "satellite": "satellite",
    "carrier_billing": "carrier_billing",
}
"""Features that follow from what a plan says in detail, and the key that says it."""


def is_derived(feature: str) -> bool:
    """Say whether a feature is nothing without what a plan says of it in detail."""
    return feature in DERIVED or feature.startswith("boost_")


PLAN_KEYS = ("features", "data", "boosts", "standalone_5g", "satellite", "carrier_billing")

_BoostKind: TypeAlias = tuple[int, tuple[tuple[str, int], ...], Showcase]
_BOOST_KEYS = ("type", "target", "title", "text", "offers")
_LONGEST_OFFER = 366 * 86_400

CATALOGUE_KEYS = ("boosts", "usage", "satellite", "carrier_billing")
"""The tables of the policy that plans refer to, or that hold for all of them."""

_ACCESSES = {
    "all": DataAccessType.ALL,
    "wifi": DataAccessType.WIFI,
    "2g": DataAccessType.RAT_2G,
    "3g": DataAccessType.RAT_3G,
    "lte": DataAccessType.LTE,
    "nr": DataAccessType.NG_RAN,
}
_METERING = {"metered": DataPlanType.METERED, "unmetered": DataPlanType.UNMETERED}
_USAGES = {"cellular": DataUsageType.CELLULAR, "tethering": DataUsageType.TETHERING}
_SERVICES = {"data": ServiceType.DATA, "voice": ServiceType.VOICE}
_POLICIES = {
    "constrained": ServicePolicy.CONSTRAINED,
    "unconstrained": ServicePolicy.UNCONSTRAINED,
}
_WAYS = {"web_view": TcOperation.WEBSHEET, "message": TcOperation.MSG}
_SALES = {sale.value: sale for sale in Sale}
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ([A-Z]{3})")


class Catalogue:
    """Reads what plans refer to, and then the plans."""

    def __init__(
        self,
        top: Mapping[str, object],
        reader: Reader,
        texts: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._read = reader
        self._texts = texts
        self._boosts = self._boost_kinds(top.get("boosts", {}))
        self._counters = self._counter_kinds(top.get("usage", {}))
        self._satellites = {
            name: self._satellite(entry, f"satellite.{name}", "")
            for name, entry in reader.named(top.get("satellite", {}), "satellite")
        }
        self._terms = self._billing_terms(top.get("carrier_billing", {}))

    @property
    def boost_types(self) -> frozenset[int]:
        """The types of all boosts."""
        return frozenset(boost_type for boost_type, *_ in self._boosts.values())

    def plan(self, body: Mapping[str, object], listed: frozenset[str], where: str) -> Plan:
        """Return a plan; ``listed`` are the features that it names itself."""
        data = self.data(body["data"], where, "data") if "data" in body else ()
        boosts = self._plan_boosts(body["boosts"], where) if "boosts" in body else ()
        told = body.get("standalone_5g")
        standalone = None if told is None else self._read.truth(told, where, "standalone_5g")
        satellite = billing = None
        if "satellite" in body:
            satellite = self.satellite(body["satellite"], where, "satellite")
        if "carrier_billing" in body:
            billing = self._billing(body["carrier_billing"], where)
        features = set(listed)
        features |= {boost_feature(boost.boost_type) for boost in boosts}
        for feature, held in (
            ("data_plan", data),
            ("standalone_5g", standalone),
            ("satellite", satellite),
            ("carrier_billing", billing),
        ):
            if held:
                features.add(feature)
        return Plan(
            frozenset(features), data, boosts, standalone, satellite, billing, self._counters
        )

    def data(
        self, given: object, where: str, key: str
    ) -> tuple[tuple[DataAccessType, DataPlanType], ...]:
        """Return how data are metered, by access."""
        body = self._read.table(given, where, key, known=_ACCESSES)
        if not body:
            self._read.say(where, key, f"must name an access: {', '.join(_ACCESSES)}")
        if "all" in body and len(body) > 1:
            self._read.say(where, key, '"all" stands for every access; leave it or the rest out')
        return tuple(
            (access, self._read.word(body[name], where, f"{key}.{name}", _METERING))
            for name, access in _ACCESSES.items()
            if name in body
        )

    def satellite(self, given: object, where: str, key: str) -> Satellite:
        """Return satellite networks: those of a name, or of a table of its own."""
        if not isinstance(given, str):
            return self._satellite(given, where, key)
        if given not in self._satellites:
            self._read.problems.unknown(where, key, given, self._satellites)
        return self._satellites.get(given, Satellite(activation=False, allowed=(), barred=()))

    def _boost_kinds(self, given: object) -> dict[str, _BoostKind]:
        found: dict[str, _BoostKind] = {}
        read = self._read
        for name, entry in read.named(given, "boosts", most=MOST_BOOSTS):
            where = f"boosts.{name}"
            body = read.table(entry, where, "", known=_BOOST_KEYS)
            kind = read.number(body.get("type"), where, "type", least=1, most=MOST_BOOST_TYPE)
            target = read.table(body.get("target", {}), where, "target", known=TARGETS)
            found[name] = (
                kind,
                tuple(
                    (
                        aim,
                        read.number(
                            target[aim], where, f"target.{aim}", least=least, most=_MOST_TARGET
                        ),
                    )
                    for aim, least in TARGETS.items()
                    if aim in target
                ),
                Showcase(
                    read.said(body.get("title", {}), where, "title", self._texts),
                    read.said(body.get("text", {}), where, "text", self._texts),
                    self._offers(body["offers"], where) if "offers" in body else (BoostOffer(),),
                ),
            )
        return found

    def _offers(self, given: object, where: str) -> tuple[BoostOffer, ...]:
        read, found = self._read, []
        for number, entry in enumerate(read.items(given, where, "offers", most=MOST_OFFERS), 1):
            key = f"offers[{number}]"
            body = read.table(entry, where, key, known=("lasts_s", "price"))
            lasts, price = body.get("lasts_s"), body.get("price")
            if lasts is not None:
                lasts = read.number(lasts, where, f"{key}.lasts_s", least=60, most=_LONGEST_OFFER)
            if price is not None:
                price = self._money(price, where, f"{key}.price")
            found.append(BoostOffer(lasts, price))
        if not found:
            read.say(where, "offers", "is empty; leave it out where there is nothing to choose")
        return tuple(found)

    def _money(self, given: object, where: str, key: str) -> Money | None:
        amount = _AMOUNT.fullmatch(given) if isinstance(given, str) else None
        if amount is None:
            said = f'must be an amount such as "50.00 EUR", not {shown(given)}'
            self._read.say(where, key, said)
        return amount and Money(Decimal(amount[1]), amount[2])

    def _counter_kinds(self, given: object) -> dict[str, Counter]:
        found: dict[str, Counter] = {}
        read = self._read
        for name, entry in read.named(given, "usage", most=MOST_NETWORKS):
            where = f"usage.{name}"
            body = read.table(entry, where, "", known=("type", "name", "description"))
            found[name] = Counter(
                read.word(body.get("type", "cellular"), where, "type", _USAGES),
                read.said(body.get("name", {}), where, "name", self._texts),
                read.said(body.get("description", {}), where, "description", self._texts),
            )
        return found

    def _plan_boosts(self, given: object, where: str) -> tuple[PlanBoost, ...]:
        found: dict[int, PlanBoost] = {}
        for name, word in self._read.entries(given, where, "boosts", most=MOST_BOOSTS):
            if name not in self._boosts:
                self._read.problems.unknown(where, "boosts", name, self._boosts)
                continue
            kind, target, showcase = self._boosts[name]
            sale = self._read.word(word, where, f"boosts.{name}", _SALES)
            if kind in found:
                self._read.say(where, f"boosts.{name}", f"is the second boost of type {kind}")
            found[kind] = PlanBoost(kind, sale, target, showcase)
        return tuple(found[kind] for kind in sorted(found))

    def _satellite(self, given: object, where: str, key: str) -> Satellite:
        def inside(name: str) -> str:
            return f"{key}.{name}" if key else name

        read = self._read
        body = read.table(given, where, key, known=("activation", "allowed", "barred"))
        allowed = [
            self._network(entry, where, f"{inside('allowed')}[{number}]")
            for number, entry in enumerate(
                read.items(body.get("allowed", []), where, inside("allowed"), most=MOST_NETWORKS), 1
            )
        ]
        barred = [
            read.plmn(entry, where, f"{inside('barred')}[{number}]")
            for number, entry in enumerate(
                read.items(body.get("barred", []), where, inside("barred"), most=MOST_NETWORKS), 1
            )
        ]
        if not allowed:
            read.say(where, inside("allowed"), "is missing: without a network nothing can be used")
        seen: set[str] = set()
        for plmn in (*(network.plmn for network in allowed), *barred):
            if plmn in seen and plmn:
                read.say(where, key, f"network {plmn} is listed twice")
            seen.add(plmn)
        activation = read.required(body.get("activation"), where, inside("activation"))
        return Satellite(activation, tuple(allowed), tuple(barred))

    def _network(self, given: object, where: str, key: str) -> SatelliteNetwork:
        read = self._read
        body = read.table(given, where, key, known=("plmn", "data_plan", "services"))
        metering = body.get("data_plan")
        services = read.table(body.get("services", {}), where, f"{key}.services", known=_SERVICES)
        if "services" in body and not services:
            read.say(where, f"{key}.services", "is empty; leave it out where there is nothing more")
        return SatelliteNetwork(
            read.plmn(body.get("plmn"), where, f"{key}.plmn"),
            None if metering is None else read.word(metering, where, f"{key}.data_plan", _METERING),
            tuple(
                (kind, read.word(services[name], where, f"{key}.services.{name}", _POLICIES))
                for name, kind in _SERVICES.items()
                if name in services
            ),
        )

    def _billing_terms(self, given: object) -> BillingTerms:
        read, where = self._read, "carrier_billing"
        body = read.table(given, where, "", known=("terms", "ask_by", "title", "message"))
        ways = [
            read.word(word, where, f"ask_by[{number}]", _WAYS)
            for number, word in enumerate(
                read.items(body.get("ask_by", ["web_view"]), where, "ask_by", most=len(_WAYS)), 1
            )
        ]
        if not ways or len(set(ways)) < len(ways):
            read.say(where, "ask_by", f"must hold each way once: {', '.join(_WAYS)}")
        title, message = (
            read.said(body.get(key, {}), where, key, self._texts) for key in ("title", "message")
        )
        for key, text in (("title", title), ("message", message)):
            if TcOperation.MSG in ways and not text:
                read.say(where, key, 'is missing: ask_by has "message"')
        return BillingTerms(
            read.required(body.get("terms"), where, "terms"), tuple(ways), title, message
        )

    def _billing(self, given: object, where: str) -> Billing:
        limits: dict[str, Money | None] = {}
        read = self._read
        for name, word in read.entries(given, where, "carrier_billing", most=MOST_STORES):
            key = f"carrier_billing.{name[:64]}"
            store = name.lower()
            if not 1 <= len(name) <= MOST_STORE or not name.isprintable():
                read.say(where, key, f"a store_vendor has 1 to {MOST_STORE} printable characters")
            elif store in limits:
                read.say(where, key, "is there twice, in another case of letters")
            amount = _AMOUNT.fullmatch(word) if isinstance(word, str) else None
            if amount is None and word != UNLIMITED:
                said = f'must be an amount such as "50.00 EUR", or "{UNLIMITED}", not {shown(word)}'
                read.say(where, key, said)
            if amount is None and any(LIMIT in text for text in self._terms.message.values()):
                read.say(where, key, f"needs an amount: carrier_billing.message tells {LIMIT}")
            limits[store] = amount and Money(Decimal(amount[1]), amount[2])
        if not limits:
            read.say(where, "carrier_billing", f'must name a store_vendor, or "{ANY_STORE}"')
        return Billing(limits, self._terms)
