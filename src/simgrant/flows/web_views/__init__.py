"""The pages of the services, one module each: which step is due, what is shown, what a form means.

Above: ``flows.visits``, which knows how a page is entered and left. Below: the services, whose own
functions say how far a subscription is. What newcomers get wrong: nothing in here is HTML, or a
text in one language; the front makes a page of a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simgrant.flows.web_views import carrier_billing, data_plan, esim, satmode, vowifi
from simgrant.flows.web_views.web_view import WebView

WEB_VIEWS: Final[Mapping[str, WebView]] = MappingProxyType(
    {
        each.app_id: each
        for each in (
            vowifi.WEB_VIEW,
            data_plan.WEB_VIEW,
            carrier_billing.WEB_VIEW,
            satmode.WEB_VIEW,
            *esim.WEB_VIEWS,
        )
    }
)
"""Every page there is, by AppID."""

__all__ = ["WEB_VIEWS", "WebView"]
