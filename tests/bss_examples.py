"""The examples of settings for a BSS, as a server on this machine has them."""

from __future__ import annotations

import re
from pathlib import Path

_EXAMPLES = Path(__file__).parents[1] / "examples"


def settings_of(name: str, url: str) -> str:
    """Return an example's settings for a BSS at ``url``, which wants no access tokens."""
    text = (_EXAMPLES / f"{name}.toml").read_text()
    text = re.sub(r"^(token_url|client_id|secret_file|scope) = .*\n", "", text, flags=re.M)
    return re.sub(r'^url = ".*"$', f'url = "{url}"', text, flags=re.M)
