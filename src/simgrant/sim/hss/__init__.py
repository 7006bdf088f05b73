"""An HSS of software, which gives vectors over SWx, Cx and S6a.

It shares the codecs with the server and nothing else: the connections here are its own, and so is
its authentication centre. What newcomers get wrong: it keeps nothing. SIMs that an earlier one
served are ahead of it, and resynchronise as real ones do.
"""
