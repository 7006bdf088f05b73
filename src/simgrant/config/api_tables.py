"""The settings of an API that is asked over HTTP: where it is, and how we prove who we are."""

from __future__ import annotations

from typing import Literal

from simgrant.config.section import Section


class ApiTable(Section, frozen=True):
    """An API in JSON."""

    url: str = ""
    """Scheme, host and port, and what all paths begin with. Must be `https`, or on this machine,
    unless `plain`."""
    plain: bool = False
    """Allow `http` to other machines, in a network of your own."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    certificate: str = ""
    """PEM file of our certificate chain, for mutual TLS. Read again when it changes."""
    key: str = ""
    """PEM file of its private key."""
    token_url: str = ""
    """Where access tokens come from (OAuth 2.0 client credentials); empty = none are used."""
    client_id: str = ""
    """Which client we are."""
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = (
        "client_secret_basic"
    )
    """How we prove that."""
    secret_file: str = ""
    """File with the client's secret, or with its private key (PEM) for `private_key_jwt`. Read
    again when it changes."""
    key_id: str = ""
    """`kid` of that private key, if one is wanted."""
    scope: str = ""
    """`scope` of the tokens, if one is wanted."""
    api_key_file: str = ""
    """File with a key that each request has in a header. Read again when it changes."""
    api_key_header: str = "x-api-key"
    """The name of that header."""
    user: str = ""
    """Name for HTTP Basic; with `password_file`."""
    password_file: str = ""
    """File with the password. Read again when it changes."""
    headers: dict[str, str] = {}
    """Headers that each request has besides."""
