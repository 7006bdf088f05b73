"""Outbound plumbing that adapters share: an HTTP client with deadlines, an SMPP session.

Above: the adapters, which speak for one outside system each. Below: the codecs in `wire`. A link
knows how to reach a peer and nothing of what is said to it; newcomers tend to put the meaning
here, where a second adapter cannot do without it.
"""
