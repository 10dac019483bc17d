"""Pure: contracts, checks, exposure, Kelly, drawdown."""
