"""An eSIM order: what is wanted for which device, how far it is, and what comes next (ADR 0028).

``step`` takes an order and something that happened, and returns the order as it is then. It is
pure and total: an event that does not fit where the order is raises `OutOfOrder` and nothing
changes. What has to be done at the SM-DP+, or at the BSS where that orders the profiles, is the
order's `todo`; whoever wrote the order down does it and comes back with what became of it. What
others have to do is what it `awaits`.

::

    at_portal --Chosen-----> ordered --Downloaded, Confirmed--> released --Installed--> active
    asked ----Answered-----> ordered                                                    |  ^
    deleting -OldDeleted---> ordered                                      Deactivated   v  |
                                                                          Activated  inactive
                          (where the network has a part in these two: once it has `Switched`)
    any of these --GivenUp, Unsubscribed, Polled too often--> ended

Where the old profile has to be gone first, what was chosen or answered leads to ``deleting``. Where
that profile is used again, it is given back to the SM-DP+ before it is ordered anew. A profile that
the BSS orders is `Delivered`, perhaps long after it said `Later`, or `Declined`; one on hold is
released by `Opened`, once it was `Cleared`.

An order that ends after a profile was ordered for it still has that to be cancelled; before that,
and where its profile was used, a service that the network has on for it is to go off.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, TypeAlias

from simgrant.identities import Eid, Iccid
from simgrant.nouns import Word, noun, replace

LINE: Final = "line"
"""The place of an order that moves the line itself; every other is of the device that gets it. A
line that moves again has the place that follows (`domain.line`)."""
ASIDE: Final = "aside "
"""How places begin of orders whose own place another has, while something is left to do."""
MOST_REPEATS: Final = 8
"""How often a step whose outcome is unknown is repeated before it is given up."""


class OrderState(Word):
    """How far an order is (TS.43 §6; the states of its figures)."""

    AT_PORTAL = "at_portal"
    """The subscriber is asked on the web page."""
    ASKED = "asked"
    """The subscriber is asked by a message on the device (MSG)."""
    DELETING = "deleting"
    """The profile in use on the old device has to be deleted first."""
    ORDERED = "ordered"
    """The SM-DP+ is to make the profile ready."""
    RELEASED = "released"
    """The device may download it."""
    ACTIVE = "active"
    """It is installed, and its service is on."""
    INACTIVE = "inactive"
    """Its service is off, and may be switched on again."""
    ENDED = "ended"
    """It will never be used again."""


UNDER_WAY: Final = frozenset(
    {OrderState.AT_PORTAL, OrderState.ASKED, OrderState.DELETING, OrderState.ORDERED}
)
"""The states in which nothing can be downloaded yet."""
LIVE: Final = frozenset(
    {OrderState.ORDERED, OrderState.RELEASED, OrderState.ACTIVE, OrderState.INACTIVE}
)
"""The states of orders that have, or will have, a profile: what a limit of devices counts."""
ON_DEVICE: Final = frozenset({OrderState.RELEASED, OrderState.ACTIVE, OrderState.INACTIVE})
"""The states of orders whose profile is on the device, or may be."""


class OrderMode(Word):
    """Who orders the profile."""

    ECS = "ecs"
    """We, of an SM-DP+."""
    BSS = "bss"
    """The operator's business support system, which we ask and which hands the profile in."""


class Todo(Word):
    """What is to be done at the SM-DP+ (SGP.22 §5.3), or at the BSS in its place."""

    RETURN = "return_profile"
    """Give the deleted profile back (cancelOrder), so that it can be ordered for another eUICC."""
    DOWNLOAD = "download_order"
    CONFIRM = "confirm_order"
    RELEASE = "release_profile"
    """Somebody has said that the device may have what was confirmed without being released."""
    SETTLE = "settle"
    """Wait: this SM-DP+ has a profile ready only some time after it said so."""
    CANCEL = "cancel_order"
    ASK_BSS = "ask_bss"
    """The BSS is to order a profile."""
    TAKE_BACK = "take_back"
    """The BSS is to take back what it ordered or handed in, and nobody uses."""
    TELL_BSS = "tell_bss"
    """The BSS is to know the state, or the plan, of what it handed in."""
    SWITCH = "switch"
    """Its service is to go on or off in the network, which the order's state follows."""


_REPEATED: Final = frozenset({Todo.CANCEL, Todo.TAKE_BACK, Todo.TELL_BSS, Todo.SWITCH})
"""What is repeated until it was heard: no order ends for want of an answer to it."""


class Awaited(Word):
    """What somebody else has to do before an order goes on, or before it can be forgotten."""

    PROFILE = "profile"
    """The BSS is to hand the profile in."""
    RELEASE = "release"
    """Somebody is to say that the device may have its profile."""
    RETURN = "return"
    """The BSS is to say that it has taken back what nobody uses."""


class Kind(Word):
    """What was asked for (TS.43 §6.2, operation_type)."""

    SUBSCRIBE = "subscribe"
    TRANSFER = "transfer"
    RECOVER = "recover"


class Inquiry(Word):
    """What is asked before there is a profile to be had: by a message (MSG), or on a page."""

    CONFIRMATION = "confirmation"
    """Whether it is wanted."""
    PIN = "pin"
    """The PIN of the account, too."""
    PAGE = "page"
    """On a page, though its profile is there already."""


class CompanionService(Word):
    """TS.43 §6.2, companion_terminal_service: whose number a companion has."""

    SHARED = "SharedNumber"
    DIFFERENT = "DiffNumber"
    FAMILY = "FamilyNumber"


class Trouble(Word):
    """Why the SM-DP+, or the BSS, did not do what it was asked to (SGP.22 §5.2.6)."""

    NOT_REACHED = "not_reached"
    """It surely never heard of it."""
    UNKNOWN = "unknown"
    """Nobody can say whether it did."""
    OUT_OF_STOCK = "out_of_stock"
    IN_USE = "in_use"
    """The ICCID or the matching id has been ordered already."""
    OTHER_EID = "other_eid"
    """The profile belongs to another eUICC."""
    DONE_ALREADY = "done_already"
    """It is beyond the state that was asked for."""
    REFUSED = "refused"
    """It will not, however often it is asked: somebody has to mend something."""


@noun
class Device:
    """Who gets the profile, as the request says it."""

    terminal_id: str = field(repr=False)
    """IMEI or UUID."""
    eid: Eid | None
    vendor: str = ""
    model: str = ""
    sw_version: str = ""
    name: str = ""
    """companion_terminal_friendly_name: text of a stranger's, to be shown escaped only."""


@noun
class Source:
    """Where a profile comes from, who chooses its ICCID, and when it may be downloaded."""

    smdp: str
    """The SM-DP+'s name in the settings; empty where the BSS orders."""
    profile_type: str
    pooled: bool = True
    """Whether the ICCID is reserved from our own stock; else the SM-DP+ chooses one."""
    mode: OrderMode = OrderMode.ECS
    hold: bool = False
    """Whether it is released only once somebody says so (pay, then release)."""


@noun
class Order:
    """One order, as its row has it."""

    order_id: str
    """32 hex digits."""
    app_id: str
    kind: Kind
    place: str
    """What begins with `LINE`, or the device: unique within the subscription."""
    state: OrderState
    device: Device
    source: Source
    matching_id: str = field(repr=False)
    """Made by us, so that no answer has to be had to know it; a secret until it was used."""
    created_at: int
    changed_at: int
    """Unix seconds."""
    version: int = 0
    """Counts the transitions."""
    todo: Todo | None = None
    call_id: str = ""
    """The function call identifier of ``todo``, the same however often it is repeated."""
    begun: bool = False
    """Whether a call for ``todo`` is under way, or was when a process ended."""
    tries: int = 0
    """How often ``todo`` was tried and failed."""
    doubtful: bool = False
    """Whether a former try of ``todo`` may have been heard."""
    iccid: Iccid | None = None
    smdp_address: str = ""
    plan: str = ""
    service: CompanionService | None = None
    old_iccid: Iccid | None = None
    """The profile that this one takes the place of."""
    old_order_id: str = ""
    """The order that has that profile; empty where it is none of ours."""
    old_terminal_id: str = field(default="", repr=False)
    """The phone that the line leaves, where that is known."""
    asked_by: str = field(default="", repr=False)
    """The terminal that asked for a transfer, where it is not the phone that the line leaves: its
    tokens outlive that."""
    selects: bool = False
    """Whether it takes the place of another companion, which is chosen on its page."""
    lent: str = ""
    """The id, in hex, of the temporary token that it was asked for with: what becomes of the order
    becomes of that."""
    old_first: bool = False
    """Whether it still has to be deleted before anything is ordered."""
    reuses: bool = False
    """Whether it is ordered again then, in the place of another one."""
    redownloadable: bool = False
    """Whether the device says that it could do with that."""
    inquiry: Inquiry | None = None
    """What the subscriber is asked, or was."""
    waiting: bool = False
    """Whether the device was told to wait: it is told when there is something new."""
    polls: int = 0
    """How often a device asked whether it is ready."""
    reason: str = ""
    """Why it ended, or why its last step failed; a word for the operator."""
    orphan: bool = False
    """Whether the SM-DP+ may have given a profile that nobody knows the ICCID of."""
    gone: bool = False
    """Whether the device deleted the profile; what it stood for may be had anew."""
    spared: bool = False
    """Whether it ended without its ICCID being used: that may be given to another order."""
    awaits: Awaited | None = None
    cleared: bool = False
    """Whether somebody has said that a profile on hold may be released."""
    code_oid: str = ""
    """What an activation code that was handed in has besides (SGP.22 §4.1)."""
    code_confirmed: bool = False
    """Whether such a code wants a confirmation code to be typed."""
    going: OrderState | None = None
    """ACTIVE or INACTIVE, where the network is asked to have it so; its own state, where that is
    to be put back; None = nobody is asked. Of an order that has ended, INACTIVE, or ENDED where its
    profile is to be given back once the service is off."""
    going_until: int = 0
    """Unix seconds at which that has taken too long; 0 = never, since it has ended."""
    watch: str = ""
    """What tells in the network how far that is; empty = it is to be asked for anew."""
    switched: bool = False
    """Whether the network may have its service on, by our asking or since it was installed: at its
    end it goes off."""
    forget_at: int = 0
    """Unix seconds at which it is given up whatever is left to be done, since it is nobody's any
    more; 0 = it is its owner's."""

    @property
    def is_aside(self) -> bool:
        """Whether it has ended and another has its place: something is left to be done for it."""
        return self.place.startswith(ASIDE)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done for it, of those that have ended.

        What a BSS has taken over is its own to do, where nobody is here to be told of it.
        """
        waits = self.awaits is not None and not self.forget_at
        return self.todo is None and not (waits or self.orphan)

    @property
    def handed_in(self) -> bool:
        """Whether its profile was ordered by another system, and is there."""
        return self.source.mode is OrderMode.BSS and self.iccid is not None


# --- what happens to it -------------------------------------------------------------------


@noun
class Chosen:
    """The subscriber has decided on the web page; what is empty stays as it was asked for."""

    plan: str = ""
    service: CompanionService | None = None
    name: str = ""
    """What the device is to be called."""
    source: Source | None = None
    """Where profiles of the plan come from."""
    old_iccid: Iccid | None = None
    """The profile whose place this one takes."""
    old_terminal_id: str = field(default="", repr=False)
    old_order_id: str = ""
    """Its order, where the profile has to be deleted first."""
    reuses: bool = False
    """Whether it is ordered again then."""


@noun
class Answered:
    """The subscriber has answered the message on the device."""

    accepted: bool


@noun
class OldDeleted:
    """The profile on the old device is gone."""


@noun
class Deleted:
    """The device deleted the profile, says the SM-DP+."""


@noun
class Replaced:
    """Another order has taken its place, and its profile was deleted."""


@noun
class Begun:
    """The call for what is to be done is about to be made; it is made once this is kept."""


@noun
class Downloaded:
    """downloadOrder was executed; this is the profile."""

    iccid: Iccid
    remembered: bool = True
    """Whether the SM-DP+ knows a call that comes again, and then gives nothing twice."""


@noun
class Confirmed:
    """confirmOrder was executed."""

    smdp_address: str
    matching_id: str = field(default="", repr=False)
    """The one that counts, where it is not ours."""
    delay: bool = False
    """Whether the profile is ready only after a while."""


@noun
class Settled:
    """That while is over."""


@noun
class Cleared:
    """Somebody says that a profile on hold may be released."""


@noun
class Opened:
    """releaseProfile was executed."""

    delay: bool = False
    """As for `Confirmed`."""


@noun
class Cancelled:
    """cancelOrder was executed."""


@noun
class Later:
    """The BSS has taken over what it was asked for, and comes back by itself."""


@noun
class Delivered:
    """The BSS hands a profile in."""

    iccid: Iccid
    smdp_address: str
    matching_id: str = field(default="", repr=False)
    """Empty = the device is told the address, and the SM-DP+ knows it by its EID."""
    oid: str = ""
    needs_confirmation: bool = False


@noun
class Declined:
    """The BSS will give no profile."""

    reason: str


@noun
class Told:
    """The BSS knows the state."""


@noun
class Failed:
    """What was to be done at the SM-DP+ or the BSS was not, or nobody knows."""

    trouble: Trouble
    reason: str = ""


@noun
class Delayed:
    """The device was told that it takes longer."""


@noun
class Polled:
    """A device asked whether it is ready, and it is not."""

    most: int
    """How often it may."""


@noun
class Installed:
    """The device, or the SM-DP+ in its name, says that the profile is installed."""

    by_network: bool = False
    """Whether the network switches services of devices: this one is on there by now, whoever had it
    switched on, and goes off at the end."""


@noun
class Activated:
    """The service is to be on."""

    until: int = 0
    """Unix seconds by which the network is to have it so; 0 = the network has no part in it."""


@noun
class Deactivated:
    """The service is to be off, for now."""

    until: int = 0
    """As for `Activated`."""


@noun
class Switching:
    """The network is switching the service."""

    watch: str
    """What tells how far it is."""
    again_s: float
    """Seconds after which to look again."""


@noun
class Switched:
    """The network has the service as it was to be."""


@noun
class SwitchedLate:
    """The network took too long to switch the service: nobody knows how it is."""

    until: int
    """Unix seconds by which it is to be as it was before."""


@noun
class PlanChanged:
    """The plan is to be another; the profile stays."""

    plan: str


@noun
class Unsubscribed:
    """The subscriber wants no more of it."""


@noun
class GivenUp:
    """It took too long, or an operator ends it."""

    reason: str


@noun
class Found:
    """An operator has looked for the orphan, and settled it with the SM-DP+."""


@noun
class Forgotten:
    """What is left to be done for an order that is nobody's took too long."""


Event: TypeAlias = (
    Chosen
    | Answered
    | OldDeleted
    | Deleted
    | Replaced
    | Begun
    | Downloaded
    | Confirmed
    | Settled
    | Cleared
    | Opened
    | Cancelled
    | Later
    | Delivered
    | Declined
    | Told
    | Failed
    | Delayed
    | Polled
    | Installed
    | Activated
    | Deactivated
    | Switching
    | Switched
    | SwitchedLate
    | PlanChanged
    | Unsubscribed
    | GivenUp
    | Found
    | Forgotten
)


class OutOfOrder(ValueError):
    """The event does not fit where the order is; nothing has changed."""


def step(order: Order, event: Event, *, at: int, call_id: str) -> Order:
    """Return the order after an event at ``at`` (Unix seconds); raise `OutOfOrder`.

    ``call_id`` names the next call at the SM-DP+, should there be one that is not yet named.
    """
    after = _after(order, event)
    if after.todo is not None and not after.call_id:
        after = replace(after, call_id=call_id)
    return replace(after, version=order.version + 1, changed_at=at)


def left_of(order: Order, *, at: int, call_id: str, forget_at: int) -> Order | None:
    """Return what is left of an order whose owner is gone for good; None where nothing is.

    It has ended, has a place of its own, and knows of its device only what is needed to do what is
    left to be done.
    """
    if order.state is not OrderState.ENDED:
        order = step(order, GivenUp("line_gone"), at=at, call_id=call_id)
    if order.todo is None and not order.orphan:
        return None
    at_smdp = order.source.mode is OrderMode.ECS
    named = at_smdp and (order.todo is Todo.CANCEL or order.going is OrderState.ENDED)
    return Order(
        order_id=order.order_id,
        app_id=order.app_id,
        kind=order.kind,
        place=aside_of(order.order_id),
        state=order.state,
        device=Device("", order.device.eid if named or order.orphan else None),
        source=order.source,
        matching_id=order.matching_id if named else "",
        created_at=order.created_at,
        changed_at=order.changed_at,
        version=order.version,
        todo=order.todo,
        call_id=order.call_id,
        begun=order.begun,
        tries=order.tries,
        doubtful=order.doubtful,
        iccid=order.iccid,
        plan=order.plan,
        reason=order.reason,
        orphan=order.orphan,
        going=order.going,
        watch=order.watch,
        switched=order.switched,
        forget_at=order.forget_at or forget_at,
    )


def begin(order: Order, *, call_id: str) -> Order:
    """Return a new order with what is to be done first, if it need not wait for anybody."""
    if order.state is not OrderState.ORDERED:
        return order
    begun = _wanted(order)
    return begun if begun.todo is None else replace(begun, call_id=call_id)


def aside_of(order_id: str) -> str:
    """Return the place of an order that was set aside."""
    return f"{ASIDE}{order_id}"


def place_of(device: Device) -> str:
    """Return the place of an order for a device that gets a line of its own, or shares one."""
    return f"eid {device.eid.digits}" if device.eid else place_of_id(device.terminal_id)


def place_of_id(terminal_id: str) -> str:
    """Return the place of an order for a device that is known by its identity alone."""
    return f"id {terminal_id}"


def _after(order: Order, event: Event) -> Order:
    match order.state, event:
        case OrderState.AT_PORTAL, Chosen() as chosen:
            return _wanted(_chosen(order, chosen))
        case OrderState.ASKED, Answered(accepted):
            return _wanted(order) if accepted else _ended(order, "rejected")
        case OrderState.DELETING, OldDeleted():
            return _wanted(replace(order, old_first=False))
        case OrderState.RELEASED, Deleted():
            # Its installation may yet be told, or it was on another device before.
            return replace(order, gone=True)
        case ((OrderState.ACTIVE | OrderState.INACTIVE), Deleted()):
            return _ended(replace(order, gone=True), "deleted")
        case state, Replaced() if state in ON_DEVICE:
            order = _left_alone(order)
            return _off_first(order, _used(replace(order, reason="replaced"), OrderState.ENDED))
        case ((OrderState.ORDERED | OrderState.DELETING), Delayed()):
            return replace(order, waiting=True)
        case ((OrderState.ORDERED | OrderState.DELETING), Polled(most)):
            polled = replace(order, polls=order.polls + 1)
            return _ended(polled, "polled_too_often") if polled.polls >= most else polled
        case ((OrderState.RELEASED | OrderState.ACTIVE), Installed(by_network)):
            on = order.switched or by_network
            return _used(replace(order, gone=False, switched=on), OrderState.ACTIVE)
        case state, Activated(until) if state in ON_DEVICE:
            return _on_its_way(order, OrderState.ACTIVE, until)
        case state, Deactivated(until) if state in ON_DEVICE:
            return _on_its_way(order, OrderState.INACTIVE, until)
        case state, PlanChanged(plan) if state in LIVE:
            changed = replace(order, plan=plan)
            return _retold(changed) if state in ON_DEVICE else changed
        case OrderState.ENDED, Downloaded(iccid, remembered) if order.orphan and not order.iccid:
            # It was given up while the call was under way: now it has a name to be cancelled by.
            known = replace(order, iccid=iccid, orphan=order.doubtful and not remembered)
            return _next(known, Todo.CANCEL)
        case OrderState.ENDED, Forgotten() if order.forget_at:
            return replace(_next(order, None), orphan=False)
        case _, Found() if order.orphan:
            return replace(order, orphan=False)
        case OrderState.ORDERED, Cleared() if order.source.hold and not order.cleared:
            cleared = replace(order, cleared=True)
            return _confirmed(cleared) if order.awaits is Awaited.RELEASE else cleared
        case OrderState.ORDERED, Delivered() if order.source.mode is OrderMode.BSS:
            return _released(_with_profile(order, event))
        case OrderState.ORDERED, Declined(reason) if order.source.mode is OrderMode.BSS:
            return replace(_next(order, None), state=OrderState.ENDED, reason=reason)
        case OrderState.ENDED, Cancelled() if order.awaits is Awaited.RETURN:
            return replace(_next(order, None), spared=True)
        case OrderState.ENDED, (Unsubscribed() | GivenUp()):
            raise OutOfOrder("it has ended")
        case _, Unsubscribed():
            return _ended(order, "unsubscribed")
        case _, GivenUp(reason):
            return _ended(order, reason)
    if order.todo is None:
        raise OutOfOrder(f"{type(event).__name__} in {order.state}")
    return _done(order, order.todo, event)


def _chosen(order: Order, chosen: Chosen) -> Order:
    return replace(
        order,
        plan=chosen.plan or order.plan,
        service=chosen.service or order.service,
        device=replace(order.device, name=chosen.name or order.device.name),
        source=chosen.source or order.source,
        old_iccid=chosen.old_iccid or order.old_iccid,
        old_terminal_id=chosen.old_terminal_id or order.old_terminal_id,
        old_order_id=chosen.old_order_id or order.old_order_id,
        old_first=order.old_first or chosen.old_order_id != "",
        reuses=order.reuses or chosen.reuses,
    )


def _done(order: Order, todo: Todo, event: Event) -> Order:
    """Return the order after something came of what was to be done at the SM-DP+."""
    match todo, event:
        case _, Begun():
            if order.begun:
                # Whoever began it ended, and nobody knows what became of the call.
                doubtful = replace(order, tries=order.tries + 1, doubtful=True)
                order = _unknown(doubtful, todo)
            return order if order.todo is not todo else replace(order, begun=True)
        case Todo.DOWNLOAD, Downloaded(iccid, remembered):
            if order.iccid not in (None, iccid):
                raise OutOfOrder("another ICCID than the one that was reserved")
            # A former try may have been given another profile, of which this call knows nothing.
            lost = order.iccid is None and order.doubtful and not remembered
            known = replace(order, iccid=iccid, orphan=order.orphan or lost)
            return _next(known, Todo.CONFIRM)
        case Todo.CONFIRM, Confirmed(address, matching_id, delay):
            confirmed = replace(
                order, smdp_address=address, matching_id=matching_id or order.matching_id
            )
            return _confirmed(confirmed, delay=delay)
        case Todo.RELEASE, Opened(delay):
            return _next(order, Todo.SETTLE) if delay else _released(order)
        case Todo.SETTLE, Settled():
            return _released(order)
        case ((Todo.CANCEL | Todo.TAKE_BACK), Cancelled()):
            return replace(_next(order, None), spared=True)
        case Todo.ASK_BSS, Later():
            return replace(_next(order, None), awaits=Awaited.PROFILE)
        case Todo.TAKE_BACK, Later():
            return replace(_next(order, None), awaits=Awaited.RETURN)
        case Todo.TELL_BSS, Told():
            return _next(order, None)
        case Todo.RETURN, Cancelled():
            return _returned(order, spared=True)
        case Todo.SWITCH, Switching(watch):
            return replace(order, watch=watch, begun=False, tries=0)
        case Todo.SWITCH, Switched() if order.state is OrderState.ENDED:
            return _switched_off(order)
        case Todo.SWITCH, Switched():
            state = order.going or order.state
            on = state is not OrderState.INACTIVE
            return _retold(replace(_left_alone(order), state=state, reason="", switched=on))
        case Todo.SWITCH, SwitchedLate(until) if order.state is not OrderState.ENDED:
            if order.going is order.state:
                return _retold(replace(_left_alone(order), reason="switch_unknown"))
            back = replace(_next(order, Todo.SWITCH), going=order.state, going_until=until)
            return replace(back, watch="", reason="switch_too_late")
        case _, Failed(trouble, reason):
            return _failed(order, todo, trouble, reason or trouble)
    raise OutOfOrder(f"{type(event).__name__} where {todo} is to be done")


def _on_its_way(order: Order, state: OrderState, until: int) -> Order:
    """Return the order whose service is to be so: at once, or once the network has it so."""
    if not until:
        return _used(_left_alone(order), state)
    if state is (order.going or order.state):
        return order
    asked = replace(_next(order, Todo.SWITCH), going=state, going_until=until, watch="", reason="")
    return replace(asked, switched=True)


def _left_alone(order: Order) -> Order:
    """Return the order of which nothing is asked of the network any more."""
    if order.todo is not Todo.SWITCH:
        return order
    return replace(_next(order, None), going=None, going_until=0, watch="")


def _off_first(before: Order, ended: Order) -> Order:
    """Return an order that has ended, with its service to go off before anything else is done."""
    if not before.switched:
        return ended
    given_back = before.state is OrderState.RELEASED and ended.todo in (Todo.CANCEL, Todo.TAKE_BACK)
    going = OrderState.ENDED if given_back else OrderState.INACTIVE
    return replace(_next(ended, Todo.SWITCH), going=going)


def _switched_off(order: Order) -> Order:
    """Return an order that has ended and whose service is off, or is nobody's to switch."""
    gives_back = order.going is OrderState.ENDED
    order = replace(_left_alone(order), switched=False)
    if not gives_back:
        return _retold(order)
    by_bss = order.source.mode is OrderMode.BSS
    return _next(order, Todo.TAKE_BACK if by_bss else Todo.CANCEL)


def _failed(order: Order, todo: Todo, trouble: Trouble, reason: str) -> Order:
    again = replace(order, tries=order.tries + 1, reason=reason, begun=False)
    if todo is Todo.SWITCH:
        # To switch again does no harm, so that nothing has to be known of a try.
        if trouble is not Trouble.REFUSED:
            return replace(again, watch=order.watch if trouble is Trouble.NOT_REACHED else "")
        if order.state is OrderState.ENDED:
            return _switched_off(order)
        return _retold(replace(_left_alone(order), reason=reason))
    if trouble is Trouble.NOT_REACHED:
        return again
    if trouble is Trouble.UNKNOWN:
        return _unknown(replace(again, doubtful=True), todo)
    if order.source.mode is OrderMode.BSS:
        return _refused_by_bss(order, todo, reason)
    if todo is Todo.RETURN and trouble is Trouble.DONE_ALREADY:
        # It needs no giving back, or was given back by a call whose answer was lost. If it is in
        # use all the same, the order of it will be refused.
        return _returned(again, spared=order.doubtful)
    if todo is Todo.RETURN:
        return replace(_next(again, None), state=OrderState.ENDED)
    if todo is Todo.CANCEL:
        # Given back already, by a call whose answer was lost, or not ours to give back.
        given_back = order.doubtful and trouble in (Trouble.DONE_ALREADY, Trouble.IN_USE)
        return replace(_next(order, None), reason=reason, spared=given_back)
    if todo is Todo.RELEASE and trouble is Trouble.DONE_ALREADY:
        return _released(order)
    if trouble in (Trouble.IN_USE, Trouble.DONE_ALREADY) and order.doubtful:
        # Our own call was heard, and its answer lost on the way: we chose what names it.
        return _heard(order, todo)
    if trouble is Trouble.OUT_OF_STOCK and todo is Todo.DOWNLOAD:
        return again
    if todo is Todo.DOWNLOAD and not order.doubtful:
        # Nothing was given for it, so nothing has to be given back. An ICCID in use is another's.
        ended = replace(_next(order, None), state=OrderState.ENDED, reason=reason)
        return replace(ended, spared=trouble is not Trouble.IN_USE)
    return _ended(order, reason)


def _unknown(order: Order, todo: Todo) -> Order:
    """Return the order after a try of which nobody knows whether it was heard."""
    if todo is Todo.DOWNLOAD and order.iccid is None and order.tries > 1:
        # Each repetition might be one profile more; of none we would know the name.
        ended = replace(_next(order, None), state=OrderState.ENDED, reason="orphan_suspected")
        return replace(ended, orphan=True)
    if order.tries >= MOST_REPEATS and todo not in _REPEATED:
        return _ended(order, order.reason)
    return order


def _refused_by_bss(order: Order, todo: Todo, reason: str) -> Order:
    refused = replace(_next(order, None), reason=reason)
    if todo is Todo.TAKE_BACK:
        # Somebody has to look at it: the profile may still be bound to the device.
        return replace(refused, awaits=Awaited.RETURN)
    return refused if todo is Todo.TELL_BSS else replace(refused, state=OrderState.ENDED)


def _heard(order: Order, todo: Todo) -> Order:
    """Return the order where what is to be done turns out to have been done."""
    match todo:
        case Todo.DOWNLOAD if order.iccid is not None:
            return _next(order, Todo.CONFIRM)
        case Todo.CONFIRM:
            return _confirmed(order)
    return _ended(order, "in_use")


def _returned(order: Order, *, spared: bool) -> Order:
    """Return the order after the old profile was given back, or need not be."""
    if order.state is OrderState.ENDED:
        return replace(_next(order, None), spared=spared)
    return _ordered(order)


def _wanted(order: Order) -> Order:
    """Return the order that nobody has to be asked about any more."""
    if order.old_first:
        # Whoever asked for it waits, whatever he is told: he learns of it once it is ready.
        return replace(order, state=OrderState.DELETING, waiting=True)
    if order.handed_in:
        return _released(order)
    if order.reuses and order.source.mode is OrderMode.ECS:
        back = replace(order, state=OrderState.ORDERED, iccid=order.old_iccid)
        return _next(back, Todo.RETURN)
    return _ordered(order)


def _ordered(order: Order) -> Order:
    by_bss = order.source.mode is OrderMode.BSS
    first = Todo.ASK_BSS if by_bss else Todo.DOWNLOAD
    return _next(replace(order, state=OrderState.ORDERED), first)


def _confirmed(order: Order, *, delay: bool = False) -> Order:
    """Return the order whose profile is confirmed: released by that, or on hold."""
    if not order.source.hold:
        return _next(order, Todo.SETTLE) if delay else _released(order)
    if order.cleared:
        return _next(order, Todo.RELEASE)
    return replace(_next(order, None), awaits=Awaited.RELEASE)


def _with_profile(order: Order, handed: Delivered) -> Order:
    return replace(
        order,
        iccid=handed.iccid,
        smdp_address=handed.smdp_address,
        matching_id=handed.matching_id,
        code_oid=handed.oid,
        code_confirmed=handed.needs_confirmation,
    )


def _used(order: Order, state: OrderState) -> Order:
    """Return the order whose profile is used, or not, from now on; the BSS knows of its own."""
    after = replace(order, state=state)
    return after if state is order.state else _retold(after)


def _retold(order: Order) -> Order:
    """Return the order of which a BSS that handed its profile in is to hear again."""
    if order.todo is Todo.SWITCH:
        # It hears of it once that is over.
        return order
    return _next(order, Todo.TELL_BSS) if order.source.mode is OrderMode.BSS else order


def _released(order: Order) -> Order:
    return replace(_next(order, None), state=OrderState.RELEASED, reason="")


def _ended(order: Order, reason: str) -> Order:
    """Return the order with no future: its service goes off, and its profile is given back where it
    may have one.
    """
    order = _left_alone(order)
    return _off_first(order, _given_up(order, reason))


def _given_up(order: Order, reason: str) -> Order:
    by_bss = order.source.mode is OrderMode.BSS
    heard = (
        order.state is OrderState.RELEASED
        or order.awaits is not None
        or order.handed_in
        or order.todo in (Todo.CONFIRM, Todo.RELEASE, Todo.SETTLE)
        or (order.todo in (Todo.DOWNLOAD, Todo.ASK_BSS) and (order.begun or order.doubtful))
    )
    ended = replace(order, state=OrderState.ENDED, reason=reason)
    if order.state in (OrderState.ACTIVE, OrderState.INACTIVE):
        return _retold(ended)
    if order.todo is Todo.RETURN:
        # A profile that is being given back still is.
        return ended
    if not heard:
        return replace(_next(ended, None), spared=True)
    if by_bss:
        return _next(ended, Todo.TAKE_BACK)
    if order.iccid is None:
        return replace(_next(ended, None), orphan=True, doubtful=order.doubtful)
    return _next(ended, Todo.CANCEL)


def _next(order: Order, todo: Todo | None) -> Order:
    return replace(order, todo=todo, call_id="", begun=False, tries=0, doubtful=False, awaits=None)
