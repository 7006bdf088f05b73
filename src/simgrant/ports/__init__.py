"""What we need from outside, as Protocols, with the errors each may raise.

Above: the flows, which call the ports, and the adapters, which implement them. Below: `domain`,
whose types cross. A port is worded in our terms, not in those of the first system behind it.
"""
