"""AcquireConfiguration: what devices have, and how far it is (TS.43 §6.5.5).

A device that waits for its profile asks by this again and again, and is told how long to wait.
"""

from __future__ import annotations

from simgrant.domain.order import Order, OrderState
from simgrant.flows import enterprise, esim, transfers
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.spec.ids import AppId
from simgrant.wire.document import Characteristic, CharacteristicList, Item, Parm


async def run(task: Task, means: Means) -> Done | Refused:
    """Return every configuration that is asked for; nothing at all where there is none.

    What has ended is told to the device that asks for it, so that it learns of it, and not in
    lists.
    """
    try:
        wanted = await _wanted(task, means)
    except esim.BadParameter as error:
        return esim.bad_parameter(error)
    told: list[tuple[Item, ...]] = []
    for order in wanted:
        members = await esim.configuration(task, means, order)
        if task.app_id == AppId.ODSA_COMPANION:
            members = (*members, _device(order))
        told.append(members)
    if not told:
        return Done()
    if task.app_id == AppId.ODSA_COMPANION:
        each = tuple(Characteristic("CompanionConfiguration", members) for members in told)
        return Done((CharacteristicList("CompanionConfigurations", each),))
    if len(told) == 1:
        # Android reads no list (AOSP has no path for one).
        return Done((Characteristic("PrimaryConfiguration", told[0]),))
    second = Parm("SecondaryICCID", "1")
    several = (told[0], *((*members, second) for members in told[1:]))
    each = tuple(Characteristic("PrimaryConfiguration", members) for members in several)
    return Done((CharacteristicList("PrimaryConfigurations", each),))


async def _wanted(task: Task, means: Means) -> list[Order]:
    prefix = esim.prefix_of(task)
    known = transfers.of_holder(task, (await esim.orders(task, means)).values())
    # Of what is asked on a page nobody knows yet what it will be, but for what is there already.
    there = [each for each in known if each.state is not OrderState.AT_PORTAL or each.handed_in]
    iccid = esim.iccid_in(task, f"{prefix}_iccid", "terminal_iccid")
    if iccid is not None:
        return [order for order in there if order.iccid == iccid]
    if task.ask.value(f"{prefix}_id").strip():
        device = esim.device_in(task, prefix)
        return [
            order
            for order in there
            if order.device.terminal_id == device.terminal_id or esim.is_same(order.device, device)
        ]
    return [order for order in there if order.state is not OrderState.ENDED]


def _device(order: Order) -> Characteristic:
    """Return what a client that shows no web pages needs to name the companion."""
    device = order.device
    items = [
        Parm("CompanionTerminalFriendlyName", device.name),
        Parm("CompanionTerminalVendor", device.vendor),
    ]
    if device.model:
        items.append(Parm("CompanionTerminalModel", device.model))
    if device.eid is not None:
        items.append(Parm("CompanionTerminalEid", device.eid.digits))
    return Characteristic("CompanionDeviceInfo", tuple(items))


OPERATION = from_table(
    __name__, run, for_requestor=enterprise.operation(enterprise.acquire_configuration)
)
