"""Diagnostics: one file per question; inputs in, `Result` out.

Numbers of single samples and comparisons of runs are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cl_viz.diagnostics._running import DIAGNOSTICS, check, diagnose, estimate, unknown_result

if TYPE_CHECKING:
    from cl_viz.diagnostics._comparing.comparing import compare_runs as compare_runs
    from cl_viz.diagnostics._sample_quantities import SAMPLE_QUANTITIES as SAMPLE_QUANTITIES
    from cl_viz.diagnostics._sample_quantities import SampleQuantity as SampleQuantity
    from cl_viz.diagnostics._sample_quantities import available_quantities as available_quantities
    from cl_viz.diagnostics._sample_quantities import sample_quantities as sample_quantities

_COMPARING = "cl_viz.diagnostics._comparing.comparing"
_SAMPLES = "cl_viz.diagnostics._sample_quantities"
_LAZY = {
    "compare_runs": _COMPARING,
    "SAMPLE_QUANTITIES": _SAMPLES,
    "SampleQuantity": _SAMPLES,
    "available_quantities": _SAMPLES,
    "sample_quantities": _SAMPLES,
}

__all__ = ["DIAGNOSTICS", "check", "diagnose", "estimate", "unknown_result", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'cl_viz.diagnostics' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
