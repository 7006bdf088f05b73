"""The server under load: `simgrant serve` with one worker, its log lines thrown away.

They are made and written as in production; only the disk behind standard output is left out.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from simgrant import serving
from simgrant.config.load import load
from simgrant.eap import prf


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--prf", choices=("ctypes", "python"))
    arguments = parser.parse_args()
    if arguments.prf:
        prf.use(arguments.prf)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(
        serving.serve(
            load(arguments.config, {}), workers=1, announce=lambda _device, _management: None
        )
    )


if __name__ == "__main__":
    main()
