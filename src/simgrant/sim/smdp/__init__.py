"""An SM-DP+ made of software: profiles, certificates, ES2+ both ways, and faults to switch on.

It shares only the codec with the server. It is no SM-DP+: it has no ES9+, so no eUICC can load
anything from it.
"""
