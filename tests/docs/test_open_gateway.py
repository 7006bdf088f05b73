"""The guides to Open Gateway, taken at their word: every command, in order, on a real server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import DOCS, ROOT, Page, page
from tests.docs.shell import Shell, served

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_ONBOARDING, _APPLICATION = "open-gateway-onboarding.md", "open-gateway-application.md"
_SERVE = "simgrant serve --demo"
_NAMED = re.compile(r"^# (\S+\.toml)$", re.MULTILINE)
_CALL = re.compile(r"^```sh\n(curl .*?)^```$(?:\n\n```json\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
_SWAPPED = "org.camaraproject.sim-swap-subscriptions.v0.swapped"
_GET = "python access_token.py http://127.0.0.1:8083 reference bank.pem"
_SUBSCRIBER = "tel:+447700900001"
_SINKS = """
[camara_outside]
networks = ["127.0.0.0/8"]
"""
_BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The server of the operator's guide, whose commands have been run, and the files it names."""
    directory = tmp_path_factory.mktemp("operator")
    files = _files(page(_ONBOARDING))
    settings = files.pop("simgrant.toml") + _SINKS
    with served(directory, "--demo", settings=settings) as shell:
        for name, text in files.items():
            # The tariff of the page begins one day; here it never has.
            shell.file(name, text.replace("2027-01-01", "2099-01-01"))
        shutil.copy(ROOT / "examples/access_token.py", directory)
        assert _follow(shell, page(_ONBOARDING)) >= 13
        yield shell


def _files(about: Page) -> dict[str, str]:
    """Return the files of a page: a block begins with the name of its file."""
    found = {}
    for block in about.fences("toml"):
        name = _NAMED.search(block)
        assert name is not None, block
        found[name[1]] = block
    return found


def _follow(shell: Shell, about: Page) -> int:
    """Run the commands of a page; what a text block promises, the commands before it have said."""
    said, done = "", 0
    for kind, block in _BLOCK.findall(about.text):
        if kind == "text":
            for line in block.splitlines():
                assert line.strip() in said, f"{about.name}: {line}\n{said}"
            continue
        said = ""
        for line in block.splitlines():
            assert line.startswith(("$ ", "# ")), line
            command = line[2:]
            has_key = (shell.directory / "bank.pem").exists()
            # The fixture starts the server; a bank has one key, whichever page makes it.
            if command != _SERVE and not (has_key and command.startswith("openssl genpkey ")):
                said += shell.said(command)
            done += 1
    return done


def test_an_operator_and_a_developer_get_to_their_answers(shell: Shell) -> None:
    assert _follow(shell, page(_APPLICATION)) >= 8
    books = shell.run("simgrant usage statement $(date -u +%Y-%m) --consumer bank --json").stdout
    assert [(each["outcome"], each["count"]) for each in json.loads(books)] == [("match", 2)]


def test_the_calls_and_commands_of_the_reference_pages(shell: Shell) -> None:
    shell.file("reference.json", json.dumps(_consumer(shell)))
    shell.said("simgrant consumer import reference.json --yes")
    calls = [
        each
        for name in ("open-gateway-apis.md", "open-gateway-events.md")
        for each in _CALL.findall(page(name).text)
    ]
    assert len(calls) == 4
    for call, answer in calls:
        said = json.loads(shell.said(f"TOKEN=$({_token(call)}) && {_placed(call)}"))
        for member, value in json.loads(answer or "{}").items():
            assert type(said[member]) is type(value), (call, said)
    (asked,) = (
        each for each in page("open-gateway-apis.md").fences("json") if "requestCaptureUrl" in each
    )
    token = f"TOKEN=$({_GET} consent-info:retrieve {_SUBSCRIBER})"
    body = f"-H 'Content-Type: application/json' -d '{asked}'"
    address = "http://127.0.0.1:8083/consent-info/v0.2/retrieve"
    said = json.loads(
        shell.said(f'{token} && curl -sS -f {address} -H "Authorization: Bearer $TOKEN" {body}')
    )
    assert said["statusInfo"][0]["statusValidForProcessing"] is True
    assert _follow(shell, page("open-gateway-consent.md")) >= 3
    (change,) = page("open-gateway.md").fences("sh")
    shell.said(change)


def test_no_page_has_commands_that_nobody_runs() -> None:
    """Those of the consumers' page are run by `tests/unit/cli/test_consumer.py`."""
    fences = {
        each.name: len(list(each.fences("sh")))
        for each in map(Page, sorted(DOCS.glob("open-gateway*.md")))
    }
    assert {name.removeprefix("docs/"): count for name, count in fences.items() if count} == {
        "open-gateway.md": 1,
        "open-gateway-apis.md": 3,
        "open-gateway-consumers.md": 4,
        "open-gateway-events.md": 1,
    }
    told = {each.name for each in map(Page, DOCS.glob("open-gateway*.md")) if [*each.commands()]}
    assert told == {
        f"docs/{each}" for each in (_ONBOARDING, _APPLICATION, "open-gateway-consent.md")
    }


def _consumer(shell: Shell) -> dict[str, Any]:
    """Return a contract that has what the calls of the pages need."""
    apis = {
        "number-verification": ["number-verification:verify"],
        "sim-swap": ["sim-swap:check", "sim-swap:retrieve-date"],
        "consent-info": ["consent-info:retrieve"],
        "sim-swap-subscriptions": [f"sim-swap-subscriptions:{_SWAPPED}:create"],
    }
    return {
        "client_id": "reference",
        "name": "Reference",
        "jwks": json.loads(shell.run("simgrant consumer show bank --json").stdout)["jwks"],
        "grants": ["jwt_bearer", "client_credentials"],
        "subjects": ["operatortoken", "tel"],
        "redirect_uris": ["https://bank.example/back"],
        "permissions": [
            {"api": api, "scopes": scopes, "purposes": ["FraudPreventionAndDetection"]}
            for api, scopes in apis.items()
        ],
    }


def _token(call: str) -> str:
    """Return the command that gets the token of a call: about a phone, a number, or nobody."""
    if "/number-verification/" in call:
        phone = [each for each in page(_APPLICATION).commands() if "phone.json" in each]
        get = f"{_GET} number-verification:verify operatortoken:$(cat temporary)"
        return f"{'; '.join(phone)}; {get}"
    if "-subscriptions/" in call:
        return f"{_GET} sim-swap-subscriptions:{_SWAPPED}:create {_SUBSCRIBER}"
    if "/check" in call:
        return f"{_GET} sim-swap:check {_SUBSCRIBER}"
    return f"{_GET} sim-swap:retrieve-date"


def _placed(call: str) -> str:
    """Return a call of the page for this server, and a day to come."""
    call = call.replace("https://api.operator.example", "http://127.0.0.1:8083")
    call = call.replace("https://bank.example/sink", "https://127.0.0.1:9/sink")
    return call.replace("2027-01-31", "2099-01-31").replace("curl", "curl -sS --fail-with-body", 1)
