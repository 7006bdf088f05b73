"""A BSS whose own API in JSON is described by settings; ``ses`` is one whose requests are known."""
