"""Satellite access, ap2016 (TS.43 §15).

What a device may do follows from one decision and from whether the subscriber has switched the
service on. The lists of networks are the plan's.
"""

from __future__ import annotations

from simgrant.domain.facts import Facts, Question
from simgrant.domain.plans import SatelliteNetwork
from simgrant.domain.policy import Decision, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.services.service import Enquiry, from_table, number_parms, page_parms
from simgrant.spec.ids import EntitlementStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Item, Parm


def questions(_version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the area the device was last seen in."""
    return (Question("satellite", facts.area.value),)


def status_of(facts: Facts, decision: Decision) -> EntitlementStatus:
    """Return what the device may do (TS.43 §15.1.1).

    What the subscriber has to do comes before what the network does.
    """
    activation = facts.satellite.value
    if decision.result is Result.DENIED:
        return EntitlementStatus.INCOMPATIBLE
    if activation is ConsentStatus.MISSING:
        return EntitlementStatus.DISABLED
    if activation is ConsentStatus.IN_PROGRESS or decision.result is Result.PENDING:
        return EntitlementStatus.PROVISIONING
    return EntitlementStatus.ENABLED


def answer(facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return the status, the page to switch it on where that is due, and the networks.

    Without a page the subscriber could do nothing, so then the service cannot be offered
    (divergence "satellite-no-page"); nor can it without networks, whatever a rule says.
    The allowed networks are told to devices that may use them, the barred ones to all of whose
    plan they are. The status is there in JSON too (divergence "satellite-status-in-json").
    """
    (decision,) = decisions
    status, texts = status_of(facts, decision), decision.texts
    satellite = facts.offer.value.satellite
    flow = enquiry.flow if status is EntitlementStatus.DISABLED else None
    in_vain = status is EntitlementStatus.DISABLED and flow is None
    if decision.result is not Result.DENIED and (in_vain or satellite is None):
        status, texts, flow = EntitlementStatus.INCOMPATIBLE, SERVICE.texts["unavailable"], None
    enabled = status is EntitlementStatus.ENABLED
    allowed = satellite.allowed if satellite is not None and enabled else ()
    barred = satellite.barred if satellite is not None else ()
    message = enquiry.text(texts) if status is EntitlementStatus.INCOMPATIBLE else ""
    return Application(
        "ap2016",
        (
            _STATUS[status],
            *page_parms(flow),
            Parm("MessageForIncompatible", message),
            *(Characteristic("PLMNAllowed", _network(network)) for network in allowed),
            *(Characteristic("PLMNBarred", (Parm("PLMN", plmn),)) for plmn in barred),
        ),
    )


def _network(network: SatelliteNetwork) -> tuple[Item, ...]:
    """Return what is told of a network; messages may be sent in any (TS.43 §15.2)."""
    items: list[Item] = [Parm("PLMN", network.plmn)]
    if network.data_plan is not None:
        items.append(Parm("DataPlanType", network.data_plan))
    services = tuple(
        Characteristic(
            "AllowedServices", (Parm("ServiceType", kind), Parm("ServicePolicy", policy))
        )
        for kind, policy in network.services
    )
    if services:
        items.append(CharacteristicList("AllowedServicesInfo", services))
    return tuple(items)


_STATUS = number_parms("EntitlementStatus", EntitlementStatus)

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
