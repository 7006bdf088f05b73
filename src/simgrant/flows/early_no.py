"""Companions that are turned away before anybody signs in (TS.43 §7.7).

Rules decide about a subscription and its device together, so most of what they say cannot be known
before. What a list of TACs denies can.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from simgrant.domain.device_lists import Listing
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.esim_means import Esim
from simgrant.identities import Imei
from simgrant.spec.ids import AppId
from simgrant.wire.request import Ask


class EarlyNo:
    """Knows the pages of tenants that turn companions away."""

    def __init__(self, esims: Mapping[str, Esim], lists: DeviceLists) -> None:
        """``esims`` is by tenant."""
        self._esims = esims
        self._lists = lists

    def page(self, tenant: str, apps: Collection[str], ask: Ask) -> str:
        """Return the page that tells a request's sender that his companion is not let in.

        It is empty where nothing is known against it.
        """
        line = self._esims[tenant].lines.get(AppId.ODSA_COMPANION)
        if line is None or not line.not_eligible_url or AppId.ODSA_COMPANION not in apps:
            return ""
        tac = Imei.tac_of(ask.value("companion_terminal_id"))
        listing = self._lists.of_tac(line.conditions.tac_list, tac).value
        return line.not_eligible_url if listing is Listing.DENIED else ""
