"""Diagnostics: one file per question; inputs in, `Result` out.

Numbers of single samples are imported at first use: their files need scipy, which those of the registry may name later.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cl_viz.diagnostics._running import DIAGNOSTICS, check, diagnose, estimate, unknown_result

if TYPE_CHECKING:
    from cl_viz.diagnostics._sample_quantities import SAMPLE_QUANTITIES as SAMPLE_QUANTITIES
    from cl_viz.diagnostics._sample_quantities import SampleQuantity as SampleQuantity
    from cl_viz.diagnostics._sample_quantities import available_quantities as available_quantities
    from cl_viz.diagnostics._sample_quantities import sample_quantities as sample_quantities

_OF_SAMPLES = ("SAMPLE_QUANTITIES", "SampleQuantity", "available_quantities", "sample_quantities")

__all__ = ["DIAGNOSTICS", "check", "diagnose", "estimate", "unknown_result", *_OF_SAMPLES]


def __getattr__(name: str) -> Any:
    if name not in _OF_SAMPLES:
        raise AttributeError(f"module 'cl_viz.diagnostics' has no attribute {name!r}")
    return getattr(importlib.import_module("cl_viz.diagnostics._sample_quantities"), name)
