"""A business support system that speaks TM Forum Open APIs, with faults on demand."""
