"""The TS.43 endpoint: what a phone talks to.

``app`` parses, calls ``flows.entitle`` and renders; ``answers`` maps errors to
statuses; ``protocol`` is one connection: bytes to a ``message.Request``, within
bounds, and a ``message.Reply`` to bytes; ``source`` finds out who is asking behind
proxies. What newcomers get wrong: a 200 without the asked-for application switches
services off on real phones, so whatever cannot be answered truly ends in an error
here.
"""
