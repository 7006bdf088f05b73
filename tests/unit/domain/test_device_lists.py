"""Lists of TACs and EIDs: read whole or refused by line, and the narrowest range counts."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import device_lists
from simgrant.domain.device_lists import BadList, EidList, Listing, TacList, read_eids, read_tacs

EID = "89049032123451234512345678901235"


def test_a_list_says_yes_no_or_nothing() -> None:
    found = read_tacs(
        "\ufefftac,vendor,model,allow\r\n"
        '35000001,ACME,"W1, 42 mm",yes\r\n'
        "\r\n"
        " 35000002 ,ACME,W0, NO \r\n"
    )
    assert [found.of(tac) for tac in ("35000001", "35000002", "35000003", "")] == [
        Listing.ALLOWED,
        Listing.DENIED,
        Listing.UNLISTED,
        Listing.UNLISTED,
    ]
    assert len(found) == 2


def test_a_star_says_it_of_all_others() -> None:
    found = read_tacs("allow,tac,model,vendor\nyes,35000001,,\nno,*,,\n")
    assert [found.of(tac) for tac in ("35000001", "35000003", "")] == [
        Listing.ALLOWED,
        Listing.DENIED,
        Listing.DENIED,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("35000001,a,b,yes\n", "line 1: the first row must be tac,vendor,model,allow"),
        ("tac,vendor,model\n", "line 1: the first row"),
        ("tac,vendor,model,allow\n3500000,a,b,yes\n", "line 2: tac must be 8 digits"),
        ("tac,vendor,model,allow\n٣5000001,a,b,yes\n", "line 2: tac must be 8 digits"),
        ("tac,vendor,model,allow\n35000001,a,b,maybe\n", "line 2: allow must be yes or no"),
        ("tac,vendor,model,allow\n35000001,a,yes\n", "line 2: 3 columns, not 4"),
        ("tac,vendor,model,allow\n\n35000001,,,1\n35000001,,,0\n", "line 4: tac 35000001 is named"),
        ("tac,vendor,model,allow\n*,,,1\n*,,,0\n", "line 3: a second row"),
        ('tac,vendor,model,allow\n35000001,"a\n', "line 2: "),
        (f"tac,vendor,model,allow\n35000001,{'a' * 129},,1\n", "line 2: a text of more than 128"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadList) as refused:
        read_tacs(text)
    assert problem in str(refused.value)


def test_every_mistake_is_said_at_once_but_not_without_end() -> None:
    rows = "".join(f"{number},,,yes\n" for number in range(100))
    with pytest.raises(BadList) as refused:
        read_tacs("tac,vendor,model,allow\n" + rows)
    assert str(refused.value).count("line ") == 20


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_lists, "MOST_TACS", 2)
    rows = [f"3500000{number},,,yes\n" for number in range(3)]
    assert len(read_tacs("tac,vendor,model,allow\n" + "".join(rows[:2]))) == 2
    with pytest.raises(BadList, match="line 4: more than 2 rows"):
        read_tacs("tac,vendor,model,allow\n" + "".join(rows))
    monkeypatch.setattr(device_lists, "MOST_LETTERS", 30)
    with pytest.raises(BadList, match="more than 30 characters"):
        read_tacs("tac,vendor,model,allow\n" + "".join(rows))


def test_the_narrowest_range_counts() -> None:
    found = read_eids(
        "eid,vendor,allow\n"
        "8904,maker,yes\n"
        "89049032-89049034,product,no\n"
        f"{EID},one,yes\n"
        "8905,other,no\n"
    )
    assert found.of(EID) is Listing.ALLOWED
    assert found.of(EID[:-1] + "6") is Listing.DENIED
    assert found.of("89049035" + EID[8:]) is Listing.ALLOWED
    assert found.of("8905" + EID[4:]) is Listing.DENIED
    assert found.of("8906" + EID[4:]) is Listing.UNLISTED
    assert found.of("") is Listing.UNLISTED


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("x,,yes\n", "line 2: eid must be 1 to 32 digits"),
        ("890-8,,yes\n", "line 2: eid must be"),
        (f"{EID}0,,yes\n", "line 2: eid must be"),
        ("89-88,,yes\n", "line 2: the range ends before it begins"),
        ("8901-8905,,yes\n8904-8907,,no\n", "line 3: overlaps the range of line 2"),
        ("8901,,yes\n8901,,no\n", "the same range as line"),
        ("89010-89019,,yes\n8901,,no\n", "the same range as line"),
    ],
)
def test_ranges_that_cannot_be_are_said_with_their_line(rows: str, problem: str) -> None:
    with pytest.raises(BadList) as refused:
        read_eids("eid,vendor,allow\n" + rows)
    assert problem in str(refused.value)


@given(st.sets(st.text("01", min_size=1, max_size=6), max_size=20), st.text("01", min_size=6))
def test_ranges_say_what_the_longest_prefix_says(prefixes: set[str], digits: str) -> None:
    eid = digits[:32].ljust(32, "0")
    allow = {prefix: prefix.count("1") % 2 == 0 for prefix in prefixes}
    rows = "".join(f"{prefix},,{'yes' if said else 'no'}\n" for prefix, said in allow.items())
    fitting = [prefix for prefix in prefixes if eid.startswith(prefix)]
    expected = Listing.UNLISTED
    if fitting:
        expected = Listing.ALLOWED if allow[max(fitting, key=len)] else Listing.DENIED
    assert read_eids("eid,vendor,allow\n" + rows).of(eid) is expected


_CELLS = st.one_of(st.text('0189*-, "\n\r;yesno', max_size=12), st.text(max_size=5))
_FILES = st.lists(st.lists(_CELLS, max_size=5).map(",".join), max_size=6).map("\n".join)


@given(
    st.one_of(st.just(""), st.sampled_from(["tac,vendor,model,allow\n", "eid,vendor,allow\n"])),
    _FILES,
    st.text("0123456789", max_size=40),
)
def test_whatever_is_in_a_file_it_is_taken_or_refused(head: str, rest: str, digits: str) -> None:
    for read in (read_tacs, read_eids):
        with suppress(BadList):
            found: TacList | EidList = read(head + rest)
            assert found.of(digits) in Listing
