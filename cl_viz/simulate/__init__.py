"""What a loss would do: training of tiny encoders, gradient flow, block models."""
