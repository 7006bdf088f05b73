"""Keys for sealing, hashing and wrapping, as a value (no files, no clock).

Above: ``adapters.keyring`` reads the ring from its file and renews it; flows
seal tokens and cookies with it. Below: only ``errors``. What newcomers get
wrong: nothing here asks for the time or for random bytes. ``now`` and
``nonce`` are arguments, so a ring can be tested at any instant.
"""
