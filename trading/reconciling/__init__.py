"""Our books against the venue and the chain."""
