"""How producers of service-based interfaces are found and asked (TS 29.500, TS 29.510)."""
