"""The release that this client is of. Made by `make client`: do not edit."""

VERSION = "0.1.0"
