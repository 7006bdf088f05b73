"""Files of rows become mappings of texts with line numbers, and never half-understood ones."""

import json

import pytest

from simgrant.cli.rows import BadFile, form_of, read_rows
from simgrant.flows.subscriptions import BadRow

ROW = {"imsi": "001010000000001", "plan": "standard"}


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.csv", "[", "csv"),
        ("a.JSON", "", "json"),
        ("a.jsonl", "", "jsonl"),
        ("a.ndjson", "", "jsonl"),
        ("-", ' \n[{"imsi"', "json"),
        ("-", '{"imsi"', "jsonl"),
        ("-", "imsi,plan", "csv"),
        ("-", "", "csv"),
    ],
)
def test_form_is_told_by_the_name_or_else_by_the_beginning(name: str, text: str, form: str) -> None:
    assert form_of(name, text) == form


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "imsi,plan\n001010000000001,standard\n"),
        ("csv", " IMSI , plan\r\n 001010000000001 ,standard"),
        ("csv", 'plan,imsi\n"standard","001010000000001"\n\n'),
        ("json", json.dumps([ROW])),
        ("json", json.dumps([{**ROW, "msisdn": None}])),
        ("jsonl", "\n" + json.dumps(ROW)),
    ],
)
def test_one_row_is_the_same_in_every_form(form: str, text: str) -> None:
    ((_, row),) = read_rows(text, form)
    assert row == ROW


def test_lines_are_those_of_the_file() -> None:
    text = 'imsi,plan\n001010000000001,standard\n\n001010000000002,"sta\nndard"\n1,2\n'
    assert [line for line, _ in read_rows(text, "csv")] == [2, 5, 6]
    assert [line for line, _ in read_rows("\n{}\n\n{}", "jsonl")] == [2, 4]


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("csv", "", "empty"),
        ("csv", "\n", "empty"),
        ("csv", "imsi,plann\n", 'did you mean "plan"?'),
        ("csv", "imsi,imsi\n", "twice"),
        ("csv", 'imsi,plan\n"0010', "line"),
        ("json", "[{]", "line 1 column 3"),
        ("json", '{"imsi": "1"}', "list"),
        ("json", "[" * 100_000, "too deep"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_whole(form: str, text: str, said: str) -> None:
    with pytest.raises(BadFile, match=said):
        list(read_rows(text, form))


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("csv", "imsi,plan\n1\n", "1 values for 2 columns"),
        ("csv", "imsi,plan\n1,2,3\n", "3 values for 2 columns"),
        ("json", "[1]", "must be an object"),
        ("json", '[{"imsi": 1010000000001}]', "in quotes"),
        ("json", '[{"plan": true}]', "must be a text"),
        ("json", '[{"plan": ["a"]}]', "must be a text"),
        ("jsonl", "{\n", "is no JSON"),
    ],
)
def test_a_row_that_makes_no_sense_is_a_bad_row(form: str, text: str, said: str) -> None:
    ((_, row),) = read_rows(text, form)
    assert isinstance(row, BadRow)
    assert said in str(row)


def test_numbers_are_taken_where_they_lose_nothing() -> None:
    ((_, row),) = read_rows('[{"res_length": 8, "mnc_digits": 2}]', "json")
    assert row == {"res_length": "8", "mnc_digits": "2"}
