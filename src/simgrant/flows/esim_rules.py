"""Who may have an eSIM: one answer for who asks beforehand and for who orders.

Facts are gathered, the policy is asked, then what is counted is looked at. What is refused by a
rule or a limit is one and the same to whoever asks; the reason is for the record. Whoever may not
by his SIM alone is asked to sign in, and then the same request is judged anew: a rule that asks for
that holds no more, and those after it do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from simgrant.domain.companions import NOT_COUNTED, Counted, count
from simgrant.domain.device_lists import Listing
from simgrant.domain.facts import ACTIVATION, Fact, Facts, Question
from simgrant.domain.facts import Device as DeviceFact
from simgrant.domain.network_facts import Heard
from simgrant.domain.order import LINE, ON_DEVICE, Device, Kind, Order, OrderState, place_of
from simgrant.domain.pace import Used, exceeded
from simgrant.domain.policy import Decision, Policy, Result
from simgrant.domain.risk import SIGNED_IN, Way
from simgrant.domain.subscription import Profile
from simgrant.domain.told import Told
from simgrant.domain.trail import Verdict
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.esim_means import FEATURES, Conditions, EsimMeans, Line
from simgrant.flows.gather import REQUEST, View, device_of, gather, look, times_of
from simgrant.identities import Iccid, Imei, InvalidIdentity
from simgrant.nouns import Word, noun, replace
from simgrant.ports.eligibility import Prospect, Qualification
from simgrant.ports.risk import Risk
from simgrant.spec.ids import AppId
from simgrant.telemetry.record import push_verdict

if TYPE_CHECKING:
    from simgrant.flows.operations.operation import Task  # whose package imports this module

TOO_MANY = "too_many_devices"
ANOTHER = "another_device_was_faster"
UNQUALIFIED = "bss_unqualified"
_NOT_NAMED: Fact[Listing] = Fact(Listing.ALLOWED, "no device named")
"""Who asks beforehand may not know the device yet: then nothing speaks against it."""


@noun
class Weighed:
    """Whether a device may have an eSIM, and why."""

    result: Result
    reason: str
    """Stable code."""
    limited: bool
    """Whether it is a limit that stands in the way, and not a rule."""
    verdict: Verdict | None
    """What rules said; None where the order is there already."""
    times: Mapping[str, int] = field(hash=False)
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the rule has for the subscriber, by language."""


class Meant(Word):
    """What an order is to a request that finds it."""

    NOTHING = "nothing"
    ITS_OWN = "its_own"
    """Made by the same request before."""
    ANOTHERS = "anothers"


@noun
class Known:
    """What was asked of others."""

    risk: Risk
    used: Used
    is_another_s: bool
    """Whether the profile that is to be replaced is that of another subscription."""
    heard: Heard
    """What core networks say of the subscription."""
    judged: Qualification | None = None
    """What the BSS says of the device; None = it is not asked."""
    counted: Counted = NOT_COUNTED
    """How many companions the line has, where rules look at that."""


@noun
class Target:
    """For which device something is to be done with an eSIM, and what."""

    device: Device | None
    """None where it is not named yet."""
    kind: Kind
    old_iccid: Iccid | None = None
    beforehand: bool = False
    """Whether it is only asked if it may be: then what is not named yet is no reason."""
    at: str = ""
    """The place of its order, where that is another than the usual one (`domain.line`)."""
    selects: bool = False
    """Whether it takes the place of another device, which is chosen on a page."""

    @property
    def place(self) -> str:
        """The place of its order; empty where that is not known."""
        if self.at:
            return self.at
        if self.kind is not Kind.SUBSCRIBE:
            return LINE
        return place_of(self.device) if self.device is not None else ""


async def learn(
    task: Task,
    ours: EsimMeans,
    line: Line,
    device: Device | None,
    *,
    kind: Kind = Kind.SUBSCRIBE,
    old_iccid: Iccid | None = None,
) -> Known:
    """Ask whoever has to be asked; raise what the source of risk, the BSS and the store raise."""
    tenant, imsi = task.tenant.name, task.subscription.imsi
    risk = by_bss(await ours.risk.of(task.subscription, task.holder.terminal_id), task.told)
    used = await ours.ordering.used(
        tenant, imsi, device or Device("", None), line.conditions.pace, at=task.at
    )
    holder = None
    if old_iccid is not None:
        holder = await ours.ordering.by_iccid(tenant, old_iccid)
    is_another_s = holder is not None and holder.owner != imsi
    prospect = Prospect(app_id=task.app_id, kind=kind, device=device)
    judged = await ours.judges.of(task.subscription, prospect)
    counted = NOT_COUNTED
    if ours.policies[tenant].looks_at_companions:
        counted = count((await ours.ordering.of(tenant, imsi)).values())
    heard = await ours.network.heard(task.subscription)
    return Known(risk, used, is_another_s, heard, judged, counted)


def by_bss(risk: Risk, told: Told | None) -> Risk:
    """Return what is known of a line with what its BSS told of it in the place of our own."""
    found = None if told is None else told.eligibility
    if told is None or found is None:
        return risk
    source, at = f"line, {told.source}", told.asked_at
    return Risk(
        risk.sim_since if found.sim_since is None else Fact(found.sim_since, source, at),
        risk.imei_since,
        risk.port_freeze if found.port_freeze is None else Fact(found.port_freeze, source, at),
        risk.prepaid if found.prepaid is None else Fact(found.prepaid, source, at),
        risk.number_type if found.number_type is None else Fact(found.number_type, source, at),
    )


def weigh(
    task: Task,
    ours: EsimMeans,
    line: Line,
    target: Target,
    former: Mapping[str, Order],
    known: Known,
) -> Weighed:
    """Return whether an order may be made; ``former`` are those of the application, by place."""
    tenant = task.tenant.name
    policy = ours.policies[tenant]
    match meant(former.get(target.place), target):
        case Meant.ITS_OWN:
            return Weighed(Result.ALLOWED, "ordered", limited=False, verdict=None, times={})
        case Meant.ANOTHERS:
            return Weighed(Result.DENIED, ANOTHER, limited=True, verdict=None, times={})
    profile = Profile(
        task.subscription,
        None,
        None,
        None,
        heard=known.heard,
        told=task.told,
        counted=known.counted,
    )
    facts = activation_facts(
        look(
            profile,
            tenant=task.tenant,
            now=task.at,
            roaming_max_age=ours.roaming_max_age_s,
            policy=policy,
            ring=ours.keys.ring,
        ),
        target,
        line.conditions,
        asking=device_of(task.ask.terminal),
        proof=_proof(task, line.conditions),
        holder_proof=_holder_proof(task, line.conditions),
        risk=known.risk,
        policy=policy,
        lists=ours.lists,
        times=times_of(profile, now=task.at),
        at=task.at,
    )
    decision = decide(policy, AppId(task.app_id), facts)
    result, reason, limited = decision.result, decision.reason, False
    if result is Result.STEP_UP:
        if Way(task.proof) is not Way.SIM:
            result, reason = Result.DENIED, "step_up_not_possible"
        elif not ours.step_ups[tenant].offered(task.app_id, task.subscription):
            result, reason = Result.DENIED, "step_up_not_offered"
    if known.judged is not None and not known.judged.qualified and result is not Result.DENIED:
        result, reason = Result.DENIED, UNQUALIFIED
    if result in (Result.ALLOWED, Result.STEP_UP):
        limit = _limit(line, target, former, known)
        if limit:
            result, reason, limited = Result.DENIED, limit, True
    return Weighed(
        result,
        reason,
        limited,
        Verdict((decision,), push_verdict(facts, (decision,))),
        _times(facts),
        {} if limited else decision.texts,
    )


def meant(there: Order | None, target: Target) -> Meant:
    """Return what the order is to a request that it finds at its place."""
    device = target.device
    if there is None or there.state is OrderState.ENDED or device is None:
        return Meant.NOTHING
    # Who handed an order in may know its device by the EID alone.
    if there.device.terminal_id not in ("", device.terminal_id) or (
        there.device.eid != device.eid and not (target.beforehand and device.eid is None)
    ):
        return Meant.ANOTHERS
    if target.kind is Kind.RECOVER and there.iccid == target.old_iccid:
        # Its profile is gone from the device: what it stood for is over.
        return Meant.NOTHING
    return Meant.ITS_OWN


def decide(policy: Policy, app_id: AppId, facts: Facts) -> Decision:
    """Return what the policy says of an application's eSIMs."""
    return policy.decide(Question(FEATURES[app_id], facts.area.value), facts)


def activation_facts(
    view: View,
    target: Target,
    conditions: Conditions,
    *,
    asking: DeviceFact,
    proof: Way,
    holder_proof: Way,
    risk: Risk,
    policy: Policy,
    lists: DeviceLists,
    times: dict[str, int],
    at: int,
) -> Facts:
    """Return everything that rules about eSIMs may look at."""
    device = target.device
    seen = asking if device is None else device_fact(device)
    tac_list = eid_list = _NOT_NAMED
    if device is not None:
        tac_list = lists.of_tac(conditions.tac_list, seen.tac)
        eid = device.eid.digits if device.eid is not None else ""
        if eid or not target.beforehand:
            eid_list = lists.of_eid(conditions.eid_list, eid)
    return replace(
        gather(view, seen, policy=policy, times=times),
        kind=Fact(target.kind, REQUEST),
        proof=Fact(proof, REQUEST),
        holder_proof=Fact(holder_proof, REQUEST),
        sim_age_h=_hours(risk.sim_since, at),
        imei_age_h=_hours(risk.imei_since, at),
        port_freeze=risk.port_freeze,
        prepaid=risk.prepaid,
        number_type=risk.number_type,
        tac_list=tac_list,
        eid_list=eid_list,
    )


def device_fact(device: Device) -> DeviceFact:
    """Return a device as rules look at it."""
    tac = Imei.tac_of(device.terminal_id)
    return DeviceFact(tac, device.vendor, device.model, device.sw_version)


def doubts_about(target: Target) -> tuple[str, ...]:
    """Return which identifiers have wrong check digits: ``imei``, ``eid``, ``iccid``."""
    device, found = target.device, []
    if device is not None:
        try:
            imei = Imei(device.terminal_id)
        except InvalidIdentity:
            pass  # a UUID, which has none
        else:
            found += [] if imei.is_sound else ["imei"]
        if device.eid is not None and not device.eid.is_sound:
            found.append("eid")
    if target.old_iccid is not None and not target.old_iccid.is_sound:
        found.append("iccid")
    return tuple(found)


def _limit(line: Line, target: Target, former: Mapping[str, Order], known: Known) -> str:
    """Return what is against one more order though the rules allow it; empty = nothing."""
    if known.is_another_s:
        return "iccid_of_another"
    room = line.most + leaving(target, former)
    if target.kind is Kind.SUBSCRIBE and len(_others(target, former)) >= room:
        return TOO_MANY
    return exceeded(line.conditions.pace, known.used)


def leaving(target: Target, former: Mapping[str, Order]) -> int:
    """Return how many devices give up theirs for this one: they are not counted beside it."""
    others = _others(target, former)
    if target.old_iccid is not None:
        return sum(order.iccid == target.old_iccid for order in others)
    return int(target.selects and any(order.state in ON_DEVICE for order in others))


def _others(target: Target, former: Mapping[str, Order]) -> list[Order]:
    return [
        order
        for place, order in former.items()
        if place != target.place and order.state is not OrderState.ENDED
    ]


def _proof(task: Task, conditions: Conditions) -> Way:
    """Return how whoever asks was proved."""
    way = Way(task.proof)
    return _holder_proof(task, conditions) if way is Way.SIM else way


def _holder_proof(task: Task, conditions: Conditions) -> Way:
    """Return how the holder was proved who asks, or lent a token; a sign-in of long ago is none."""
    old = task.at > task.signed_in_at + conditions.sign_in_life_s
    return Way.SIM if old and task.signed_in in SIGNED_IN else task.signed_in


def _hours(since: Fact[int | None], at: int) -> Fact[int | None]:
    hours = None if since.value is None else max(0, at - since.value) // 3600
    return Fact(hours, since.source, since.at)


def _times(facts: Facts) -> dict[str, int]:
    """Return when the sources of the facts told them."""
    told = (getattr(facts, name) for name in (*sorted(ACTIVATION), "plan"))
    return {fact.source: fact.at for fact in told if fact.at is not None}
