"""Pure: the generated world as a function of seed and second. No clock, no I/O."""
