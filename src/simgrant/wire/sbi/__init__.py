"""Messages of the 5G core's service-based interfaces: JSON and headers (TS 29.500)."""
