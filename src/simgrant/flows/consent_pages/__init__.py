"""Pages on which subscribers say what consumers of partner APIs may know (ADR 0063)."""
