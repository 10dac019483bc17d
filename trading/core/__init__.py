"""Pure: fees, edge, decisions, order states."""
