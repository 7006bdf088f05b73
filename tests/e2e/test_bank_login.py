"""The story of a bank's login, as `make demo STORY=bank-login` tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.story import assert_in_order, told

pytestmark = pytest.mark.e2e


def test_the_story_of_the_banks_login_has_no_surprises(tmp_path: Path) -> None:
    assert_in_order(
        told("bank-login", tmp_path),
        "AcquireTemporaryToken",
        "an access token for one call",
        '{"devicePhoneNumberVerified": true}',
        "access_token_spent",
        "exchanged_before",
        '{"devicePhoneNumberVerified": false}',
        "access_token_of_before",
        "no number, no SIM and no device was told",
        "books: 1 match, 1 no_match",
        "5 scenes, 0 surprises",
    )
