"""The released Gherkin files of CAMARA, unmodified: steps, and what each of them needs.

Wording varies within one file, and some schemas that steps name do not exist: what is meant is
taken. A scenario without a When has its request sent by its first Then.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import jsonschema_rs
import pytest
from pytest_bdd import given, parsers, scenarios, then, when

from simgrant.domain.camara.access_token import Method
from simgrant.flows.camara.apis import APIS
from simgrant.fronts.camara.message import Asked, Told
from tests.camara.conftest import FEATURE
from tests.camara_definitions import document, feature
from tests.camara_world import HOST, NOW, NUMBER, OTHER, World, front_of

scenarios(
    *map(
        str,
        (
            feature("NumberVerification", "number-verification-phoneNumberVerify"),
            feature("NumberVerification", "number-verification-phoneNumberShare"),
        ),
    )
)

API = "number-verification"


@dataclass
class Exchange:
    """A request as the steps make it, and its answer once it is looked at."""

    world: World
    operation: str
    """The operationId that the feature is about."""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | str | None = None
    told: Told | None = None

    def send(self, operation_id: str) -> None:
        """Send the request of an operation."""
        (operation,) = (each for each in APIS[API].operations if each.id == operation_id)
        body = self.body if operation.method == "POST" else None
        data = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        asked = Asked(
            method=operation.method,
            path=self.path + operation.path,
            body=data.encode(),
            host=HOST,
            authorization=self.headers.get("authorization", ""),
            content_type=self.headers.get("content-type", ""),
            x_correlator=self.headers.get("x-correlator", ""),
        )
        self.told = asyncio.run(front_of(self.world)(asked))

    @property
    def answer(self) -> Told:
        """The answer, asked for now where no step said so."""
        if self.told is None:
            self.send(self.operation)
        assert self.told is not None
        return self.told

    @property
    def json(self) -> Any:
        """What the answer says."""
        return json.loads(self.answer.body)

    def header(self, name: str) -> str:
        """Return one header of the answer."""
        (value,) = (value for key, value in self.answer.headers if key == name.lower())
        return value

    def bring(self, token: str) -> None:
        """Have the request bring a token."""
        self.headers["authorization"] = f"Bearer {token}"


@pytest.fixture
def exchange(request: pytest.FixtureRequest) -> Exchange:
    return Exchange(World(), request.node.stash[FEATURE].rpartition("Operation ")[2])


def quoted(pattern: str) -> parsers.re:
    return parsers.re(pattern)


# --- the background ----------------------------------------------------------------------------


@given(quoted('the resource "(?P<path>[^"]+)" as base[ -]url'))
def _(exchange: Exchange, path: str) -> None:
    assert path == APIS[API].path
    exchange.path = path


@given(quoted('the header "(?P<name>[^"]+)" is set to "(?P<value>[^"]+)"'))
def _(exchange: Exchange, name: str, value: str) -> None:
    exchange.headers[name.lower()] = value


@given(quoted('the header "(?P<name>[^"]+)" complies with the schema at "(?P<schema>[^"]+)"'))
def _(exchange: Exchange, name: str, schema: str) -> None:
    value = document(API)["components"]["schemas"][schema.rpartition("/")[2]]["example"]
    assert complies(value, schema)
    exchange.headers[name.lower()] = value


@given(quoted('the header "(?P<name>[^"]+)" is removed'))
def _(exchange: Exchange, name: str) -> None:
    del exchange.headers[name.lower()]


# --- tokens ------------------------------------------------------------------------------------


@given(quoted('the header "Authorization" is set to a valid access token'))
def _(exchange: Exchange) -> None:
    exchange.bring(exchange.world.token())


@given(quoted('the header "Authorization" is set to an expired access token'))
def _(exchange: Exchange) -> None:
    exchange.bring(exchange.world.token(expires=NOW))


@given(quoted('the header "Authorization" is set to an invalid access token'))
def _(exchange: Exchange) -> None:
    exchange.bring("invalid")


@given(quoted('the header "Authorization" is set to an access token without the required scope'))
def _(exchange: Exchange) -> None:
    exchange.bring(exchange.world.token(scopes=frozenset({"sim-swap"})))


@given(
    quoted(
        'the header "Authorization" is set to a token for which neither Network-based nor'
        " SIM-based authentication was used"
    )
)
def _(exchange: Exchange) -> None:
    exchange.bring(exchange.world.token(method=Method.CHALLENGE))


@given(
    quoted(
        'the header "Authorization" is set to a valid access token which does not identify a single'
        " phone number"
    )
)
def _(exchange: Exchange) -> None:
    exchange.bring(exchange.world.token(two_legs=True))


@given(
    quoted("a valid (testing )?phone ?[nN]umber supported by the service, identified by the token")
)
def _(exchange: Exchange) -> None:
    assert exchange.world.tokens[_token(exchange)].subject is not None


@given(quoted("the token has been obtained by a supported authentication method"))
def _(exchange: Exchange) -> None:
    assert exchange.world.tokens[_token(exchange)].method is Method.SIM


def _token(exchange: Exchange) -> str:
    return exchange.headers["authorization"].removeprefix("Bearer ")


# --- bodies ------------------------------------------------------------------------------------

MINE = {"phoneNumber": NUMBER.e164}


@given(
    quoted(
        "the request body is set (by default )?to a (valid )?request body"
        "( compliant with the schema)?"
    )
)
def _(exchange: Exchange) -> None:
    assert complies(MINE, "#/components/schemas/NumberVerificationRequestBody")
    exchange.body = dict(MINE)


@given(quoted("a valid phone number identified by the token and provided in the request body"))
def _(exchange: Exchange) -> None:
    exchange.body = dict(MINE)


@given(
    quoted(
        r'the body property "\$\.(?P<name>\w+)" is set to (?P<whose>the phone number identified by'
        " the access token|a valid phone number different from the one identified by the access"
        r" token)(?P<hashed>, hashed in SHA-256 \(in hexadecimal representation\))?"
    )
)
def _(exchange: Exchange, name: str, whose: str, hashed: str | None) -> None:
    number = (OTHER if "different" in whose else NUMBER).e164
    exchange.body = {name: sha256(number.encode()).hexdigest() if hashed else number}


@given(quoted("the request body is not included"))
def _(exchange: Exchange) -> None:
    exchange.body = None


@given(quoted('the request body is set to "(?P<text>[^"]+)"'))
def _(exchange: Exchange, text: str) -> None:
    exchange.body = text


@given(quoted(r'the request body property "\$\.(?P<name>\w+)" is set to "(?P<value>[^"]+)"'))
def _(exchange: Exchange, name: str, value: str) -> None:
    assert isinstance(exchange.body, dict)
    exchange.body[name] = value


@given(
    quoted(r'the request body does not contain neither "\$\.(?P<one>\w+)" nor "\$\.(?P<two>\w+)"')
)
def _(exchange: Exchange, one: str, two: str) -> None:
    assert isinstance(exchange.body, dict)
    for name in (one, two):
        exchange.body.pop(name, None)


@given(
    quoted(
        r'the request body property "\$\.(?P<name>\w+)" is set to a valid phone number'
        '( compliant with OAS schema at "[^"]+")?'
    )
)
def _(exchange: Exchange, name: str) -> None:
    assert isinstance(exchange.body, dict)
    number = NUMBER.e164
    hashed = name == "hashedPhoneNumber"
    exchange.body[name] = sha256(number.encode()).hexdigest() if hashed else number


@given(quoted('the same phone number is compliant with OAS schema at "[^"]+"'))
def _(exchange: Exchange) -> None:
    assert isinstance(exchange.body, dict)
    number = {"phoneNumber": exchange.body["phoneNumber"]}
    assert complies(number, "#/components/schemas/NumberVerificationRequestBody")


@given(
    quoted(
        r'the request body property "\$\.(?P<name>\w+)" does not comply with the OAS schema at'
        ' "[^"]+"'
    )
)
def _(exchange: Exchange, name: str) -> None:
    exchange.body = {name: "foo_value"}
    assert not complies(exchange.body, "#/components/schemas/NumberVerificationRequestBody")


# --- the request and its answer ----------------------------------------------------------------


@when(quoted('the request "(?P<operation>[^"]+)" is sent'))
def _(exchange: Exchange, operation: str) -> None:
    assert operation == exchange.operation
    exchange.send(operation)


@then(quoted('the response status code is "?(?P<status>[0-9]+)"?'))
def _(exchange: Exchange, status: str) -> None:
    assert exchange.answer.status == int(status)


@then(quoted('the response header "(?P<name>[^"]+)" is "(?P<value>[^"]+)"'))
def _(exchange: Exchange, name: str, value: str) -> None:
    assert exchange.header(name) == value


@then(
    quoted(
        'the response header "(?P<name>[^"]+)" has same value as the request header'
        ' "(?P<asked>[^"]+)"'
    )
)
def _(exchange: Exchange, name: str, asked: str) -> None:
    assert exchange.header(name) == exchange.headers[asked.lower()]


@then(quoted('the response body complies with the OAS schema at "(?P<schema>[^"]+)"'))
def _(exchange: Exchange, schema: str) -> None:
    assert complies(exchange.json, schema)


@then(
    quoted(
        r'the response property "\$\.(?P<name>\w+)" (is|==) (?P<value>"[A-Z_.]+"|[0-9]+|true|false)'
    )
)
def _(exchange: Exchange, name: str, value: str) -> None:
    assert exchange.json[name] == json.loads(value)


@then(quoted(r'the response property "\$\.(?P<name>\w+)" contains a user friendly text'))
def _(exchange: Exchange, name: str) -> None:
    assert len(exchange.json[name].split()) > 2


@then(
    quoted(
        r'the response property "\$\.(?P<name>\w+)" is equal to the phone number associated with'
        " the access token"
    )
)
def _(exchange: Exchange, name: str) -> None:
    assert exchange.json[name] == NUMBER.e164


def complies(value: Any, schema: str) -> bool:
    """Say whether a value is as a schema of the definition says."""
    definition = {"$ref": f"#{schema.lstrip('#')}", "components": document(API)["components"]}
    return jsonschema_rs.validator_for(definition).is_valid(value)
