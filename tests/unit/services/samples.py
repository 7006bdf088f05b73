"""Enquiries and answers for tests of services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simgrant.domain.facts import Facts
from simgrant.domain.policy import Decision, Policy, Result
from simgrant.services import SERVICES, Enquiry, PrivateIdentity, ServiceFlow
from simgrant.spec.ids import PrivateUserIdType
from simgrant.spec.version import SpecVersion
from simgrant.wire import json, xml
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Document,
    Item,
    Token,
    Vers,
)
from tests.unit.domain.samples import decided

FLOW = ServiceFlow("https://portal.example.net/vowifi", "flow=c2VhbGVk")
IDENTITY = PrivateIdentity(PrivateUserIdType.OTHER, "an.identity", "2026-12-01T00:00:00Z")
V12 = SpecVersion(12, 0)
V2 = SpecVersion(2, 0)


def english(texts: Mapping[str, str]) -> str:
    return texts.get("en", "")


def enquiry(
    version: SpecVersion = V12, flow: ServiceFlow | None = FLOW, language: str = "en"
) -> Enquiry:
    return Enquiry(version, flow, lambda texts: texts.get(language, ""), IDENTITY)


def answered(app_id: str, facts: Facts, policy: Policy, asked: Enquiry) -> Application:
    """Return the answer by the road that the flow takes."""
    service = SERVICES[app_id]
    questions = service.questions(asked.spec_version, facts)
    decisions = tuple(policy.decide(question, facts) for question in questions)
    return service.answer(facts, decisions, asked)


def ruled(
    app_id: str, facts: Facts, *results: Result, version: SpecVersion = V12
) -> tuple[Decision, ...]:
    """Return decisions on a service's questions, one result for each, or one for all."""
    questions = SERVICES[app_id].questions(version, facts)
    if len(results) == 1:
        results *= len(questions)
    pairs = zip(questions, results, strict=True)
    return tuple(decided(question, result, {"en": "Sorry"}) for question, result in pairs)


def as_json(application: Application) -> bytes:
    """Return a whole document with this application."""
    return json.push_document(Document(Vers(1, 172_800), Token("t", 3600), (application,)))


def as_xml(application: Application) -> bytes:
    """Return the same in XML."""
    return xml.push_document(Document(Vers(1, 172_800), Token("t", 3600), (application,)))


def leaves(items: tuple[Item, ...], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each parm with the path of its characteristics."""
    for item in items:
        match item:
            case Characteristic(kind, inner):
                yield from leaves(inner, f"{path}{kind}/")
            case CharacteristicList(kind, entries):
                yield from leaves(entries, f"{path}{kind}/")
            case _:
                yield path + item.name, item.value
