"""The documentation: complete where it is generated, true where it can be tried."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from simgrant import errors
from simgrant.adapters.expressions.cel import open_expressions
from simgrant.cli.app import app
from simgrant.compose.clients import profiles
from simgrant.config import model, reference
from simgrant.config.load import NAMED, load
from simgrant.domain.policy import default_policy, parse_policy
from simgrant.domain.words_file import read_words
from simgrant.flows.operations import OPERATIONS
from simgrant.fronts.device.answers import STATUS
from simgrant.services import SERVICES
from simgrant.services.own import refuse_taken
from simgrant.spec.load import tables
from tests.docs.pages import DOCS, ROOT, Page, page, pages
from tools import reference as generator
from tools.conformance import page as conformance

PAGES = pages()


def _name(item: Page) -> str:
    return item.name


# --- generated pages are complete and current ------------------------------------------------


def test_generated_pages_are_current() -> None:
    assert reference.main(["--check"]) == 0
    assert generator.main(["--check"]) == 0
    assert conformance.main(["--check"]) == 0


def test_every_error_has_a_status_and_is_on_the_page() -> None:
    def kinds(kind: type[errors.EcsError]) -> Iterator[type[errors.EcsError]]:
        for below in kind.__subclasses__():
            if below.__module__ == errors.__name__:
                yield below
                yield from kinds(below)

    text = page("reference/errors.md").text
    found = list(kinds(errors.EcsError))
    assert found
    assert [kind.__name__ for kind in found if kind not in STATUS] == []
    assert [kind.__name__ for kind in found if f"`{kind.__name__}`" not in text] == []


def test_every_reason_has_a_meaning_and_no_meaning_is_left_over() -> None:
    found = generator.reason_sources().keys() | generator.page_reasons().keys()
    found |= generator.partner_reasons().keys()
    assert found == generator.reason_meanings().keys()


def test_every_service_and_parameter_is_on_the_page() -> None:
    text = page("reference/services.md").text
    for service in SERVICES.values():
        assert f"## {service.app_id}: {service.name}" in text
        assert [path for path in service.parms if f"| `{path}` |" not in text] == []
    assert [each for each in tables().applications if each not in text] == []
    for operation in OPERATIONS.values():
        assert f"### {operation.name}\n" in text
        assert [path for path in operation.parms if f"| `{path}` |" not in text] == []


def test_every_request_parameter_and_divergence_is_on_a_page() -> None:
    requests, divergences = page("reference/requests.md").text, page("divergences.md").text
    assert [name for name in tables().params if f"`{name}`" not in requests] == []
    assert [each for each in tables().divergences if f"`{each}`" not in divergences] == []


def test_every_status_is_on_the_page() -> None:
    text = page("reference/http.md").text
    assert [status for status in tables().http_answers if f"**{status}**" not in text] == []


def test_every_metric_is_on_the_page() -> None:
    text = page("reference/metrics.md").text
    source = (ROOT / "src/simgrant/telemetry/metrics.py").read_text("utf-8")
    named = set(re.findall(r'"(simgrant_\w+)"', source))
    assert named
    assert {name for name in named if f"`{name}`" not in text} == set()


def test_every_command_and_option_is_on_the_page() -> None:
    text = page("reference/commands.md").text
    for words, command in generator.commands().items():
        if getattr(command, "commands", None) is not None:
            continue
        head = f"## simgrant {words}\n"
        assert head in text
        part = text.partition(head)[2].partition("\n## ")[0]
        spelt = [name for name in generator.options(command) if name not in ("--help", "-h")]
        assert [name for name in spelt if f"`{name}`" not in part] == []


def test_every_setting_is_on_the_page() -> None:
    text = page("reference/configuration.md").text
    for section in msgspec.structs.fields(model.Settings):
        kind: Any = NAMED.get(section.name, section.type)
        title = f"{section.name}.NAME" if section.name in NAMED else section.name
        part = text.partition(f"## [{title}]\n")[2].partition("\n## ")[0]
        assert [
            field.name
            for field in msgspec.structs.fields(kind)
            if f"| `{field.name}` |" not in part
        ] == []


# --- what is written by hand names what there is -----------------------------------------------


def test_every_field_of_a_record_is_explained() -> None:
    part = _section(page("operations.md").text, "Log and records")
    assert [name for name in generator.record_fields() if f"`{name}`" not in part] == []


def test_every_event_of_the_log_is_explained() -> None:
    part = _section(page("operations.md").text, "Log and records")
    assert [event for event in _events() if f"`{event}`" not in part] == []


def _section(text: str, title: str) -> str:
    found = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert found
    return found


def _events() -> set[str]:
    """Return the first argument of each call of a logger in the server."""
    found = set()
    for path in sorted((ROOT / "src/simgrant").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="get_logger"))),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    found.add(event)
    assert found
    return found


def test_alarms_name_metrics_and_outcomes_that_there_are() -> None:
    part = _section(page("operations.md").text, "Metrics and alarms").replace("\\|", "|")
    known = page("reference/metrics.md").text
    named = set(re.findall(r"simgrant_\w+", part))
    assert named
    assert {name for name in named if f"`{name}`" not in known} == set()
    outcomes = {"document", "challenge", "method", "internal_error", *generator.reason_sources()}
    for pattern in re.findall(r'outcome=~?"([^"]*)"', part):
        for each in pattern.split("|") if "(" not in pattern else [pattern]:
            assert any(re.fullmatch(each, outcome) for outcome in outcomes), each


def test_settings_named_in_pages_are_settings() -> None:
    sections = {each.name: each for each in msgspec.structs.fields(model.Settings)}
    wrong = []
    for item in PAGES:
        if item.name == conformance.PAGE:
            continue  # its ids look like settings, and are none
        for section, key in re.findall(r"`(\w+)\.(\w+)`", item.prose):
            if section in sections and section not in NAMED and key not in ("py", "json", "db"):
                kind: Any = sections[section].type
                if key not in {field.name for field in msgspec.structs.fields(kind)}:
                    wrong.append(f"{item.name}: {section}.{key}")
    assert wrong == []


def test_files_named_in_the_architecture_are_there() -> None:
    text = page("architecture.md").prose
    named = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|toml))`", text))
    assert named
    roots = (ROOT, ROOT / "src/simgrant")
    assert {
        name
        for name in named
        if "NAME" not in name and not any((root / name).exists() for root in roots)
    } == set()


# --- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("item", PAGES, ids=_name)
def test_links_lead_somewhere(item: Page) -> None:
    broken = []
    for link in item.links():
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (item.path.parent / target).resolve() if target else item.path
        known = path.exists() and (
            not anchor or path.suffix != ".md" or anchor in Page(path).anchors()
        )
        if not known:
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    reached = {page("index.md").path}
    left = list(reached)
    while left:
        at = Page(left.pop())
        for link in at.links():
            path = (at.path.parent / link.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_relative_to(DOCS) and path not in reached:
                reached.add(path)
                left.append(path)
    assert {item.name for item in PAGES if DOCS in item.path.parents} == {
        Page(path).name for path in reached
    }


# --- commands ----------------------------------------------------------------------------------


@pytest.mark.parametrize("item", PAGES, ids=_name)
def test_commands_name_what_there_is(item: Page) -> None:
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = generator.commands()
    for line in item.commands():
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert not [word for word in words[1:] if "=" not in word and word not in targets], line
        elif words[0].endswith("simgrant"):
            _check_command(words[1:], known, line)


def _check_command(words: list[str], known: dict[str, object], line: str) -> None:
    if words[:1] == ["--config"]:
        words = words[2:]
    path: list[str] = []
    while words and " ".join([*path, words[0]]) in known:
        path.append(words.pop(0))
    command = known[" ".join(path)]
    assert path, line
    assert getattr(command, "commands", None) is None, line
    spelt = {*generator.options(command), "--config", "|", ">"}
    used = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [option for option in used if option not in spelt] == [], line


def test_tests_named_in_pages_are_there() -> None:
    known = {
        found
        for file in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(
            r"^ *(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE
        )
    }
    named = {name for item in PAGES for name in re.findall(r"`(test_\w+)`", item.prose)}
    assert named
    assert named - known == set()


# --- examples ----------------------------------------------------------------------------------


def test_the_example_configuration_loads() -> None:
    loaded = load(ROOT / "examples/simgrant.toml", {})
    assert str(loaded.state_dir) == "/var/lib/simgrant"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem)
def test_the_examples_are_understood(path: Path) -> None:
    said = (
        CliRunner()
        .invoke(app, ["--config", str(path), "check-config", "--offline", "--json"])
        .stdout
    )
    found = json.loads(said)["findings"]
    assert [each["level"] for each in found if each["topic"] == "settings"] == ["ok"]
    # What an example cannot bring along: a key ring, a store, files of certificates.
    problems = [each for each in found if each["level"] == "problem"]
    missing = [each for each in problems if each["text"].endswith("No such file or directory")]
    assert {each["topic"] for each in problems if each not in missing} <= {"keys", "store"}


def test_the_unit_runs_commands_that_there_are() -> None:
    known = generator.commands()
    unit = (ROOT / "examples/simgrant.service").read_text()
    lines = re.findall(r"^Exec\w+=(/opt/simgrant/bin/simgrant .*)$", unit, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        _check_command(line.split()[1:], known, line)


def test_the_policy_of_the_page_is_one() -> None:
    *policy_text, words = page("policy.md").fences("toml")
    text = "\n".join(policy_text)
    policy = parse_policy(text, expressions=open_expressions())
    refuse_taken(policy, SERVICES)
    assert {"standard", "prepaid", "premium"} == policy.plans.keys()
    assert policy.own
    assert len(policy.rules) == len(tomllib.loads(text)["rule"])
    services = {app_id: service.texts for app_id, service in SERVICES.items()}
    default_policy(read_words(words, language="en", services=services))


def test_settings_of_the_operations_page_load(tmp_path: Path) -> None:
    found = list(page("operations.md").fences("toml"))
    assert found
    for text in found:
        file = tmp_path / "simgrant.toml"
        file.write_text(text)
        profiles(load(file, {}))


_OF_OTHER_FILES = {
    "docs/policy.md": range(99),
    "docs/esim-rules.md": (0,),
    "docs/esim.md": (1,),
    "docs/portal.md": (1, 2),
    "docs/open-gateway-consumers.md": (0,),
    "docs/open-gateway-onboarding.md": (1,),
}
"""The blocks that are of a policy, of texts, or of a tariff."""


def _settings() -> Iterator[Any]:
    for item in PAGES:
        others = _OF_OTHER_FILES.get(item.name, ())
        for number, text in enumerate(item.fences("toml")):
            if number not in others:
                yield pytest.param(text, id=f"{item.name}-{number}")


@pytest.mark.parametrize("text", list(_settings()))
def test_settings_in_pages_are_settings(text: str, tmp_path: Path) -> None:
    # Parts of a configuration: what they lean on may be missing, a setting that they name may not.
    file = tmp_path / "simgrant.toml"
    file.write_text(text)
    try:
        load(file, {})
    except errors.StartRefused as refused:
        said = str(refused).splitlines()
        assert [line for line in said if line.startswith(("unknown", "configuration"))] == []


# --- decisions and the picture -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((DOCS / "adr").glob("[0-9]*.md")), ids=lambda path: path.stem
)
def test_decisions_have_their_parts_and_fit_on_a_page(path: object) -> None:
    adr = Page(path)  # type: ignore[arg-type]
    heads = re.findall(r"^## (.*)$", adr.text, re.MULTILINE)
    assert heads == ["Context", "Decision", "Consequences", "What would make us change it"]
    assert adr.text.startswith(f"# {adr.path.name[:4]}: ")
    assert len(adr.text.splitlines()) <= 60
    assert f"({adr.path.name})" in page("adr/README.md").text


@pytest.mark.parametrize(
    "path", sorted((DOCS / "images").glob("*.svg")), ids=lambda path: path.name
)
def test_drawings_stand_alone(path: object) -> None:
    text = Page(path).text  # type: ignore[arg-type]
    root = ElementTree.fromstring(text)  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in text
    assert "href" not in text
