"""A 3GPP AAA server of software, which authenticates SIMs by EAP over Diameter.

Connections and vectors are those of the simulated HSS; the server's own code has no part in it but
the codecs and the EAP machine, which the server leaves alone where it only relays.
"""
