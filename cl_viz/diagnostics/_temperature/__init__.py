"""What the diagnostics of temperature are made of."""
