"""Handsets and networks made of software, to run the server against.

Shares only the codecs with the server (`wire`, `eap`, `spec`) and talks to it over the network, as
a handset does. It is never imported by the server, and never touches the server's database.
"""
