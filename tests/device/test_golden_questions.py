"""What a phone is told that asks first, or deletes first: whole documents (``make golden``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Golden
from tests.device.harness import JSON, XML, Answer, Workbench
from tests.device.partner import operate
from tests.device.test_deletion_first import NEW, OLD_PHONE, Moving, moving
from tests.device.test_golden_esim import file_of, shown
from tests.device.test_questions import PHONE, WRONG, Asked, asking

each_form = pytest.mark.parametrize("wanted", [XML, JSON])
each_inquiry = pytest.mark.parametrize("inquiry", ["confirmation", "pin"])


async def order(world: Asked, wanted: str, **more: str) -> Answer:
    phone = world.phone.but(wanted=wanted)
    parameters = {"operation_type": "0"} | PHONE | more
    return await operate(phone, world.token, "ManageSubscription", **parameters)


@each_form
@each_inquiry
@pytest.mark.conforms("ap2009.SubscriptionResult=8", "ap2009.MSG/*")
async def test_a_question(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    inquiry: str,
    wanted: str,
) -> None:
    async with asking(bench, monkeypatch, f'ask_new = "{inquiry}"') as world:
        await world.set_pin()
        golden(file_of("ap2009", f"asks-{inquiry}", wanted), shown(await order(world, wanted)))


@each_form
@each_inquiry
@pytest.mark.conforms("ap2009.PrimaryConfiguration/MSG/*")
async def test_a_configuration_with_a_question(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    inquiry: str,
    wanted: str,
) -> None:
    async with asking(bench, monkeypatch, f'ask_new = "{inquiry}"') as world:
        await world.set_pin()
        await order(world, JSON)
        answer = await operate(world.phone.but(wanted=wanted), world.token, "AcquireConfiguration")
        golden(file_of("ap2009", f"configuration-asks-{inquiry}", wanted), shown(answer))


@each_form
@each_inquiry
@pytest.mark.conforms("ap2009.PrimaryConfigurations/PrimaryConfiguration/MSG/*")
async def test_configurations_with_a_question(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
    inquiry: str,
    wanted: str,
) -> None:
    settings = f'ask_new = "nothing"\nask_transfer = "{inquiry}"'
    async with asking(bench, monkeypatch, settings) as world:
        await world.set_pin()
        await order(world, JSON)
        await order(world, JSON, operation_type="3", **NEW)
        answer = await operate(world.phone.but(wanted=wanted), world.token, "AcquireConfiguration")
        golden(file_of("ap2009", f"configurations-ask-{inquiry}", wanted), shown(answer))


@each_form
async def test_a_wrong_answer(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, wanted: str
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        await world.set_pin()
        await order(world, JSON)
        golden(file_of("ap2009", "wrong-pin", wanted), shown(await order(world, wanted, **WRONG)))


@each_form
async def test_a_general_error(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, golden: Golden, wanted: str
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        golden(file_of("ap2009", "no-pin", wanted), shown(await order(world, wanted)))


async def transferred(world: Moving, wanted: str) -> Answer:
    """Ask from the old phone that the line moves."""
    phone = world.phone.but(terminal_id=OLD_PHONE)
    token = await phone.token()
    return await operate(
        phone.but(wanted=wanted),
        token,
        "ManageSubscription",
        operation_type="3",
        old_terminal_id=OLD_PHONE,
        old_terminal_iccid=world.iccid,
        **NEW,
    )


@each_form
@pytest.mark.parametrize(
    ("old_profile", "case"), [("deleted", "delete-first"), ("reused", "redownloadable-mandatory")]
)
async def test_a_deletion_first(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    golden: Golden,
    old_profile: str,
    case: str,
    wanted: str,
) -> None:
    async with moving(bench, monkeypatch, tmp_path, old_profile) as world:
        golden(file_of("ap2009", case, wanted), shown(await transferred(world, wanted)))
