"""Losses: one file per family; per-anchor values out, reduction separate."""

from __future__ import annotations

from functools import lru_cache

from cl_viz.core.registry import Registry
from cl_viz.core.specs import LossFamily, LossSpec

FAMILIES: Registry[LossFamily] = Registry("cl_viz.losses", LossFamily)


@lru_cache(maxsize=1)
def losses() -> dict[str, LossSpec]:
    """Return every loss by name."""
    return {loss.name: loss for family in FAMILIES.values() for loss in family.losses}
