"""The TS.43 endpoint: what a phone talks to.

``app`` parses, calls ``flows.entitle`` and renders; ``answers`` maps errors to
statuses; ``source`` finds out who is asking behind proxies; ``protocol`` bounds
what a connection may send before there is a request at all. What newcomers get
wrong: a 200 without the asked-for application switches services off on real
phones, so whatever cannot be answered truly ends in an error here.
"""
