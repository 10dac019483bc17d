"""Pure: books, wire formats, series."""
