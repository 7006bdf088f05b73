"""Diameter as bytes and as meaning, without I/O (RFC 6733).

Above: the peer in ``links`` and the simulated HSS, which share nothing else. Below: the numbers in
``spec.diameter``. ``message`` cuts bytes into AVPs, ``avps`` gives them types, ``base``, ``swx``,
``cx`` and ``s6a`` know what commands hold, ``redirect`` and ``overload`` what answers say besides,
``stream`` cuts what TCP brings into messages.

What newcomers get wrong: an AVP is told by vendor *and* code, and so is a result. A grouped AVP is
cut open only where somebody asks for what is in it, so that depth costs nothing.
"""
