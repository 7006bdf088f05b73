"""Where in the settings' file a problem is."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.config.lines import with_lines

TEXT = """\
# a comment
[server]
workers = 4

[routes.all]
sources = [
    "hss.home",  # the first
    "hss.other",
]
imsis = '''
a = 1
'''

[source_limits."hss.home"]
timeout_s = 1
[hss]
home.realm = "x"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("server", 2),
        ("server.workers", 3),
        ("server.missing", 2),
        ("routes.all", 5),
        ("routes.all.sources", 6),
        ("routes.all.imsis", 10),
        ('source_limits."hss.home"', 14),
        ('source_limits."hss.home".timeout_s', 15),
        ("hss.home.realm", 17),
        ("hss.home", 17),
    ],
)
def test_a_problem_has_the_line_of_what_it_is_about(path: str, line: int) -> None:
    assert with_lines([f"{path}: is wrong"], TEXT) == [f"{path}: is wrong (line {line})"]


@pytest.mark.parametrize("problem", ["aaa.home: is wrong", "portal is wrong", "", "((("])
def test_what_is_not_in_the_file_has_no_line(problem: str) -> None:
    assert with_lines([problem], TEXT) == [problem]


def test_unknown_names_have_their_line_too() -> None:
    found = with_lines(
        ['unknown key server.workers; did you mean "x"?', "unknown section [hss]"], TEXT
    )
    assert found == [
        'unknown key server.workers; did you mean "x"? (line 3)',
        "unknown section [hss] (line 16)",
    ]


KEYS = st.text("abc", min_size=1, max_size=2)
VALUES = st.sampled_from(["1", '"a"', "[\n 1,\n 2\n]", "'''\nx = 1\n'''", "{ a = 1 }"])


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4), st.data())
def test_every_key_is_found_where_it_was_written(
    tables: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    lines: list[str] = []
    places: dict[str, int] = {}
    for name, keys in tables.items():
        lines += ["", "# x = 1"][: data.draw(st.integers(0, 2))]
        lines.append(f"[{name}]")
        places[name] = len(lines)
        for key, value in keys.items():
            places[f"{name}.{key}"] = len(lines) + 1
            lines += f"{key} = {value}".splitlines()
    text = "\n".join(lines)
    tomllib.loads(text)
    found = with_lines([f"{path}: x" for path in places], text)
    assert found == [f"{path}: x (line {line})" for path, line in places.items()]
