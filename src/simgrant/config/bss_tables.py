"""The settings of business support systems, with their defaults and what they mean.

They are part of ``config.model``, whose length they would double.
"""

from __future__ import annotations

from typing import Annotated, Literal

from simgrant.config.api_tables import ApiTable
from simgrant.config.rest_tables import RestRequest, Ses
from simgrant.config.section import Section, Within
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import MOST_ITEMS


class TmfInventory(Section, frozen=True):
    """An inventory: what is asked for, whose it is, and what it means."""

    path: str = ""
    """What its addresses begin with, behind `url`."""
    filter: tuple[str, ...] = ()
    """Filters, each a parameter such as `status=active`; the value may have `{imsi}`, `{msisdn}`
    (digits) and `{e164}` (with `+`). Who has no number here cannot be asked about by his number:
    503."""
    owner: tuple[str, ...] = ("msisdn", "imsi")
    """Characteristics that hold whose an item is: his number or IMSI. Each item must have one of
    these, and none of somebody else's, or the whole answer is refused."""
    loose: bool = False
    """Pass over items of others, for servers whose filters find too much. A server that finds
    nothing but others' is taken at its word then: there is no such subscription."""
    send_fields: bool = True
    """Ask for the members that are read (`fields`), not for whole items."""
    page: Annotated[int, Within(1, MOST_ITEMS)] = 20
    """Items that are asked for at a time (`limit`)."""
    pages: Annotated[int, Within(1, 20)] = 3
    """Pages that one answer may have; with more of them it is refused."""
    states: dict[str, str] = {}
    """What states mean, besides the usual ones: `active`, `suspended`, `barred`, `removed`, or
    empty, for what is as good as not there. An item in a state without a meaning spoils the
    answer."""
    options: dict[str, str] = {}
    """Features of the policy by what they are sold or kept as: the id or name of an offering, a
    specification or a kind. An active item counts."""
    refusals: dict[str, str] = {}
    """Likewise, features that may not be had whatever the plan is."""
    values: dict[str, str] = {}
    """The characteristic (or resource of a product) that tells an aspect, by aspect: `terms`,
    `address`, `msisdn`, `visited_plmn`, `number_type`, `prepaid`, `port_freeze`, `customer_since`,
    `sim_since`, `status`, `plan`, `provisioning`. `startDate` is when the item began, unless a
    characteristic has that name."""
    meanings: dict[str, dict[str, str]] = {}
    """What the values of an aspect mean, by aspect: `meanings.terms = { Y = "given" }`. A value
    without a meaning has to be one of ours."""


class TmfProducts(TmfInventory, frozen=True):
    """Products (TMF637): plan and status of a subscription, and what else is sold. Asked where
    something of it is mapped."""

    path: str = str(Api.PRODUCT)
    filter: tuple[str, ...] = ("productCharacteristic.value={msisdn}",)
    plans: dict[str, str] = {}
    """Plans of the policy by the id or name of an offering or specification. The state of that
    product is the status of the subscription; of several in the same state the first here counts.
    Somebody with products, none of which is one of these, cannot be judged."""


class TmfServices(TmfInventory, frozen=True):
    """Services (TMF638): how far VoWiFi is in the network, and options."""

    path: str = str(Api.SERVICE)
    filter: tuple[str, ...] = ("serviceCharacteristic.value={msisdn}",)
    vowifi: tuple[str, ...] = ()
    """Specifications, kinds or names of the services whose state is that of VoWiFi in the
    network."""
    provisioning: dict[str, str] = {}
    """What their states mean, besides the usual ones: `provisioned`, `not_provisioned`,
    `in_progress`, `not_required`."""


class TmfResources(TmfInventory, frozen=True):
    """Resources (TMF639): SIM and number."""

    path: str = str(Api.RESOURCE)
    filter: tuple[str, ...] = ("resourceCharacteristic.value={msisdn}",)


class TmfOrders(Section, frozen=True):
    """Product orders (TMF622), by which eSIM profiles are ordered where `order_mode` is `bss`."""

    on: bool = False
    """Whether they are. Else what is ordered waits for people or a program of yours
    (`simgrant order list --waiting`)."""
    path: str = str(Api.ORDER)
    """What its addresses begin with."""
    category: str = "eSIM"
    """`category` of the orders; empty = none."""
    offering: str = "esim"
    """The offering of an order without a plan."""
    offerings: dict[str, str] = {}
    """Offerings by plan; a plan that is not named is one itself."""
    names: dict[str, str] = {}
    """Characteristics of the product, by what they hold: `imsi`, `enterprise`, `eid`, `imei`,
    `kind`, `service`, `profile_type`, `old_iccid`, `version`; and what is read of an order that is
    completed: `iccid`, `smdp_address`, `matching_id`. An empty name is not sent."""
    patience_s: Annotated[float, Within(0, 20)] = 3.0
    """Seconds for which an order is watched before its profile is left to come later."""
    look_every_s: float = 30.0
    """Seconds between two looks at those that are left, more or less by a fifth; 0 = never, where
    your BSS hands them in (`simgrant order deliver`, or its twin of the management API)."""


class TmfQualification(Section, frozen=True):
    """Product offering qualification (TMF679), by which the BSS judges whether a device may have an
    eSIM."""

    on: bool = False
    """Whether it is asked."""
    path: str = str(Api.QUALIFICATION)
    """What its addresses begin with."""
    resource: Literal["checkProductOfferingQualification", "productOfferingQualification"] = (
        "checkProductOfferingQualification"
    )
    """The name of the task; the second is that of older releases of version 4."""
    offering: str = "esim"
    """The offering that is asked about."""
    offerings: dict[str, str] = {}
    """Offerings by application: `{ ap2006 = "PO-WATCH" }`."""
    names: dict[str, str] = {}
    """Characteristics of the product, by what they hold: `imsi`, `msisdn`, `eid`, `imei`, `vendor`,
    `model`, `kind`. An empty name is not sent."""


class TmfOffers(Section, frozen=True):
    """The product catalogue (TMF620), whose plans may be chosen with eSIMs that say
    `plans_of_bss`."""

    on: bool = False
    """Whether it is asked."""
    path: str = str(Api.OFFERING)
    """What its addresses begin with."""
    filter: tuple[str, ...] = ()
    """Filters, such as `category.id=esim-plans`. At most 50 offerings may be left."""
    sold: tuple[str, ...] = ("active", "launched")
    """`lifecycleStatus` of what is sold, in any letter case."""
    plans: dict[str, str] = {}
    """Plans by the id of an offering; one that is not named has the offering's id."""
    every_s: Annotated[float, Within(1, 86_400)] = 300.0
    """Seconds between two looks at it, more or less by a fifth. What was found holds while it is
    away."""


class TmfAddresses(Section, frozen=True):
    """Geographic addresses (TMF673), by which addresses for emergency calls are checked where
    `portal.address_validator` names this BSS."""

    on: bool = False
    """Whether it is asked."""
    path: str = str(Api.ADDRESS)
    """What its addresses begin with."""
    countries: dict[str, str] = {}
    """Whose addresses it knows: by code (ISO 3166-1) what their people call them, such as
    `{ DE = "Deutschland" }`."""
    needs: dict[str, tuple[str, ...]] = {}
    """Parts that an address must have beside street and city, by country: `number`, `unit`,
    `postcode`, `region`."""


class TmfActivation(Section, frozen=True):
    """Wi-Fi calling, switched on in the network once terms and address are settled, and off again.
    Until it is on, devices are told that it is in progress."""

    on: bool = False
    """Whether it is. Else the network needs no switching, or somebody else does it and tells how
    far it is (`provisioning`)."""
    by: Literal["services", "orders"] = "services"
    """How: the service itself is made or changed (TMF640), or that is ordered (TMF641)."""
    path: str = ""
    """What addresses of services begin with; empty = as TMF640 usually has it, for `orders` as
    TMF638."""
    order_path: str = "/tmf-api/serviceOrdering/v4"
    """What addresses of orders begin with."""
    specification: str = "vowifi"
    """The id of the service's specification."""
    imsi: str = "imsi"
    """The characteristic that has the IMSI; empty = it is not sent."""
    msisdn: str = "msisdn"
    """Likewise, the number. One of the two must be sent; the service is found by the first."""
    patch: Literal["application/merge-patch+json", "application/json"] = (
        "application/merge-patch+json"
    )
    """The content type of changes."""
    look_every_s: Annotated[float, Within(1, 86_400)] = 10.0
    """Seconds between two looks at what is under way, more or less by a fifth."""
    devices: str = ""
    """The id of the specification of the service that companions and phones with an eSIM have:
    where a device asks for it to go on or off (ManageService), it is switched in the network, too,
    and the device is told that it is once it is. Empty = the order alone says whether it is on."""
    iccid: str = "iccid"
    """The characteristic that has the ICCID of the device's profile, by which that is found."""
    devices_within_s: Annotated[int, Within(10, 86_400)] = 600
    """Seconds that this may take. Then the device is told that it is as it was, and so is the
    network."""
    boosts: dict[str, str] = {}
    """The ids of specifications of data boosts, by boost type: `{ 166 = "gaming" }`. Who buys one
    has it switched on, by his IMSI, and is told that it is in progress until it is on; it is
    switched off when it is over. Of others the network is not asked."""
    off: bool = True
    """Switch Wi-Fi calling off where a consent is withdrawn or the rules deny it (at home, for all
    devices of the line), and where the line is removed or gets another IMSI."""


class Bss(ApiTable, frozen=True):
    """A business support system (see [Connecting a BSS](../bss.md))."""

    type: Literal["tmf", "rest", "ses"] = "tmf"
    """How it is spoken to: `tmf` = TM Forum Open APIs, `rest` = an API in JSON of your own, which
    `requests` describe, `ses` = as Ericsson's Secure Entitlement Server does (experimental)."""
    tenants: tuple[str, ...] = ()
    """Tenants whose BSS it is; empty = all. A tenant has one."""
    timeout_s: float = 2.0
    """Seconds that one answer may take, within those of the device's request."""
    max_bytes: Annotated[int, Within(1_024, 16 << 20)] = 262_144
    """Bytes that one answer may have."""
    fresh_s: Annotated[dict[str, int], Within(0, 31 * 86_400)] = {}
    """Seconds for which it is not asked again unless an event says that something changed, by
    AppID: `{ ap2004 = 3600 }`; 0 = ask every time. By default six hours for calls, messages, data
    plans, Wi-Fi identities and satellite (ap2003, ap2004, ap2005, ap2010, ap2013, ap2016), and 0
    for all others. A request for several gets what does for all of them."""
    last_known_s: Annotated[dict[str, int], Within(0, 31 * 86_400)] = {}
    """Seconds for which its last answer is decided upon while it does not answer, by AppID; after
    that, and with 0 at once, devices are told to come back (503). By default a day for those, and
    0 for all others."""
    heals_s: Annotated[int, Within(60, 86_400)] = 3_600
    """The most seconds that a document holds which is made of a last answer, while the BSS does
    not answer."""
    products: TmfProducts = TmfProducts()
    """A table of its own, for `tmf`."""
    services: TmfServices = TmfServices()
    """Likewise."""
    resources: TmfResources = TmfResources()
    """Likewise."""
    orders: TmfOrders = TmfOrders()
    """Likewise."""
    qualification: TmfQualification = TmfQualification()
    """Likewise."""
    offers: TmfOffers = TmfOffers()
    """Likewise."""
    addresses: TmfAddresses = TmfAddresses()
    """Likewise."""
    activation: TmfActivation = TmfActivation()
    """Likewise."""
    requests: dict[str, RestRequest] = {}
    """Tables of their own, for `rest`: what it is asked, each by a name of yours."""
    ses: Ses = Ses()
    """A table of its own, for `ses`."""
