"""Sets of outcomes that pay more than they cost: seen, kept on record, bought, and unwound."""
