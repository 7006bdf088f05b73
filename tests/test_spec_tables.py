"""The tables and the code say the same: numbers, parameters, citations, statuses."""

from __future__ import annotations

import re
from collections import Counter
from enum import IntEnum, StrEnum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.facts import Facts
from simgrant.domain.policy import FEATURES, OF_SERVICES, Result
from simgrant.flows.operations import OPERATED, OPERATIONS
from simgrant.flows.operations.operation import REQUESTORS_APPS, Operation
from simgrant.fronts.device.answers import STATUS
from simgrant.services import SERVICES, Service, ServiceFlow
from simgrant.spec import ids
from simgrant.spec.load import DivergenceRow, tables
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Characteristic, CharacteristicList, Item
from tests.unit.domain.samples import all_facts
from tests.unit.services.samples import FLOW, enquiry, leaves, ruled

ROOT = Path(__file__).parents[1]
TABLES = tables()
ALL_SERVICES = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda each: each.name)


def values_of(app_id: str, path: str) -> dict[int, str]:
    return dict(SERVICES[app_id].parms[path].values)


def of_operation(name: str, path: str) -> dict[int, str]:
    return dict(OPERATIONS[name].parms[path].values)


_COMPANION = "CompanionConfigurations/CompanionConfiguration"
_BOOST = "DataBoostInfo/DataBoostInfoDetails"
_SATELLITE = "PLMNAllowed/AllowedServicesInfo/AllowedServices"
_RAT = "VoiceOverCellularEntitleInfo/RATVoiceEntitleInfoDetails"
ENUMS: list[tuple[type[IntEnum], dict[int, str]]] = [
    (ids.EntitlementStatus, dict(SERVICES["ap2004"].parms["EntitlementStatus"].values)),
    (ids.EntitlementStatus, dict(SERVICES["ap2005"].parms["EntitlementStatus"].values)),
    (ids.EntitlementStatus, dict(SERVICES["ap2003"].parms["EntitlementStatus"].values)),
    (ids.EntitlementStatus, dict(SERVICES["ap2003"].parms[f"{_RAT}/EntitlementStatus"].values)),
    (ids.AddrStatus, dict(SERVICES["ap2004"].parms["AddrStatus"].values)),
    (ids.TcStatus, dict(SERVICES["ap2004"].parms["TC_Status"].values)),
    (ids.ProvStatus, dict(SERVICES["ap2004"].parms["ProvStatus"].values)),
    (ids.AccessType, dict(SERVICES["ap2003"].parms[f"{_RAT}/AccessType"].values)),
    (ids.HomeRoamingNwType, dict(SERVICES["ap2003"].parms[f"{_RAT}/HomeRoamingNWType"].values)),
    (
        ids.OperationResult,
        dict(TABLES.answer_parms["APPLICATION", "OperationResult"].values),
    ),
    (
        ids.SimIdType,
        dict(OPERATIONS["getsubscriberinfo"].parms["SubscriberInfo/SimIdType"].values),
    ),
    (ids.PrivateUserIdType, dict(SERVICES["ap2013"].parms["PrivateUserIDType"].values)),
    (ids.DataAccessType, values_of("ap2010", "DataPlanInfo/DataPlanInfoDetails/AccessType")),
    (ids.BoostTypeStatus, values_of("ap2010", f"{_BOOST}/BoostTypeStatus")),
    (ids.DataUsageType, values_of("ap2010", "DataUsageInfo/DataUsageInfoDetails/DataUsageType")),
    (ids.SaStatus, values_of("ap2010", "5GSAInfo/5GSAInfoDetails/5GSAStatus")),
    (ids.BoostEntitlementStatus, values_of("ap2010", "EntitlementStatus")),
    (ids.BoostProvStatus, values_of("ap2010", "ProvStatus")),
    (ids.EntitlementStatus, values_of("ap2012", "EntitlementStatus")),
    (ids.TcStatus, values_of("ap2012", "TC_Status")),
    (ids.TcOperation, values_of("ap2012", "TC_Operation")),
    (ids.EntitlementStatus, values_of("ap2016", "EntitlementStatus")),
    (ids.OperationType, dict(TABLES.params["operation_type"].values)),
    (ids.Eligibility, of_operation("checkeligibility", "CompanionAppEligibility")),
    (ids.Eligibility, of_operation("checkeligibility", "PrimaryAppEligibility")),
    (ids.SubscriptionResult, of_operation("managesubscription", "SubscriptionResult")),
    (ids.ServiceStatus, of_operation("manageservice", "ServiceStatus")),
    (ids.ServiceStatus, of_operation("acquireconfiguration", f"{_COMPANION}/ServiceStatus")),
    (ids.ServiceStatus, of_operation("acquireconfiguration", "PrimaryConfiguration/ServiceStatus")),
    (ids.MsgButton, dict(TABLES.params["MSG_btn"].values)),
    (ids.NotifAction, dict(TABLES.params["notif_action"].values)),
    (
        ids.RegisterNotifStatus,
        dict(TABLES.answer_parms["APPLICATION", "RegisterNotifStatus"].values),
    ),
]


@pytest.mark.parametrize(("enum", "values"), ENUMS, ids=lambda each: getattr(each, "__name__", ""))
def test_numbers_are_those_of_the_table(enum: type[IntEnum], values: dict[int, str]) -> None:
    assert {member.value: member.name.lower() for member in enum} == values


WORDS: list[tuple[type[StrEnum], str, str]] = [
    (ids.IratCapability, "ap2003", f"{_RAT}/NetworkVoiceIRATCapability"),
    (ids.DataPlanType, "ap2010", "DataPlanInfo/DataPlanInfoDetails/DataPlanType"),
    (ids.DataPlanType, "ap2016", "PLMNAllowed/DataPlanType"),
    (ids.ServiceType, "ap2016", f"{_SATELLITE}/ServiceType"),
    (ids.ServicePolicy, "ap2016", f"{_SATELLITE}/ServicePolicy"),
]


@pytest.mark.parametrize(("enum", "app_id", "path"), WORDS)
def test_words_are_those_of_the_table(enum: type[StrEnum], app_id: str, path: str) -> None:
    assert SERVICES[app_id].parms[path].words == tuple(enum)


def test_every_enum_of_numbers_has_a_table() -> None:
    numbers = {
        each
        for each in vars(ids).values()
        if isinstance(each, type) and issubclass(each, IntEnum) and each.__module__ == ids.__name__
    }
    assert numbers == {enum for enum, _ in ENUMS}


def test_app_ids_are_those_of_the_table() -> None:
    named = {row.id: row.name for row in TABLES.applications.values()}
    assert {member.value: member.name.lower() for member in ids.AppId} == named


@ALL_SERVICES
def test_a_service_agrees_with_the_tables(service: Service) -> None:
    assert TABLES.applications[service.app_id].section == service.section
    assert service.since in TABLES.versions
    assert service.needs <= set(Facts.__dataclass_fields__)
    assert set(service.features) <= set(FEATURES)
    assert set(service.requires) <= set(TABLES.params)
    for parm in service.parms.values():
        assert parm.section in TABLES.sections, parm
        assert parm.since in TABLES.versions, parm
        assert parm.before is None or parm.before in TABLES.versions, parm


@ALL_SERVICES
@settings(max_examples=40)  # Of each service; facts of everything take a while to make.
@given(
    facts=all_facts,
    version=st.sampled_from(sorted(TABLES.versions)),
    results=st.lists(st.sampled_from(OF_SERVICES), min_size=10, max_size=10),
    flow=st.sampled_from([None, FLOW]),
)
def test_a_service_emits_what_its_table_says(
    service: Service,
    facts: Facts,
    version: SpecVersion,
    results: list[Result],
    flow: ServiceFlow | None,
) -> None:
    asked = service.questions(version, facts)
    about = {re.sub(r"^boost_\d+$", "boost_166", question.feature) for question in asked}
    assert about <= set(service.features)
    assert len(set(asked)) == len(asked)
    decisions = ruled(service.app_id, facts, *results[: len(asked)], version=version)
    application = service.answer(facts, decisions, enquiry(version, flow))
    assert application.app_id == service.app_id
    emitted = list(leaves(application.items))
    for path, value in emitted:
        parm = service.parms[path]
        assert parm.since <= version, path
        assert parm.before is None or version < parm.before, path
        assert not parm.values or int(value) in parm.values, path
        assert not parm.words or value in parm.words, path
    found = groups(application.items)
    for parm in service.parms.values():
        for_this_client = parm.since <= version and (parm.before is None or version < parm.before)
        if parm.presence == "mandatory" and for_this_client:
            # Once in the application itself, or once in each group of its kind that there is.
            assert (
                Counter(path for path, _ in emitted)[parm.path]
                == found[parm.path.rpartition("/")[0]]
            ), parm.path


def groups(items: tuple[Item, ...], path: str = "") -> Counter[str]:
    """Return how often each characteristic is there, by its path; the application's is empty."""
    found = Counter([path.rstrip("/")])
    for item in items:
        match item:
            case Characteristic(kind, inner):
                found += groups(inner, f"{path}{kind}/")
            case CharacteristicList(kind, entries):
                for entry in entries:
                    found += groups(entry.items, f"{path}{kind}/{entry.type}/")
    return found


@pytest.mark.parametrize(
    "operation",
    {each.name: each for each in OPERATIONS.values()}.values(),
    ids=lambda each: each.name,
)
def test_an_operation_agrees_with_the_tables(operation: Operation) -> None:
    assert operation.section in TABLES.sections
    assert operation.since in TABLES.versions
    assert operation.proofs.keys() <= TABLES.applications.keys()
    params = {name.lower() for name in TABLES.params}
    assert set(operation.required) <= params
    for parm in operation.parms.values():
        assert parm.section in TABLES.sections, parm
        assert not parm.path.endswith("OperationResult")


def test_an_application_with_operations_answers_without_one_too() -> None:
    """Systems too; but there it is `flows.operate` that answers, and to no device."""
    assert SERVICES.keys() >= OPERATED - REQUESTORS_APPS
    assert SERVICES.keys().isdisjoint(REQUESTORS_APPS)


def sources() -> list[tuple[Path, str]]:
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("src/**/*.toml"), *ROOT.glob("tests/**/*.py")]
    return [(file.relative_to(ROOT), file.read_text("utf-8")) for file in files]


CITED = re.compile(r"TS\.43 §([0-9A-B]+(?:\.[0-9]+)*(?:, §?[0-9]+(?:\.[0-9]+)+)*)")
CITED_TABLES = re.compile(r"TS\.43 (?:§[0-9.]+, )?Tables? ([0-9]+(?:(?:, | and )[0-9]+)*)")
DIVERGENCE = re.compile(r'\(divergence\s+(?:#\s+)?"([^"]*)"\)')


def test_every_cited_section_exists() -> None:
    cited = [
        (file, section.strip("§ "))
        for file, text in sources()
        for found in CITED.findall(text)
        for section in found.split(",")
    ]
    assert len(cited) > 20
    assert [each for each in cited if each[1] not in TABLES.sections] == []


def test_every_cited_table_exists() -> None:
    cited = [
        (file, int(number))
        for file, text in sources()
        for found in CITED_TABLES.findall(text)
        for number in re.findall("[0-9]+", found)
    ]
    assert len(cited) > 5
    assert [each for each in cited if each[1] not in TABLES.spec_tables] == []


def test_every_named_divergence_exists() -> None:
    named = [
        (file, found)
        for file, text in sources()
        if file.suffix == ".py"
        for found in DIVERGENCE.findall(text)
    ]
    assert named
    assert [each for each in named if each[1] not in TABLES.divergences] == []


def test_every_status_of_the_device_front_is_in_the_table() -> None:
    sent = {row.status for row in TABLES.http_answers.values() if row.sent}
    assert set(STATUS.values()) <= sent


@pytest.mark.parametrize("row", TABLES.divergences.values(), ids=lambda row: row.id)
def test_a_divergence_is_told_briefly(row: DivergenceRow) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.id)
    assert len(row.says.split()) <= 9
    assert row.does
    assert row.why
    assert row.default in ("on", "off")


def test_words_of_the_request_table_are_the_known_ones() -> None:
    for row in TABLES.params.values():
        assert row.type in ("string", "integer"), row
        assert row.needed in ("always", "sometimes", "never"), row
        assert row.missing in ("refuse", "authenticate", "accept"), row
        assert row.compared in ("exact", "folded", "number"), row
        assert row.type == "string" or row.compared == "number", row


@pytest.mark.spec("TS.43 §1.7")
def test_secrets_compare_exactly() -> None:
    secrets = {row.name for row in TABLES.params.values() if "token" in row.name} | {"OTP"}
    assert {TABLES.params[name].compared for name in secrets} == {"exact"}


def test_packaged_tables_are_all_read() -> None:
    names = {file.stem for file in (ROOT / "src/simgrant/spec/tables").glob("*")}
    assert names == {
        "answer_parms",
        "applications",
        "countries",
        "diameter",
        "divergences",
        "http_answers",
        "request_params",
        "sections",
        "versions",
    }
