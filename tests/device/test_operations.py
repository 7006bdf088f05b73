"""Operations of ap2014, from a phone and from a partner's server (TS.43 §6, §13)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import datetime

import pytest

from simgrant.domain.subscription import SubscriptionStatus
from simgrant.flows.lent_tokens import pull_lent
from simgrant.identities import Imsi
from simgrant.keyring.ring import Purpose
from simgrant.ports.store import Change, TokenState, TokenUse
from tests.device.harness import (
    ALLOWED,
    JSON,
    START,
    XML,
    Server,
    Workbench,
    new_subscription,
)
from tests.device.partner import NUMBER, Partner, app_of, number_phone, operate, temporary

DEFAULT = "default"


@pytest.mark.spec("TS.43 §8.1", "TS.43 §14.1.5")
@pytest.mark.conforms(
    "auth.authenticate-only",
    "ap2014.OperationResult",
    "ap2014.OperationResult=1",
    "ap2015.OperationResult",
    "ap2015.OperationResult=1",
)
@pytest.mark.parametrize("app", ["ap2014", "ap2015"])
async def test_a_request_without_operation_only_authenticates(server: Server, app: str) -> None:
    phone = number_phone(server, apps=(app,))
    answer = await phone.full()
    assert app_of(answer, app) == {"OperationResult": "1"}
    assert answer.object["Token"]["token"]


@pytest.mark.spec("TS.43 §13.1.1")
@pytest.mark.conforms(
    "request.operation",
    "operations.GetPhoneNumber",
    "operations.names-fold",
    "ap2014.MSISDN",
    "information.number-asked",
    "information.number-by-device",
    "document.APPLICATION/OperationResult",
    "document.APPLICATION/OperationResult=1",
    "divergence.operation-result-always",
    "annex.device-information",
)
async def test_a_phone_asks_for_its_number(server: Server) -> None:
    phone = number_phone(server)
    token = await phone.token()
    answer = await operate(phone, token, "GetPhoneNumber")
    assert app_of(answer, "ap2014") == {"OperationResult": "1", "MSISDN": NUMBER}
    assert answer.object["Token"]["token"] == token
    in_xml = await operate(phone.but(wanted=XML), token, "getphonenumber")
    assert in_xml.odsa.get("APPLICATION", "MSISDN") == NUMBER
    assert server.store.writes == ["decide_session"]


@pytest.mark.conforms("information.number-by-device", "annex.device-information")
async def test_a_phone_may_ask_and_authenticate_in_one(server: Server) -> None:
    phone = number_phone(server, extra=(("operation", "GetPhoneNumber"),))
    assert app_of(await phone.full(), "ap2014")["MSISDN"] == NUMBER


@pytest.mark.spec("TS.43 §13.1.2", "TS.43 §2.8.6")
@pytest.mark.conforms(
    "request.temporary_token",
    "request.operation_targets",
    "operations.AcquireTemporaryToken",
    "ap2014.TemporaryToken",
    "ap2014.TemporaryTokenExpiry",
    "ap2014.OperationTargets",
    "temporary-token.asked",
    "temporary.no-token-back",
    "temporary.reuse",
    "information.number-by-server",
    "annex.device-information",
    "divergence.temporary-token-once",
    "divergence.no-token-for-third-parties",
)
async def test_a_partner_redeems_a_temporary_token_once(server: Server) -> None:
    phone = number_phone(server)
    answer = await operate(
        phone,
        await phone.token(),
        "AcquireTemporaryToken",
        operation_targets="GetPhoneNumber",
    )
    acquired = app_of(answer, "ap2014")
    assert acquired["OperationTargets"] == "GetPhoneNumber"
    expiry = datetime.fromisoformat(acquired["TemporaryTokenExpiry"])
    assert expiry.timestamp() == START + 300
    assert len(acquired["TemporaryToken"]) < 4096
    assert server.store.writes == ["decide_session"]

    partner = Partner(server)
    answer = await partner.ask("GetPhoneNumber", temporary_token=acquired["TemporaryToken"])
    assert app_of(answer, "ap2014") == {"OperationResult": "1", "MSISDN": NUMBER}
    assert "Token" not in answer.object
    again = await partner.ask("GetPhoneNumber", temporary_token=acquired["TemporaryToken"])
    assert (again.status, again.content) == (401, b"authentication required")
    *_, first, second = await server.records()
    assert (first["leg"], first["operation"], first["operation_result"]) == (
        "temporary_token",
        "GetPhoneNumber",
        1,
    )
    assert second["outcome"] == "lent_token_spent"


@pytest.mark.conforms("divergence.temporary-token-once")
async def test_of_twenty_who_come_at_once_one_is_told(server: Server) -> None:
    phone, partner = number_phone(server), Partner(server)
    lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
    answers = await asyncio.gather(
        *(partner.ask("GetPhoneNumber", temporary_token=lent) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200, *[401] * 19]


@pytest.mark.conforms("temporary.bound", "temporary.malformed-400", "temporary.not-target-403")
async def test_what_is_refused_on_the_way_burns_nothing(server: Server) -> None:
    phone, partner = number_phone(server), Partner(server)
    lent = await temporary(phone, await phone.token(), "VerifyPhoneNumber")
    for status, answer in (
        (403, await partner.ask("GetPhoneNumber", temporary_token=lent)),
        (403, await Partner(server, app="ap2015").ask("VerifyPhoneNumber", temporary_token=lent)),
        (400, await partner.ask("VerifyPhoneNumber", temporary_token=lent)),
        (400, await partner.ask("VerifyPhoneNumber", temporary_token=lent, msisdn="nonsense")),
        (400, await partner.ask("", temporary_token=lent)),
        (200, await partner.ask("NoSuchOperation", temporary_token=lent)),
        (400, await partner.ask("VerifyPhoneNumber", temporary_token=lent, operator_token="x")),
    ):
        assert answer.status == status
    assert "use_token" not in server.store.writes
    answer = await partner.ask("VerifyPhoneNumber", temporary_token=lent, msisdn=NUMBER)
    assert app_of(answer, "ap2014")["PhoneNumberVerification"] == "1"


@pytest.mark.spec("TS.43 §13.2", "TS.43 §6.5.10")
@pytest.mark.conforms(
    "request.msisdn",
    "operations.VerifyPhoneNumber",
    "ap2014.PhoneNumberVerification",
    "ap2014.PhoneNumberVerification=0",
    "ap2014.PhoneNumberVerification=1",
    "ap2014.msisdn",
    "information.verified",
    "information.mismatch-is-success",
    "information.verify-asked",
)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NUMBER, {"PhoneNumberVerification": "1", "msisdn": NUMBER}),
        (NUMBER[1:], {"PhoneNumberVerification": "1", "msisdn": NUMBER[1:]}),
        ("+447700900002", {"PhoneNumberVerification": "0"}),
        (NUMBER[:-1], {"PhoneNumberVerification": "0"}),
    ],
)
async def test_a_number_is_verified(server: Server, given: str, expected: dict[str, str]) -> None:
    phone = number_phone(server)
    answer = await operate(phone, await phone.token(), "VerifyPhoneNumber", msisdn=given)
    assert app_of(answer, "ap2014") == {"OperationResult": "1", **expected}


@pytest.mark.conforms(
    "operations.bad-parameter-102",
    "operations.refusal-in-200",
    "document.APPLICATION/OperationResult=102",
)
@pytest.mark.parametrize("given", ["", "abc", "+4477009000010000", "١٢٣٤٥٦٧"])
async def test_a_device_is_told_of_a_bad_number_by_a_result(server: Server, given: str) -> None:
    phone = number_phone(server)
    answer = await operate(phone, await phone.token(), "VerifyPhoneNumber", msisdn=given)
    assert app_of(answer, "ap2014") == {"OperationResult": "102"}


@pytest.mark.spec("TS.43 §13.3.1", "TS.43 §6.5.11")
@pytest.mark.conforms(
    "operations.GetSubscriberInfo",
    "information.subscriber-asked",
    "information.subscriber-by-server",
    "ap2014.SubscriberInfo/MSISDN",
    "ap2014.SubscriberInfo/SimIdType",
    "ap2014.SubscriberInfo/SimID",
    "ap2014.SubscriberInfo/MvnoName",
)
@pytest.mark.parametrize(
    ("kind", "type_", "shape"),
    [
        pytest.param(
            "imsi",
            "0",
            ALLOWED.digits,
            marks=pytest.mark.conforms("ap2014.SubscriberInfo/SimIdType=0"),
        ),
        pytest.param(
            "uuid",
            "1",
            r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            marks=pytest.mark.conforms("ap2014.SubscriberInfo/SimIdType=1"),
        ),
        pytest.param(
            "hash",
            "2",
            "[0-9a-f]{64}",
            marks=pytest.mark.conforms("ap2014.SubscriberInfo/SimIdType=2"),
        ),
    ],
)
async def test_a_partner_is_told_of_the_subscriber(
    bench: Workbench, kind: str, type_: str, shape: str
) -> None:
    settings = f'[tenants.default]\nsim_id = "{kind}"\nmvno_name = "MVNO_1"\n'
    seen = []
    async with bench.opened(settings) as server:
        phone = number_phone(server)
        token = await phone.token()
        for _ in range(2):
            lent = await temporary(phone, token, "GetSubscriberInfo")
            answer = await Partner(server).ask("GetSubscriberInfo", temporary_token=lent)
            seen.append(app_of(answer, "ap2014")["SubscriberInfo"])
        by_phone = await operate(phone, token, "GetSubscriberInfo")
        assert by_phone.status == 403
    assert seen[0] == seen[1]
    assert re.fullmatch(shape, seen[0].pop("SimID"))
    assert seen[0] == {"MSISDN": NUMBER, "SimIdType": type_, "MvnoName": "MVNO_1"}


@pytest.mark.spec("TS.43 §6.5.7")
@pytest.mark.conforms(
    "request.operation_targets",
    "temporary-token.part-granted",
    "temporary-token.refused",
    "temporary.not-renewed",
    "divergence.expiry-with-refusal",
)
@pytest.mark.parametrize(
    ("targets", "result", "granted"),
    [
        ("GetPhoneNumber,VerifyPhoneNumber", "1", "GetPhoneNumber,VerifyPhoneNumber"),
        (" getphonenumber , getphonenumber", "1", "GetPhoneNumber"),
        ("GetPhoneNumber,AcquireTemporaryToken", "1", "GetPhoneNumber"),
        ("AcquireTemporaryToken", "100", None),
        ("GetSubscriberDeviceInfo", "100", None),
        ("NoSuchThing", "102", None),
        ("GetPhoneNumber,NoSuchThing", "102", None),
        (",", "100", None),
        ("", "102", None),
    ],
)
async def test_targets_are_granted_as_far_as_they_may_be(
    server: Server, targets: str, result: str, granted: str | None
) -> None:
    phone = number_phone(server)
    answer = await operate(
        phone, await phone.token(), "AcquireTemporaryToken", operation_targets=targets
    )
    found = app_of(answer, "ap2014")
    assert found["OperationResult"] == result
    assert found.get("OperationTargets") == granted
    assert ("TemporaryToken" in found) == (granted is not None)
    assert "TemporaryTokenExpiry" in found or not targets


@pytest.mark.conforms("operations.figures-understood")
async def test_the_misspellings_of_the_figures_are_understood(server: Server) -> None:
    phone = number_phone(server)
    answer = await operate(
        phone, await phone.token(), "AcquireTemporaryToken", operation_target="GetPhoneNumber"
    )
    assert app_of(answer, "ap2014")["OperationTargets"] == "GetPhoneNumber"


@pytest.mark.conforms(
    "operations.unknown-101",
    "operations.refusal-in-200",
    "document.APPLICATION/OperationResult=101",
)
@pytest.mark.parametrize(
    ("apps", "operation", "result"),
    [
        (("ap2014",), "NoSuchOperation", "101"),
        (("ap2014",), "ManageSubscription", "101"),
        (("ap2014",), "AcquireOperatorToken", "101"),
        (("ap2015",), "GetPhoneNumber", "101"),
    ],
)
async def test_what_is_no_operation_of_the_application_is_101(
    server: Server, apps: tuple[str, ...], operation: str, result: str
) -> None:
    phone = number_phone(server, apps=apps)
    answer = await operate(phone, await phone.token(), operation)
    assert app_of(answer, apps[0]) == {"OperationResult": result}
    assert (await server.records())[-1]["operation"] == "unknown"


async def test_an_operation_is_of_one_application(server: Server) -> None:
    phone = number_phone(server, apps=("ap2014", "ap2015"))
    answer = await operate(phone, await phone.token(), "GetPhoneNumber")
    assert answer.status == 400


@pytest.mark.conforms("divergence.operation-of-plain-service")
async def test_to_an_application_without_operations_the_parameter_means_nothing(
    server: Server,
) -> None:
    phone = number_phone(server, apps=("ap2004",))
    answer = await operate(phone, await phone.token(), "GetPhoneNumber")
    assert app_of(answer, "ap2004")["EntitlementStatus"] == "1"


@pytest.mark.spec("TS.43 §2.10", "TS.43 §13.1.1")
@pytest.mark.conforms("answers.operation-405", "information.no-number-405")
async def test_what_a_tenant_does_not_offer_is_405(bench: Workbench) -> None:
    async with bench.opened('[tenants.default]\nwithheld = ["getphonenumber"]\n') as server:
        phone = number_phone(server)
        token = await phone.token()
        assert (await operate(phone, token, "GetPhoneNumber")).status == 405
        answer = await operate(
            phone, token, "AcquireTemporaryToken", operation_targets="GetPhoneNumber"
        )
        assert app_of(answer, "ap2014")["OperationResult"] == "100"


@pytest.mark.conforms(
    "status.404", "temporary.not-found-404", "document.APPLICATION/OperationResult=100"
)
async def test_without_a_number_a_device_gets_a_result_and_a_partner_404(server: Server) -> None:
    imsi = Imsi("001010000000077")
    new = new_subscription(imsi, server.ring)
    await server.add(replace(new, subscription=replace(new.subscription, msisdn=None)))
    phone = number_phone(server, imsi=imsi)
    token = await phone.token()
    answer = await operate(phone, token, "GetPhoneNumber")
    assert app_of(answer, "ap2014") == {"OperationResult": "100"}
    lent = await temporary(phone, token, "GetPhoneNumber")
    answer = await Partner(server).ask("GetPhoneNumber", temporary_token=lent)
    assert answer.status == 404


async def test_a_suspended_subscription_has_no_operations(server: Server) -> None:
    phone, partner = number_phone(server), Partner(server)
    token = await phone.token()
    lent = await temporary(phone, token, "GetPhoneNumber")
    suspended = Change(status=SubscriptionStatus.SUSPENDED)
    await server.store.real.change(DEFAULT, ALLOWED, suspended, now=START)
    for answer in (
        await operate(phone, token, "GetPhoneNumber"),
        await partner.ask("GetPhoneNumber", temporary_token=lent),
    ):
        assert app_of(answer, "ap2014") == {"OperationResult": "100"}
    await server.store.real.change(
        DEFAULT, ALLOWED, Change(status=SubscriptionStatus.ACTIVE), now=START
    )
    assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 200


@pytest.mark.conforms("temporary.invalid-401")
async def test_revoking_reaches_what_was_lent(server: Server) -> None:
    phone, partner = number_phone(server), Partner(server)
    for terminal in (None, phone.terminal_id):
        lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
        await server.store.real.revoke_tokens(DEFAULT, ALLOWED, terminal)
        answer = await partner.ask("GetPhoneNumber", temporary_token=lent)
        assert answer.status == 401
        assert (await server.records())[-1]["outcome"] == "lent_token_revoked"


@pytest.mark.conforms("temporary.invalid-401")
async def test_a_temporary_token_is_over_after_its_life(bench: Workbench) -> None:
    async with bench.opened() as server:
        phone, partner = number_phone(server), Partner(server)
        lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
        bench.clock.advance(300)
        assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 401
        assert (await server.records())[-1]["outcome"] == "lent_token_expired"


@pytest.mark.conforms("temporary.reuse", "divergence.temporary-token-once")
async def test_where_the_operator_wants_it_a_token_is_good_until_it_is_over(
    bench: Workbench,
) -> None:
    settings = "[temporary_tokens]\nsingle_use = false\nlife_s = 600\n"
    async with bench.opened(settings) as server:
        phone, partner = number_phone(server), Partner(server)
        lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
        for _ in range(3):
            assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 200
        bench.clock.advance(600)
        assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 401


async def test_a_token_for_many_uses_ends_with_what_it_is_for(bench: Workbench) -> None:
    async with bench.opened("[temporary_tokens]\nsingle_use = false\n") as server:
        phone, partner = number_phone(server), Partner(server)
        text = await temporary(phone, await phone.token(), "GetPhoneNumber")
        opened = pull_lent(Purpose.TEMPORARY_TOKEN, text, server.parts.keys, now=bench.clock.now())
        assert opened is not None
        over = TokenUse(TokenState.CONSUMED, START, START + 300)
        _, lent = opened
        await server.store.real.use_token(DEFAULT, ALLOWED, lent.token_id, over, expected=None)
        assert (await partner.ask("GetPhoneNumber", temporary_token=text)).status == 401
        assert (await server.records())[-1]["outcome"] == "lent_token_spent"


@pytest.mark.conforms("request.requestor_id", "temporary.not-target-403")
async def test_a_token_is_bound_to_the_requestor_that_it_was_acquired_for(server: Server) -> None:
    phone = number_phone(server)
    lent = await temporary(phone, await phone.token(), "GetPhoneNumber", requestor_id="Partner-1")
    other = await Partner(server, requestor_id="partner-2").ask(
        "GetPhoneNumber", temporary_token=lent
    )
    assert other.status == 403
    assert (await Partner(server).ask("GetPhoneNumber", temporary_token=lent)).status == 200


async def test_nobody_asks_without_saying_who_he_is(server: Server) -> None:
    phone = number_phone(server)
    lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
    answer = await Partner(server, requestor_id="").ask(
        "GetPhoneNumber", temporary_token=lent, terminal_id=""
    )
    assert answer.status == 400


@pytest.mark.conforms("divergence.operation-result-always")
async def test_a_partner_of_googles_guide_gets_its_shape(bench: Workbench) -> None:
    async with bench.opened("[tenants.default]\npartner_json = true\n") as server:
        phone = number_phone(server)
        token = await phone.token()
        for accept in ("", "*/*", JSON):
            lent = await temporary(phone, token, "GetPhoneNumber")
            answer = await Partner(server, accept=accept).ask(
                "GetPhoneNumber", temporary_token=lent
            )
            assert answer.object.keys() == {"Vers", "ap2014"}
            assert answer.object["ap2014"] == {"MSISDN": NUMBER}
        lent = await temporary(phone, token, "GetPhoneNumber")
        answer = await Partner(server, accept=XML).ask("GetPhoneNumber", temporary_token=lent)
        assert answer.odsa.get("APPLICATION", "MSISDN") == NUMBER


async def test_a_push_registration_comes_with_an_operation_too(server: Server) -> None:
    phone = number_phone(server)
    answer = await operate(
        phone, await phone.token(), "GetPhoneNumber", notif_action="0", notif_token="t"
    )
    assert app_of(answer, "ap2014")["RegisterNotifStatus"] == "0"


@pytest.mark.spec("TS.43 §2.6")
@pytest.mark.conforms("notify.apps-of-notice")
async def test_nobody_is_told_of_an_application_that_has_nothing_to_tell(server: Server) -> None:
    push = (("notif_action", "2"), ("notif_token", "FCMTOK"))
    for app in ("ap2014", "ap2015", "ap2013"):
        phone = number_phone(server, apps=(app,))
        assert (await phone.fast(await phone.token(), extra=push)).status == 200
    await server.store.real.tell(DEFAULT, ALLOWED, at=START)
    due = await server.store.real.claim_notices(now=START, again_at=START + 60, limit=9)
    assert [notice.app_id for notice in due] == ["ap2013"]


async def test_a_burst_of_the_database_is_503_and_burns_nothing(server: Server) -> None:
    phone, partner = number_phone(server), Partner(server)
    lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
    server.store.down = True
    assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 503
    server.store.down = False
    assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 200


@pytest.mark.conforms(
    "temporary.invalid-401", "app-tokens.bad-401", "divergence.lent-token-statuses"
)
@pytest.mark.parametrize("name", ["temporary_token", "operator_token"])
@pytest.mark.parametrize(
    "text",
    ["x", "x" * 100, "x" * 4096, "٣" * 50, "=" * 60, "a.b.c", "<>" * 40, "A" * 43],
)
async def test_what_was_never_lent_is_401(server: Server, name: str, text: str) -> None:
    answer = await Partner(server).ask("GetPhoneNumber", **{name: text})
    assert (answer.status, answer.content) == (401, b"authentication required")
    assert server.store.asked == []


@pytest.mark.spec("TS.43 §2.8.6")
@pytest.mark.conforms("temporary.repeats-limited")
async def test_whoever_is_refused_time_and_again_has_to_wait(bench: Workbench) -> None:
    limits = "[limits]\nrefusals_burst = 3\nrefusals_per_minute = 60\n"
    async with bench.opened(limits) as server:
        phone, partner = number_phone(server), Partner(server)
        token = await phone.token()
        for status in (401, 401, 401, 503):
            answer = await partner.ask("GetPhoneNumber", temporary_token="x" * 60)
            assert answer.status == status
        assert answer.header("retry-after")
        lent = await temporary(phone, token, "GetPhoneNumber")
        assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 503
        bench.clock.advance(1)
        assert (await partner.ask("GetPhoneNumber", temporary_token=lent)).status == 200


async def test_a_number_is_not_found_out_by_trying(bench: Workbench) -> None:
    settings = "[limits]\nguesses_burst = 2\nguesses_per_minute = 60\n"
    settings += "[temporary_tokens]\nsingle_use = false\n"
    async with bench.opened(settings) as server:
        phone, partner = number_phone(server), Partner(server)
        lent = await temporary(phone, await phone.token(), "VerifyPhoneNumber")

        async def verified(number: str) -> int:
            answer = await partner.ask("VerifyPhoneNumber", temporary_token=lent, msisdn=number)
            return answer.status

        assert [await verified(NUMBER) for _ in range(5)] == [200] * 5
        assert [await verified("+15550100"), await verified("+15550101")] == [200, 200]
        assert await verified(NUMBER) == 503
        bench.clock.advance(1)
        assert await verified(NUMBER) == 200
