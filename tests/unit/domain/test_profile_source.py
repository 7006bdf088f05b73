"""Which SM-DP+ an order's profile comes from: the first rule that fits, and shares as they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.order import Device, Source
from simgrant.domain.profile_source import SourceRule, choose
from simgrant.identities import Eid
from tests.unit.domain.test_order import EID, an_order

ORDER = an_order()
OTHER_EID = Eid("89049032123451234512345678901243")


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (SourceRule(smdp="south"), True),
        (SourceRule(smdp="south", eid_prefixes=("8905", "89049032")), True),
        (SourceRule(smdp="south", eid_prefixes=("8905",)), False),
        (SourceRule(smdp="south", eid_ranges=((EID.digits, EID.digits),)), True),
        (SourceRule(smdp="south", eid_ranges=((OTHER_EID.digits, OTHER_EID.digits),)), False),
        (
            SourceRule(
                smdp="south", eid_prefixes=("8905",), eid_ranges=((EID.digits, EID.digits),)
            ),
            True,
        ),
        (SourceRule(smdp="south", profile_types=("consumer",)), True),
        (SourceRule(smdp="south", profile_types=("watch",)), False),
        (SourceRule(smdp="south", vendors=("acme",)), True),
        (SourceRule(smdp="south", vendors=("other",)), False),
        (SourceRule(smdp="south", vendors=("acme",), profile_types=("watch",)), False),
    ],
)
def test_every_condition_has_to_fit(rule: SourceRule, fits: bool) -> None:
    device = Device("350000000000017", EID, " ACME")
    found = choose([rule], replace(ORDER, device=device), 0.5)
    assert found[0].smdp == ("south" if fits else "main")


def test_a_device_without_an_eid_fits_no_rule_about_them() -> None:
    order = replace(ORDER, device=Device("350000000000017", None))
    rule = SourceRule(smdp="south", eid_prefixes=("8",))
    assert choose([rule], order, 0) == (ORDER.source,)


def test_the_first_that_fits_counts_and_says_what_it_differs_in() -> None:
    rules = [
        SourceRule(smdp="east", vendors=("other",)),
        SourceRule(smdp="south", profile_type="S-1", pooled=False),
        SourceRule(smdp="west"),
    ]
    west = Source("west", "consumer", pooled=True)
    found = (Source("south", "S-1", pooled=False), west, ORDER.source)
    assert choose(rules, ORDER, 0) == found
    assert choose(rules[2:], ORDER, 0) == (west, ORDER.source)
    assert choose([], ORDER, 0) == (ORDER.source,)
    assert choose([*rules, SourceRule(smdp="main"), rules[2]], ORDER, 0) == found, "each once"


SHARES = st.lists(st.floats(0, 1, exclude_min=True) | st.just(1.0), max_size=5)


@given(SHARES, st.floats(0, 1, exclude_max=True))
def test_one_draw_leads_to_one_place_and_its_own_is_the_last(
    shares: list[float], draw: float
) -> None:
    rules = [SourceRule(smdp=f"{at}", share=share) for at, share in enumerate(shares)]
    found = choose(rules, ORDER, draw)
    assert found == choose(rules, ORDER, draw)
    assert found[-1] == ORDER.source
    names = [each.smdp for each in found[:-1]]
    assert names == sorted(set(names))
    assert {str(at) for at, share in enumerate(shares) if share == 1} <= set(names)


def test_a_share_is_of_what_is_left() -> None:
    rules = [SourceRule(smdp="south", share=0.3), SourceRule(smdp="west", share=0.5)]
    draws = 1000
    found = Counter(
        tuple(source.smdp for source in choose(rules, ORDER, each / draws)) for each in range(draws)
    )
    # An empty shelf makes no share greater: half of what finds none in the south goes to the west.
    assert found == {
        ("south", "west", "main"): 150,
        ("south", "main"): 150,
        ("west", "main"): 350,
        ("main",): 350,
    }
