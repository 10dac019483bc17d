"""Every figure that the documents quote, run again with one command."""
