"""From a forecast to an intent on record: signals, sizes, the gate, exits."""
