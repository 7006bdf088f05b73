"""The tables and the code say the same: numbers, parameters, citations, statuses."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Facts
from simgrant.domain.policy import FEATURES, Result
from simgrant.flows.operations import OPERATED, OPERATIONS
from simgrant.flows.operations.operation import Operation
from simgrant.fronts.device.answers import STATUS
from simgrant.services import SERVICES, Service
from simgrant.spec import ids
from simgrant.spec.load import DivergenceRow, tables
from simgrant.spec.version import SpecVersion
from tests.unit.domain.samples import any_facts
from tests.unit.services.samples import enquiry, leaves, ruled

ROOT = Path(__file__).parents[1]
TABLES = tables()
ALL_SERVICES = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda each: each.name)

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
    (ids.NotifAction, dict(TABLES.params["notif_action"].values)),
    (
        ids.RegisterNotifStatus,
        dict(TABLES.answer_parms["APPLICATION", "RegisterNotifStatus"].values),
    ),
]


@pytest.mark.parametrize(("enum", "values"), ENUMS, ids=lambda each: getattr(each, "__name__", ""))
def test_numbers_are_those_of_the_table(enum: type[IntEnum], values: dict[int, str]) -> None:
    assert {member.value: member.name.lower() for member in enum} == values


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
    for parm in service.parms.values():
        assert parm.section in TABLES.sections, parm
        assert parm.since in TABLES.versions, parm
        assert parm.before is None or parm.before in TABLES.versions, parm


@ALL_SERVICES
@given(
    facts=any_facts,
    version=st.sampled_from(sorted(TABLES.versions)),
    results=st.lists(st.sampled_from(Result), min_size=4, max_size=4),
)
def test_a_service_emits_what_its_table_says(
    service: Service, facts: Facts, version: SpecVersion, results: list[Result]
) -> None:
    asked = service.questions(version, facts)
    assert {question.feature for question in asked} <= set(service.features)
    decisions = ruled(service.app_id, facts, *results[: len(asked)], version=version)
    application = service.answer(facts, decisions, enquiry(version))
    assert application.app_id == service.app_id
    emitted = list(leaves(application.items))
    for path, value in emitted:
        parm = service.parms[path]
        assert parm.since <= version, path
        assert parm.before is None or version < parm.before, path
        assert not parm.values or int(value) in parm.values, path
    for parm in service.parms.values():
        for_this_client = parm.since <= version and (parm.before is None or version < parm.before)
        if parm.presence == "mandatory" and for_this_client:
            assert parm.path in dict(emitted)


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
    assert SERVICES.keys() >= OPERATED


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
        "divergences",
        "http_answers",
        "request_params",
        "sections",
        "versions",
    }
