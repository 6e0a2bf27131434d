"""Diagnostics: one file per question; inputs in, `Result` out."""

from cl_viz.diagnostics._running import DIAGNOSTICS, check, diagnose, estimate, unknown_result
from cl_viz.diagnostics._sample_quantities import (
    SAMPLE_QUANTITIES,
    SampleQuantity,
    available_quantities,
    sample_quantities,
)

__all__ = [
    "DIAGNOSTICS",
    "SAMPLE_QUANTITIES",
    "SampleQuantity",
    "available_quantities",
    "check",
    "diagnose",
    "estimate",
    "sample_quantities",
    "unknown_result",
]
