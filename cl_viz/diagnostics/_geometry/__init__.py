"""What the diagnostics of geometry and comparison are made of."""
