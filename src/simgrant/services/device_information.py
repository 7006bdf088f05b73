"""Device and user information, ap2014, for a request that only authenticates (TS.43 §13).

What it tells is told by operations (``flows/operations``); a request without one wants a token.
"""

from __future__ import annotations

from simgrant.services.service import authenticating

SERVICE = authenticating(__name__)
