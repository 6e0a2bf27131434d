"""What the diagnostics of collapse are made of."""
