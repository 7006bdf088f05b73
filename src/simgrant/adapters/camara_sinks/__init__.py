"""Sinks of consumers' notifications."""
