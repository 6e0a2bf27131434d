"""Inputs for any loss, made from what its spec says it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.losses import losses


def unit_rows(n_rows: int, dimension: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return rows drawn uniformly from the sphere."""
    return torch.nn.functional.normalize(raw_rows(n_rows, dimension, seed), dim=1).to(dtype)


def raw_rows(n_rows: int, dimension: int, seed: int) -> torch.Tensor:
    """Return rows drawn from a normal distribution."""
    return torch.randn(n_rows, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs_of(
    spec: LossSpec, n_samples: int = 12, dimension: int = 5, *, n_views: int = 2, dtype: torch.dtype = torch.float64
) -> LossInputs:
    """Return inputs that meet the needs of a loss, and labels for those that take them."""
    n_views = 3 if "three_views" in spec.needs else n_views
    rows = unit_rows if spec.rows == "unit" else raw_rows
    views = tuple(rows(n_samples, dimension, 1 + seed).to(dtype) for seed in range(n_views))
    return LossInputs(
        views,
        labels=torch.arange(n_samples) % 3,
        queue=unit_rows(7, dimension, 11, dtype) if "queue" in spec.needs else None,
        prototypes=unit_rows(4, dimension, 12, dtype) if "prototypes" in spec.needs else None,
    )


def call(name: str, inputs: LossInputs, **parameters: Any) -> torch.Tensor:
    """Return the values of a loss."""
    spec = losses()[name]
    return spec.compute(inputs, spec.params(**parameters))


def reordered(inputs: LossInputs, order: torch.Tensor) -> LossInputs:
    """Return the same samples in another order."""
    labels = None if inputs.labels is None else inputs.labels[order]
    return replace(inputs, views=tuple(view[order] for view in inputs.views), labels=labels)
