"""What does not go as it should: counted, judged and shown, and halted on where it must be."""
