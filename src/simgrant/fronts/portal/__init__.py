"""The portal: the web views that phones open in the middle of an entitlement.

Above: ``compose``, which puts it behind a listener. Below: ``flows.visits``, which knows what a
page says and what its form does. What newcomers get wrong: a page never learns whose it is; it has
a token.
"""
