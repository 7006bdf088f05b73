"""ODSA for companion devices, ap2006, for a request that only authenticates (TS.43 §6).

What it does is done by operations (``flows/operations``); a request without one wants a token.
"""

from __future__ import annotations

from simgrant.services.service import authenticating

SERVICE = authenticating(__name__)
