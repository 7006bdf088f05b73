"""The command line: parses arguments, calls a flow, renders what came back.

Above: nobody. Below: `serving`, `compose` and the flows, which do the work; a
management API would call the same flows. What newcomers get wrong: whatever a
command needs is imported inside it, so that `simgrant serve` and the shell's
completion do not wait for the rest.
"""

from simgrant.cli.app import app, main

__all__ = ["app", "main"]
