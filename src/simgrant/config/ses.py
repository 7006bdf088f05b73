"""What the settings of a BSS that is used to Ericsson's SES mean: requests as ``rest`` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from simgrant.config.rest import (
    PLACES,
    answer_problems,
    path_problem,
    read_problems,
    request_problems,
    rule_of,
)
from simgrant.config.rest_tables import RestAnswer, RestRequest, Ses
from simgrant.domain.answer_rules import truth_reader
from simgrant.domain.order import Kind
from simgrant.domain.problems import did_you_mean

CHECK_PLACES: Final = PLACES | {"eid", "imei", "vendor"}
"""What checks are asked with; who has none of these is asked about without."""
_OPERATIONS: Final[Mapping[Kind, str]] = {
    Kind.SUBSCRIBE: "esimEligibilityCheck",
    Kind.RECOVER: "esimEligibilityCheck",
    Kind.TRANSFER: "checkSubsTransEligibility",
}
_TRUTH: Final = ("true", "false")


def entitlements_request(ses: Ses) -> RestRequest:
    """Return what is asked in a look-up."""
    table = ses.entitlements
    body = {
        "imsi": "{imsi}",
        "user-id": table.user_id,
        "msisdn": "{msisdn}",
        "device-category": table.device_category,
        "msisdn-category": table.msisdn_category,
        "operator-id": ses.operator_id,
        "entitlement-names": list(table.names),
    }
    return RestRequest(
        method="POST",
        path=_path(ses, "entitlements"),
        headers=_headers(ses),
        body={name: value for name, value in body.items() if value},
        aspects=table.aspects,
        **_read(table),
    )


def check_request(ses: Ses, kind: Kind) -> RestRequest:
    """Return what is asked before something is ordered."""
    body = {
        "primaryMsisdn": "{msisdn}",
        "imsi": "{imsi}",
        "eid": "{eid}",
        "imei": "{imei}",
        "deviceVendor": "{vendor}",
        "clientType": ses.check.client_type,
        "operatorId": ses.operator_id,
    }
    return RestRequest(
        method="POST",
        path=_path(ses, _OPERATIONS[kind]),
        headers=_headers(ses),
        body={name: value for name, value in body.items() if value},
        **_read(ses.check),
    )


def ses_problems(where: str, ses: Ses) -> Iterator[str]:
    """Name what is missing or malformed."""
    if not ses.context:
        yield f"{where}.context: must be set"
    if not ses.entitlements.names:
        yield f"{where}.entitlements.names: must be set"
    request, place = entitlements_request(ses), f"{where}.entitlements"
    for problem in request_problems(where, request, PLACES):
        yield problem.replace(f"{where}.path", f"{where}.context")
    yield from answer_problems(place, ses.entitlements)
    yield from read_problems(place, request.aspects)
    if ses.check.on:
        yield from _check_problems(f"{where}.check", ses)


def _check_problems(where: str, ses: Ses) -> Iterator[str]:
    table = ses.check
    yield from answer_problems(where, table)
    if table.reason and (text := path_problem(table.reason)):
        yield f"{where}.reason: {text}"
    place = f"{where}.qualified"
    said = table.qualified
    if not said.path or said.features:
        yield f"{place}.path: must be set, and no features"
        return
    if text := path_problem(said.path):
        yield f"{place}.path: {text}"
        return
    words = {f"meanings.{text}": word for text, word in said.meanings.items()}
    for key, word in words.items():
        if word not in _TRUTH:
            yield f"{place}.{key}: {word!r} is no word of ours{did_you_mean(word, _TRUTH)}"
            return
    if said.default not in (None, "false") or said.missing == "unknown":
        yield f"{place}: what is not understood must not be a yes: default is false, or not set"
        return
    try:
        truth_reader("qualified", rule_of(said))
    except ValueError as error:
        yield f"{place}: {str(error).removeprefix('qualified: ')}"


def _path(ses: Ses, operation: str) -> str:
    return f"/{ses.context.strip('/')}/esintegration/v1.0/esim/{operation}"


def _headers(ses: Ses) -> dict[str, str]:
    headers = {
        "X-Correlation-ID": "{correlation_id}",
        "x-device-type": ses.device_type,
        "x-deviceauth-mode": ses.auth_mode,
        "x-nsds-version": ses.nsds_version,
    }
    return {name: value for name, value in headers.items() if value} | ses.headers


def _read(table: RestAnswer) -> dict[str, Any]:
    return {name: getattr(table, name) for name in RestAnswer.__struct_fields__}
