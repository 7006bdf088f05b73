"""Settings of a BSS whose API the operator describes, and what check-config says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.adapters.bss.mapped.requests import values_of
from simgrant.compose.rest import wanted
from simgrant.config.load import load
from simgrant.config.rest import PLACES, rest_problems
from simgrant.config.rest_tables import RestAspect, RestRequest
from simgrant.domain.eligibility import Aspect
from simgrant.errors import StartRefused
from tests.tmf import WHO

HEAD = '[bss.crm]\ntype = "rest"\nurl = "https://crm.example.com"\n'
ASKED = '[bss.crm.requests.line]\npath = "/lines/{imsi}"\necho = ["$.imsi"]\n'
READ = '[bss.crm.requests.line.aspects]\nplan = { path = "$.plan" }\n'
GOOD = HEAD + ASKED + READ


def problems(folder: Path, text: str) -> str:
    file = folder / "simgrant.toml"
    file.write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(file, {})
    return str(refused.value)


def asked(key: str, value: str) -> str:
    """Return settings with another key in the request."""
    lines = [line for line in ASKED.splitlines() if not line.startswith(f"{key} =")]
    return HEAD + "\n".join([*lines, f"{key} = {value}"]) + "\n" + READ


def read(line: str) -> str:
    """Return settings with another line in its aspects."""
    return GOOD + line + "\n"


def test_good_settings_are_good(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(
        asked("headers", '{ "X-Market" = "{tenant}", "X-Correlation-ID" = "{correlation_id}" }')
        + "options.features.vowifi = \"$.o[?@.n == 'x'].on\"\n"
        + 'refusals = { path = "$.r", meanings = { X = "vowifi" }, default = "" }\n'
        + 'sim_since = { path = "$.since", dates = "%d.%m.%Y", missing = "unknown" }\n'
        + '[bss.crm.requests.state]\nmethod = "POST"\npath = "/q"\nunchecked = true\n'
        + 'body = { who = "{msisdn}", deep = ["{e164}", 1] }\nnobody = "$.e"\n'
        + 'nobody_values = ["1"]\nnot_found = []\n'
        + '[bss.crm.requests.state.aspects.status]\npath = "$.s"\nmeanings = { A = "active" }\n'
    )
    table = load(file, {}).settings.bss["crm"]
    assert list(table.requests) == ["line", "state"]
    assert table.requests["line"].aspects["refusals"].default == ""


def test_what_may_stand_in_braces_is_what_is_put_there() -> None:
    assert set(values_of(WHO, tenant="t", correlation_id="c")) == PLACES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "bss.crm.requests: nothing is mapped"),
        (HEAD + ASKED, "requests.line.aspects: nothing is read"),
        (GOOD + "[bss.crm.products.plans]\nx = 'y'", 'bss.crm.products: it is for type = "tmf"'),
        (GOOD + "[bss.crm.orders]\non = true", 'bss.crm.orders: it is for type = "tmf"'),
        (GOOD.replace('"rest"', '"tmf"'), 'bss.crm.requests: it is for type = "rest"'),
        (GOOD.replace('"rest"', '"rset"'), "there are rest, ses, tmf"),
        (GOOD.replace("requests.line", "requests.'a b'"), "requests.a b: a name is"),
        (asked("path", '"lines"'), "line.path: 'lines' is no path"),
        (asked("path", '"/lines/{imei}"'), "line.path: {imei} is none of"),
        (asked("path", '"/lines/{imsi"'), "line.path: a brace has no twin"),
        (asked("path", '"/lines/{tenant}"'), "line: it asks about nobody"),
        (asked("pth", '"/"'), 'unknown key bss.crm.requests.line.pth; did you mean "path"?'),
        (asked("method", '"DELETE"'), "DELETE"),
        (asked("body", '{ a = "{imsi}" }'), "line.body: a GET has none"),
        (asked("body", '{ a = "{x}" }'), "line.body: {x} is none of"),
        (asked("headers", '{ "a b" = "c" }'), "line.headers: 'a b' is no name"),
        (asked("headers", '{ a = "é" }'), "line.headers.a: its value"),
        (asked("headers", '{ a = "{b}" }'), "line.headers.a: {b} is none of"),
        (asked("not_found", "[200]"), "line.not_found: 200 does not say"),
        (asked("not_found", "[403]"), "line.not_found: 403 does not say"),
        (asked("nobody", '"code"'), "line.nobody: 'code': a path begins with $ (at letter 1)"),
        (asked("nobody_values", '["x"]'), "line.nobody: must be set"),
        (asked("echo", "[]"), "line.echo: must be set, so that another subscriber's"),
        (asked("echo", '["$..n"]'), "line.echo: '$..n': descendants"),
        (asked("echo", '[""]'), "line.echo: '': a path begins"),
        (asked("unchecked", "true"), "line.unchecked: echo is set"),
        (read('plna = { path = "$.p" }'), "there is no aspect 'plna'; did you mean \"plan\"?"),
        (read('status = { pth = "$.p" }'), 'aspects.status.pth; did you mean "path"?'),
        (read("status = { path = '' }"), "aspects.status.path: must be set, and not both"),
        (read('status = { path = "$.s." }'), "aspects.status.path: '$.s.': a name is missing"),
        (read('status.features.a = "$.s"'), "status.features: only options and refusals"),
        (read('options = { path = "$.a", features = { a = "$.b" } }'), "set or features, and not"),
        (read('options.features.Bad = "$.b"'), "options.features: 'Bad' is no name"),
        (read('options.features.a = "b"'), "options.features.a: 'b': a path begins"),
        (
            read('status = { path = "$.s", meanings = { A = "activ" } }'),
            "status.meanings.A: 'activ' is no word of ours; did you mean \"active\"?",
        ),
        (
            read('options = { features = { a = "$.s" }, meanings = { Y = "yes" } }'),
            "options.meanings.Y: 'yes' is no word of ours; known: false, true",
        ),
        (
            read('options = { path = "$.s", meanings = { Y = "VoWiFi!" } }'),
            "options.meanings.Y: 'VoWiFi!' is no name of a feature",
        ),
        (read('terms = { path = "$.s", default = "yes" }'), "terms.default: 'yes' is no word"),
        (read('status = { path = "$.s", missing = "default" }'), "status: there is no default"),
        (read('status = { path = "$.s", missing = "ask" }'), "ask"),
        (read('status = { path = "$.s", dates = "ms" }'), "status: it is no time"),
        (read('sim_since = { path = "$.s", dates = "%H" }'), "sim_since: '%H' is no format"),
        (
            GOOD
            + "[bss.crm.requests.other]\npath = '/{imsi}'\nunchecked = true\n"
            + "[bss.crm.requests.other.aspects]\nplan = { path = '$.p' }\n",
            "other.aspects.plan: line tells it already",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


# --- anything that may be written --------------------------------------------------------

PATHS = st.sampled_from(["", "$", "$.a", "$.a[*].b", "$..a", "$[?@.a == 'x'].b", "a", "$["])
WORDS = st.sampled_from(["", "active", "given", "true", "premium", "vowifi", "É", "26201", "x y"])
ASPECTS = st.builds(
    RestAspect,
    path=PATHS,
    features=st.dictionaries(WORDS, PATHS, max_size=2),
    meanings=st.dictionaries(WORDS, WORDS, max_size=2),
    default=st.none() | WORDS,
    missing=st.sampled_from(["refuse", "unknown", "default"]),
    dates=st.sampled_from(["", "ms", "%d.%m.%Y", "%H", "%"]),
)
TEXTS = st.sampled_from(["", "/{imsi}", "{tenant}", "{", "/é", "{e164}", "{imei}", "a\nb"])
REQUESTS = st.builds(
    RestRequest,
    method=st.sampled_from(["GET", "POST"]),
    path=TEXTS,
    headers=st.dictionaries(TEXTS | st.just("x-a"), TEXTS, max_size=2),
    body=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2), max_size=2),
    not_found=st.lists(st.sampled_from([200, 403, 404, 500]), max_size=2).map(tuple),
    nobody=PATHS,
    nobody_values=st.lists(WORDS, max_size=1).map(tuple),
    echo=st.lists(PATHS, max_size=2).map(tuple),
    unchecked=st.booleans(),
    aspects=st.dictionaries(st.sampled_from([*Aspect, "odd"]), ASPECTS, max_size=2),
)


@given(REQUESTS)
def test_what_is_not_named_as_a_mistake_works(request: RestRequest) -> None:
    found = list(rest_problems("bss.crm", {"line": request}))
    assert all(text.startswith("bss.crm.") for text in found)
    if not found:
        wanted("line", request, PLACES)


@given(st.sampled_from(Aspect), ASPECTS.filter(lambda made: bool(made.path) != bool(made.features)))
def test_an_aspect_without_mistakes_can_be_read(aspect: Aspect, made: RestAspect) -> None:
    request = RestRequest(path="/{imsi}", unchecked=True, aspects={aspect: made})
    if not list(rest_problems("bss.crm", {"line": request})):
        wanted("line", request, PLACES)
