"""How much memory what is kept takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass

import numpy as np
import torch


def array_bytes(value: object) -> float:
    """Return about how many bytes the arrays inside a value take: in dataclasses, mappings, tuples and lists."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return float(value.nbytes)
    if is_dataclass(value):
        return sum(array_bytes(part) for part in vars(value).values())
    if isinstance(value, Mapping):
        return sum(array_bytes(part) for part in value.values())
    return sum(array_bytes(part) for part in value) if isinstance(value, (tuple, list)) else 0.0
