"""Hand-written training loops: watched by a few lines, or put to the probes."""
