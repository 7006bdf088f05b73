"""A 5G core of software: UDMs, an HSS with service-based interfaces, and the NRF that knows them.

It shares the codecs with the server and nothing else: its HTTP/2 is h2's, its tokens are PyJWT's,
and its vectors come from the authentication centre of the simulated HSS. What newcomers get wrong:
each instance is UDM and HSS in one, with an NF instance id for each.
"""
