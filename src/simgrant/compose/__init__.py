"""The only place that builds adapters from the configuration.

Above: ``serving``, which asks for a whole server (`server`), and the commands, which ask for one
part of it and load no other.
"""
