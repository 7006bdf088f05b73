"""What we know about a subscription and what we decide from it, without I/O.

Above: services, ports and flows. Below: `spec` and `identities`. Everything a decision needs is an
argument, the time included.
"""
