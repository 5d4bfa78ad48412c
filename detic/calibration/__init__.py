"""Score thresholds by class, fitted on held-out images."""
