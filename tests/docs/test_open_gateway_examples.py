"""The examples of the reference of partner APIs: each JSON on the page is sent, or is an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.line_facts import Place, Since
from simgrant.ports.camara_consents import Processing, Standing
from tests.camara_world import DAY_S, NOW, World
from tests.docs.pages import page

PAGE: Final = page("open-gateway-apis.md")
_PART: Final = re.compile(
    r"`(?P<method>GET|POST) (?P<path>/[^`]+)`"
    r"|^```sh\ncurl https://api\.operator\.example(?P<curled>\S+)[^`]* -d '(?P<sent>[^']+)'\n```$"
    r"|^```json\n(?P<block>[^`]+)^```$"
    r"|`(?P<inline>\{[^`]*\})`",
    re.MULTILINE,
)
_OWN: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:]+Z|https://\S+")
"""A text that is another one each time."""


@dataclass(frozen=True)
class Example:
    """A call of the page."""

    method: str
    path: str
    body: Any
    answer: Any = None
    """None = the page does not say."""

    def __str__(self) -> str:
        return f"{self.method} {self.path} {json.dumps(self.body)}"

    @property
    def two_legs(self) -> bool:
        """Whether the token is about nobody: the body names a number then, and else it does not."""
        return "number-verification" not in self.path and "phoneNumber" in json.dumps(self.body)


def examples() -> Iterator[Example]:
    """Yield them: a JSON behind the word "with" is a body, and one behind a call its answer."""
    called: Example | None = None
    end = 0
    for found in _PART.finditer(PAGE.text):
        between, end = PAGE.text[end : found.start()].split(), found.end()
        if found["method"] or found["curled"]:
            if called is not None and called.body is not None:
                yield called
            sent = json.loads(found["sent"]) if found["sent"] else None
            called = Example(found["method"] or "POST", found["path"] or found["curled"], sent)
            continue
        said = json.loads(found["block"] or found["inline"])
        if "code" in said:
            continue  # A refusal: it has a test of its own.
        assert called is not None, f"to which call does {said} belong?"
        if between[-1:] == ["with"]:
            assert called.body is None, f"two bodies: {called}, {said}"
            called = replace(called, body=said)
        else:
            yield replace(called, answer=said)
            called = None
    if called is not None:
        yield called


@pytest.fixture
def world() -> World:
    """Where all is so as the page has it."""
    made = World()
    made.facts.since = made.facts.number = Since(NOW - 1000 * DAY_S, known=True)
    made.facts.throttled = True
    made.facts.page = "https://portal.operator.example/consents?ask="
    pending = Processing(scopes=("sim-swap:check",), standing=Standing.PENDING)
    made.facts.standings = (pending,)
    return made


@pytest.mark.parametrize("one", list(examples()), ids=str)
async def test_an_example_is_answered_as_the_page_says(world: World, one: Example) -> None:
    if one.answer is not None and one.answer.get("roaming"):
        world.facts.where = Place("26201", NOW)
    token = world.token(two_legs=one.two_legs)
    called = await world.call(one.path, one.body, token=token, method=one.method)
    assert called.status == 200, called
    assert one.answer is None or _same(called.json) == _same(one.answer)


def test_there_is_an_example_of_every_operation_that_asks() -> None:
    """Subscriptions have a page of their own."""
    told = {(each.method, each.path) for each in examples() if each.answer is not None}
    wanted = {
        (operation.method, f"{api.path}{operation.path}")
        for api in APIS.values()
        if not api.name.endswith("-subscriptions")
        for operation in api.operations
    }
    assert told == wanted


async def test_the_refusal_of_the_page_is_ours(world: World) -> None:
    (refusal,) = (each for each in PAGE.fences("json") if "UNAUTHENTICATED" in each)
    called = await world.call("/sim-swap/v2/check", {}, token="nobody's")
    assert called.json == json.loads(refusal)


def _same(said: Any) -> Any:
    """Return what is compared: all but texts that are other ones each time."""
    match said:
        case dict():
            return {name: _same(value) for name, value in said.items()}
        case list():
            return [_same(each) for each in said]
        case str() if _OWN.fullmatch(said):
            return "…"
        case _:
            return said
