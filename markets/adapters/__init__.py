"""One outside system each: wire format ↔ frozen dataclasses."""
