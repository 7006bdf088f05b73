"""An open-source GSMA TS.43 entitlement server.

The version lives here because the build reads it here; everything else is imported from the
module that owns it.
"""

__version__ = "0.1.0"
