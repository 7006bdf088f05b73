"""The content types of TS.43, in one place.

Lower case and no parameters: Android looks for ``xml`` or ``json`` as substrings, with regard to
case (AOSP service_entitlement).
"""

from __future__ import annotations

from typing import Final

XML: Final = "text/vnd.wap.connectivity-xml"
"""A configuration document in XML (TS.43 §2.9, RCC.14)."""
JSON: Final = "application/json"
"""A configuration document in JSON, or the parameters of a POST (TS.43 §2.4)."""
EAP_RELAY: Final = "application/vnd.gsma.eap-relay.v1.0+json"
"""An EAP packet in either direction (TS.43 §2.8.1)."""
