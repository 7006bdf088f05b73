"""Settings: one TOML file, environment over it, safe defaults under it.

``model`` says what can be set, each field with its prose; ``load`` reads and
checks; ``reference`` renders the documentation from the model. Above: only
``compose`` and ``cli`` hold a whole ``Settings``; everything below is handed
the few values it needs. What newcomers get wrong: a new setting must have a
default that works, and a docstring, or the documentation test fails.
"""
