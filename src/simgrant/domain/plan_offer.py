"""Plans that may be chosen with an eSIM (TS.43 §6.5.6, PlanOffer)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import noun

MOST_PLAN_ID: Final = 64
"""Letters of a PlanId."""


@noun
class PlanOffer:
    """One of them, as people read it."""

    plan_id: str
    """PlanId; also what the plan is called in the policy."""
    name: str
    """PlanName."""
    description: str = ""
    """PlanDescription; empty = there is none."""
    profile_type: str = ""
    """What the SM-DP+ calls the profiles of this plan; empty = the line's own."""
