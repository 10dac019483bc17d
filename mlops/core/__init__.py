"""Pure: splits, metrics, replay."""
