"""A typed client of simgrant's management API."""

from simgrant_client.client import Client
from simgrant_client.transport import Problem, Retries
from simgrant_client.version import VERSION as __version__

__all__ = ["Client", "Problem", "Retries", "__version__"]
