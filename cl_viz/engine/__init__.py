"""The pass over all pairs: plan, tiles, sketch, moments."""
