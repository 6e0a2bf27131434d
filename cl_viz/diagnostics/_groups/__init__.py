"""What the diagnostics of groups, probes and retrieval are made of."""
