"""The check of conformance fails when it should: the mechanism, not what is shown with it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.conformance import claims, page, requirements
from tools.conformance.claims import Claim
from tools.conformance.judgement import judge, section_problems
from tools.conformance.requirements import BadData, Kind, Requirement, Rule, Standing, State

ROOT = Path(__file__).parents[3]

LATER = Standing(State.LATER, "something")
DIVERGENT = Standing(State.DIVERGENT, "string-case")


def asked(*ids: str, section: str = "2.4") -> dict[str, Requirement]:
    return {id_: Requirement(id_, Kind.BEHAVIOUR, section, None, "does it", "") for id_ in ids}


def claim(pattern: str, test: str = "test_it") -> Claim:
    return Claim(pattern, "tests/test_x.py", test)


def wrong(
    written: dict[str, Requirement],
    *claimed: Claim,
    rules: Sequence[Rule] = (),
    derived: dict[str, Requirement] | None = None,
) -> str:
    return "\n".join(judge(written, derived or {}, rules, claimed).problems)


# --- what is required has a test -----------------------------------------------------------


def test_a_required_one_without_a_test_is_wrong() -> None:
    assert (
        wrong(asked("a.x", "a.y"), claim("a.x")) == "a.y is required, and no test claims to show it"
    )
    assert wrong(asked("a.x", "a.y"), claim("a.x"), claim("a.y")) == ""


def test_a_claim_to_what_is_none_is_wrong() -> None:
    found = wrong(asked("a.x"), claim("a.x"), claim("a.z", "test_z"), claim("b.*"))
    assert found == (
        "tests/test_x.py::test_z claims a.z, which is none\n"
        "tests/test_x.py::test_it claims b.*, which is none"
    )


def test_a_pattern_claims_all_of_a_family_and_no_other() -> None:
    assert wrong(asked("a.x", "a.x=1", "b.x"), claim("a.*")) == (
        "b.x is required, and no test claims to show it"
    )


@pytest.mark.parametrize("standing", [LATER, DIVERGENT, Standing(State.NOT_SERVED, "why")])
def test_what_is_not_required_needs_no_test(standing: Standing) -> None:
    assert wrong(asked("a.x", "a.y"), claim("a.x"), rules=[Rule("a.y", standing)]) == ""
    assert wrong(asked("b.x", "b.y"), rules=[Rule("b.*", standing)]) == ""


def test_what_a_table_of_the_server_has_is_not_written_down_as_well() -> None:
    both, rules = asked("a.x"), [Rule("a.x", LATER)]
    assert "take it out" in wrong(both, claim("a.x"), derived=both)
    assert wrong(both, derived=both, rules=rules) == "", "while it waits, it may stand there"


# --- rules ---------------------------------------------------------------------------------


def test_an_id_goes_before_a_pattern() -> None:
    rules = [Rule("a.*", LATER), Rule("a.x", DIVERGENT)]
    assert requirements.standing("a.x", rules) == DIVERGENT
    assert requirements.standing("a.y", rules) == LATER
    assert requirements.standing("b.x", rules).state is State.REQUIRED
    assert wrong(asked("a.x", "a.y"), rules=rules) == ""


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([Rule("b.*", LATER)], "b.* is no requirement"),
        ([Rule("a.y", LATER)], "a.y is no requirement"),
        ([Rule("a.x", LATER), Rule("a.x", DIVERGENT)], "has a.x twice"),
        ([Rule("a.*", LATER), Rule("*.x", DIVERGENT)], "a.x is meant by a.* and by *.x"),
        ([Rule("a.x", Standing(State.DIVERGENT, "nope"))], "there is no divergence nope"),
    ],
)
def test_a_rule_that_cannot_be_is_wrong(rules: list[Rule], problem: str) -> None:
    assert problem in wrong(asked("a.x"), claim("a.x"), rules=rules)


def test_rules_are_read(tmp_path: Path) -> None:
    file = tmp_path / "standing.toml"
    file.write_text(
        '[[later]]\nwhy = "w"\nids = ["a", "b.*"]\n[[not_served]]\nwhy = "n"\nids = ["c"]'
    )
    assert requirements.rules(file) == [
        Rule("a", Standing(State.LATER, "w")),
        Rule("b.*", Standing(State.LATER, "w")),
        Rule("c", Standing(State.NOT_SERVED, "n")),
    ]
    for text in ('[[required]]\nwhy = ""\nids = []', '[[later]]\nids = ["a"]'):
        file.write_text(text)
        with pytest.raises(BadData):
            requirements.rules(file)


# --- files of requirements -----------------------------------------------------------------

GROUP = """
[a]
section = "2.4"
table = 4
[a.behaviour]
x = "does it"
[a.parameter]
y = { says = "is it", section = "2.5", since = "12.0", values = { 0 = "no", Yes = "yes" } }
"""


def test_requirements_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GROUP)
    assert list(requirements.written(tmp_path).values()) == [
        Requirement("a.x", Kind.BEHAVIOUR, "2.4", 4, "does it", ""),
        Requirement("a.y", Kind.PARAMETER, "2.5", 4, "is it", "12.0"),
        Requirement("a.y=0", Kind.VALUE, "2.5", 4, "no", "12.0"),
        Requirement("a.y=Yes", Kind.VALUE, "2.5", 4, "yes", "12.0"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        GROUP.replace("behaviour", "habit"),
        GROUP.replace("since", "until"),
        GROUP.replace("[a.parameter]", '[a.value]\nx = "again"\n[a.parameter]'),
        GROUP.replace('section = "2.4"', ""),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(BadData):
        requirements.written(tmp_path)


def test_what_the_tables_have_is_made_into_requirements() -> None:
    derived = requirements.derived()
    expected = {
        "request.MSG_btn=1": "11.1.3",
        "ap2016.PLMNAllowed/DataPlanType=Metered": "15.2",
        "operations.VerifyPhoneNumber": "6.5.10",
        "ap2014.PhoneNumberVerification=0": "6.5.10",
        "ap2015.PhoneNumberVerification=0": "6.5.10",
        "status.404": "2.8.6",
        "version.12.0": "2.5",
        "divergence.post-not-supported": "2.4",
    }
    assert {each: derived[each].section for each in expected if each in derived} == expected
    assert not any(each.startswith("operations.validateoperation") for each in derived)


def test_every_section_is_asked_or_silent() -> None:
    every = requirements.written() | requirements.derived()
    silent = dict(requirements.silent())
    assert list(section_problems(every, silent)) == []
    del silent["1.1"]
    found = list(section_problems(every, {**silent, "2.4": "why", "99": "why"}))
    assert found == [
        "silent.toml: section 2.4 asks something of a server",
        "silent.toml: there is no section 99",
        "section 1.1 has no requirement, nor is it in silent.toml",
    ]
    assert "no section 77" in "\n".join(section_problems(asked("a", section="77"), {}))


# --- claims --------------------------------------------------------------------------------

TESTS = """
import pytest
CASES = [1, pytest.param(2, marks=pytest.mark.conforms("a.case"))]

@pytest.mark.conforms("a.one", "a.two")
def test_one(): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=[pytest.mark.conforms("a.param")])])
async def test_params(x): ...

@pytest.mark.parametrize("x", CASES)
def test_cases(x): ...

@pytest.mark.conforms("a.all")
class TestMany:
    @pytest.mark.conforms("a.own")
    def test_own(self): ...
    def helper(self): ...
"""


def found_in(tmp_path: Path, text: str, name: str = "test_x.py") -> claims.Found:
    (tmp_path / "tests").mkdir(exist_ok=True)
    (tmp_path / "tests" / name).write_text(text)
    return claims.find(tmp_path)


def test_claims_are_found_where_pytest_finds_marks(tmp_path: Path) -> None:
    found = found_in(tmp_path, TESTS)
    assert found.problems == []
    assert {(each.test, each.pattern) for each in found.claims} == {
        ("test_one", "a.one"),
        ("test_one", "a.two"),
        ("test_params", "a.param"),
        ("test_cases", "a.case"),
        ("TestMany::test_own", "a.all"),
        ("TestMany::test_own", "a.own"),
    }
    assert {each.file for each in found.claims} == {"tests/test_x.py"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('pytestmark = pytest.mark.conforms("a")', "a claim that is no test's"),
        ('@pytest.mark.conforms("a")\ndef helper(): ...', "a claim that is no test's"),
        ('@pytest.mark.conforms("a")\nclass Helper: ...', "a claim that is no test's"),
        ("@pytest.mark.conforms(NAME)\ndef test_a(): ...", "names its ids as texts"),
        ("@pytest.mark.conforms()\ndef test_a(): ...", "names its ids as texts"),
        ('@pytest.mark.conforms("a", why="b")\ndef test_a(): ...', "names its ids as texts"),
        (
            '@pytest.mark.skip\n@pytest.mark.conforms("a")\ndef test_a(): ...',
            "test_a claims, and need not pass",
        ),
        (
            '@pytest.mark.xfail(reason="b")\n@pytest.mark.conforms("a")\ndef test_a(): ...',
            "test_a claims, and need not pass",
        ),
    ],
)
def test_what_is_no_claim_of_a_test_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in "\n".join(found_in(tmp_path, text).problems)


def test_a_claim_in_a_file_that_is_not_collected_is_wrong(tmp_path: Path) -> None:
    found = found_in(tmp_path, TESTS, name="helpers.py")
    assert found.claims == []
    assert len(found.problems) == 5


def test_what_pytest_collected_claims_what_was_read(request: pytest.FixtureRequest) -> None:
    """Of whatever tests this run has: nothing that pytest sees escapes the reading of files."""
    read = {(each.file, each.test, each.pattern) for each in claims.find(ROOT).claims}
    for item in request.session.items:
        parts = item.nodeid.split("::")
        name = "::".join((*parts[1:-1], parts[-1].partition("[")[0]))
        for mark in item.iter_markers(claims.MARK):
            assert {(parts[0], name, pattern) for pattern in mark.args} <= read


# --- the whole -----------------------------------------------------------------------------


def test_the_check_fails_as_soon_as_one_claim_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("golden"))
    (tmp_path / page.PAGE).parent.mkdir(parents=True)
    assert page.main([], tmp_path) == 0
    assert page.main(["--check"], tmp_path) == 0
    file = tmp_path / "tests/unit/eap/test_machine.py"
    text = file.read_text("utf-8")
    file.write_text(text.replace("eap.keys-from-identity", "eap.keys-from-identities"), "utf-8")
    assert page.main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err.splitlines()
    assert any("claims eap.keys-from-identities, which is none" in line for line in said)
    assert "eap.keys-from-identity is required, and no test claims to show it" in said
    assert f"out of date, run: make docs ({page.PAGE})" in said
    assert page.main([], tmp_path) == 1
    assert "**no test**" in (tmp_path / page.PAGE).read_text("utf-8")
