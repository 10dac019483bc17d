"""Pure: features, estimators, calibration, ensemble."""
