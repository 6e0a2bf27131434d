"""What the diagnostics of scores are made of."""
