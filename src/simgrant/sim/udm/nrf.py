"""An NRF: who offers a service, and tokens that say who may ask (TS 29.510 §5.3, §5.4)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import jwt
import msgspec

from simgrant.nouns import noun
from simgrant.sim.oauth import new_key
from simgrant.sim.udm.answers import Call, Refusal, json_answer, pull_call
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.sim.udm.instance import ADDRESS, SERVICES, Instance
from simgrant.sim.web import Answer, Request
from simgrant.wire.sbi.nrf import DISCOVERY_PATH, TOKEN_PATH

_NF_TYPE: Final = re.compile(r"[A-Z0-9_]{1,40}", re.ASCII)
_SCOPE: Final = re.compile(r"[a-zA-Z0-9_:-]+( [a-zA-Z0-9_:-]+)*", re.ASCII)
_SUPI: Final = re.compile(r"imsi-([0-9]{5,15})", re.ASCII)
_MOST_SCOPES: Final = 16
_NO_STORE: Final = (("cache-control", "no-store"), ("pragma", "no-cache"))
_KEPT: Final = 10_000


@noun
class Granted:
    """A token that was given."""

    consumer: str
    """Its NF instance id."""
    scope: str
    audience: str | tuple[str, ...]


class Nrf:
    """An NRF with its instances. What it answers is made here, and sent by whoever listens."""

    def __init__(
        self,
        instances: Sequence[Instance],
        *,
        oauth2: bool,
        consumers: frozenset[str] | None,
        clock: Callable[[], float],
    ) -> None:
        """Take ``consumers``, the NF instance ids that get tokens; None = anybody."""
        self.id = str(uuid4())
        self.plan: Plan | None = None
        """What is done wrong."""
        self.validity_s = 3600
        """For how long an answer is good."""
        self.token_life_s = 3600
        self.granted: deque[Granted] = deque(maxlen=_KEPT)
        self._instances = instances
        self._oauth2 = oauth2
        self._consumers = consumers
        self._clock = clock
        self._key = new_key()

    def renew_key(self) -> None:
        """Make a new signing key: nobody takes the tokens that are out."""
        self._key = new_key()

    def check(self, authorization: str, nf_type: str, instance: str, service: str) -> None:
        """Raise Refusal unless this is a token for a service of an instance (TS 29.510 §6.3)."""
        realm = f'Bearer realm="{service}"'
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, headers=(("www-authenticate", realm),))
        try:
            claims = jwt.decode(
                text,
                self._key.private.public_key(),
                algorithms=["ES256"],
                options={
                    "require": ["iss", "sub", "aud", "scope", "exp"],
                    "verify_aud": False,
                    "verify_exp": False,
                },
            )
            good = claims["exp"] > self._clock() and claims["aud"] in (nf_type, [instance])
        except (jwt.InvalidTokenError, TypeError):
            good = False
        if not good:
            said = f'{realm}, error="invalid_token"'
            raise Refusal(401, headers=(("www-authenticate", said),))
        if not any(each.partition(":")[0] == service for each in claims["scope"].split()):
            said = f'{realm}, error="insufficient_scope", scope="{service}"'
            raise Refusal(403, headers=(("www-authenticate", said),))

    def answer(self, request: Request, fault: Fault | None) -> Answer:
        """Return the answer to a request; Refusal."""
        path = request.target.partition("?")[0]
        match request.method, path:
            case "GET", path if path == DISCOVERY_PATH:
                return self._search(pull_call(request), fault)
            case "POST", path if path == TOKEN_PATH:
                return self._token(request, fault)
            case _, path if path in (DISCOVERY_PATH, TOKEN_PATH):
                raise Refusal(405)
        raise Refusal(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    # --- discovery --------------------------------------------------------------------

    def _search(self, call: Call, fault: Fault | None) -> Answer:
        for name in ("target-nf-type", "requester-nf-type"):
            if name not in call.query:
                raise Refusal(400, "MANDATORY_QUERY_PARAM_MISSING", f"{name} is missing")
            if not _NF_TYPE.fullmatch(call.query[name]):
                raise Refusal(400, "MANDATORY_QUERY_PARAM_INCORRECT", f"{name} is malformed")
        services = frozenset(filter(None, call.query.get("service-names", "").split(",")))
        supi = _SUPI.fullmatch(call.query.get("supi", ""))
        if "supi" in call.query and supi is None:
            raise Refusal(400, "OPTIONAL_QUERY_PARAM_INCORRECT", "supi is malformed")
        wanted, kind = call.query.get("target-nf-instance-id", ""), call.query["target-nf-type"]
        profiles = [
            profile
            for each in (() if fault is Fault.NOBODY else self._instances)
            if kind in each.ids
            and (not wanted or each.ids[kind] == wanted.lower())
            and (supi is None or each.serves(supi[1]))
            and (profile := self._profile(each, kind, services))["nfServices"]
        ]
        return json_answer(
            {"validityPeriod": self.validity_s, "nfInstances": profiles},
            ("cache-control", f"max-age={self.validity_s}"),
        )

    def _profile(self, instance: Instance, kind: str, services: frozenset[str]) -> dict[str, Any]:
        """Return an NFProfile (TS 29.510 §6.2.6.2.3)."""
        load: dict[str, Any] = {} if instance.load is None else {"load": instance.load}
        name = {"fqdn": instance.fqdn} if instance.fqdn else {}
        info: dict[str, Any] = {}
        if instance.ranges:
            ranges = [{"start": first, "end": last} for first, last in instance.ranges]
            if kind == "UDM":
                info = {"udmInfo": {"supiRanges": ranges}}
            else:
                info = {"hssInfoList": {"1": {"imsiRanges": ranges}}}
        offered = [
            {
                "serviceInstanceId": f"{service}-1",
                "serviceName": service,
                "versions": [{"apiVersionInUri": version, "apiFullVersion": f"{version[1:]}.0.0"}],
                "scheme": instance.scheme,
                "nfServiceStatus": "REGISTERED",
                "ipEndPoints": [
                    {"ipv4Address": ADDRESS, "transport": "TCP", "port": instance.web.port}
                ],
                "oauth2Required": self._oauth2,
                **name,
            }
            for service, version in SERVICES[kind].items()
            if not services or service in services
        ]
        return {
            "nfInstanceId": instance.ids[kind],
            "nfType": kind,
            "nfStatus": "REGISTERED",
            "ipv4Addresses": [ADDRESS],
            "priority": instance.priority,
            "capacity": instance.capacity,
            "nfServices": offered,
            **load,
            **name,
            **info,
        }

    # --- tokens -----------------------------------------------------------------------

    def _token(self, request: Request, fault: Fault | None) -> Answer:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/x-www-form-urlencoded":
            raise Refusal(415)
        form = {
            name: values[0] if len(values) == 1 else ""
            for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()
        }
        consumer, scope = form.get("nfInstanceId", ""), form.get("scope", "")
        if form.get("grant_type") != "client_credentials":
            return _no_token("unsupported_grant_type")
        if not _is_uuid(consumer) or not _SCOPE.fullmatch(scope):
            return _no_token("invalid_request")
        if self._consumers is not None and consumer.lower() not in self._consumers:
            return _no_token("invalid_client")
        wanted = form.get("targetNfInstanceId", "").lower()
        # Without an instance, types say who may ask whom.
        if not wanted and not all(
            _NF_TYPE.fullmatch(form.get(name, "")) for name in ("nfType", "targetNfType")
        ):
            return _no_token("invalid_request")
        target = form.get("targetNfType", "") or self._type_of(wanted)
        scopes = scope.split(" ", _MOST_SCOPES)
        if not all(each.partition(":")[0] in SERVICES.get(target, {}) for each in scopes):
            return _no_token("invalid_scope")
        audience: str | list[str] = [wanted] if wanted else target
        self.granted.append(Granted(consumer, scope, wanted or target))
        life_s = -60 if fault is Fault.STALE_TOKEN else self.token_life_s
        claims = {
            "iss": self.id,
            "sub": consumer,
            "aud": audience,
            "scope": scope,
            "exp": int(self._clock()) + life_s,
        }
        key = new_key() if fault is Fault.OTHER_KEY else self._key
        token = jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.kid})
        told = {"access_token": token, "token_type": "Bearer", "expires_in": self.token_life_s}
        return json_answer(told | {"scope": scope}, *_NO_STORE)

    def _type_of(self, instance: str) -> str:
        for each in self._instances:
            for kind, found in each.ids.items():
                if found == instance:
                    return kind
        return ""


def _no_token(error: str) -> Answer:
    """Return an AccessTokenErr (TS 29.510 §6.3.5.2.4)."""
    headers = (("content-type", "application/json"), *_NO_STORE)
    return Answer(400, headers, msgspec.json.encode({"error": error}))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
