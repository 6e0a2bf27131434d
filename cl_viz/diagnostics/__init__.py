"""Diagnostics: one file per question; inputs in, `Result` out.

Numbers of single samples and comparisons of runs are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cl_viz.diagnostics._causes_first import all_findings, causes_first
from cl_viz.diagnostics._checkup import Checkup, check
from cl_viz.diagnostics._running import (
    DIAGNOSTICS,
    diagnose,
    estimate,
    labelled_passes_of,
    passes_of,
    unknown_result,
)

if TYPE_CHECKING:
    from cl_viz.diagnostics._comparing.against import Point as Point
    from cl_viz.diagnostics._comparing.against import against as against
    from cl_viz.diagnostics._comparing.against import card_facts as card_facts
    from cl_viz.diagnostics._comparing.changed_neighbors import changed_neighbors as changed_neighbors
    from cl_viz.diagnostics._comparing.comparing import compare_runs as compare_runs
    from cl_viz.diagnostics._comparing.comparing import compared_diagnostics as compared_diagnostics
    from cl_viz.diagnostics._comparing.differences import FALSE_DISCOVERIES as FALSE_DISCOVERIES
    from cl_viz.diagnostics._comparing.differences import Difference as Difference
    from cl_viz.diagnostics._comparing.reading import HOW_TO_READ as HOW_TO_READ
    from cl_viz.diagnostics._comparing.resampling import Resamples as Resamples
    from cl_viz.diagnostics._comparing.resampling import resample as resample
    from cl_viz.diagnostics._comparing.resampling import resample_seconds as resample_seconds
    from cl_viz.diagnostics._comparing.run_matrix import MEASURES as MEASURES
    from cl_viz.diagnostics._comparing.run_matrix import run_matrix as run_matrix
    from cl_viz.diagnostics._comparing.run_matrix import run_matrix_seconds as run_matrix_seconds
    from cl_viz.diagnostics._comparing.run_table import QuantityRow as QuantityRow
    from cl_viz.diagnostics._comparing.run_table import RunTable as RunTable
    from cl_viz.diagnostics._comparing.run_table import Shown as Shown
    from cl_viz.diagnostics._comparing.run_table import tabulate as tabulate
    from cl_viz.diagnostics._comparing.same_samples import Pairing as Pairing
    from cl_viz.diagnostics._comparing.same_samples import pairing as pairing
    from cl_viz.diagnostics._sample_measures import SAMPLE_QUANTITIES as SAMPLE_QUANTITIES
    from cl_viz.diagnostics._sample_quantities import SampleQuantity as SampleQuantity
    from cl_viz.diagnostics._sample_quantities import available_quantities as available_quantities
    from cl_viz.diagnostics._sample_quantities import sample_quantities as sample_quantities
    from cl_viz.diagnostics._scores.labelled_rows import labelled_count as labelled_count

_COMPARING = "cl_viz.diagnostics._comparing.comparing"
_SAMPLES = "cl_viz.diagnostics._sample_quantities"
_LAZY = {
    "compare_runs": _COMPARING,
    "compared_diagnostics": _COMPARING,
    "RunTable": "cl_viz.diagnostics._comparing.run_table",
    "QuantityRow": "cl_viz.diagnostics._comparing.run_table",
    "Difference": "cl_viz.diagnostics._comparing.differences",
    "FALSE_DISCOVERIES": "cl_viz.diagnostics._comparing.differences",
    "HOW_TO_READ": "cl_viz.diagnostics._comparing.reading",
    "Pairing": "cl_viz.diagnostics._comparing.same_samples",
    "Resamples": "cl_viz.diagnostics._comparing.resampling",
    "resample": "cl_viz.diagnostics._comparing.resampling",
    "resample_seconds": "cl_viz.diagnostics._comparing.resampling",
    "Shown": "cl_viz.diagnostics._comparing.run_table",
    "MEASURES": "cl_viz.diagnostics._comparing.run_matrix",
    "tabulate": "cl_viz.diagnostics._comparing.run_table",
    "pairing": "cl_viz.diagnostics._comparing.same_samples",
    "run_matrix": "cl_viz.diagnostics._comparing.run_matrix",
    "run_matrix_seconds": "cl_viz.diagnostics._comparing.run_matrix",
    "changed_neighbors": "cl_viz.diagnostics._comparing.changed_neighbors",
    "against": "cl_viz.diagnostics._comparing.against",
    "card_facts": "cl_viz.diagnostics._comparing.against",
    "Point": "cl_viz.diagnostics._comparing.against",
    "SAMPLE_QUANTITIES": "cl_viz.diagnostics._sample_measures",
    "SampleQuantity": _SAMPLES,
    "available_quantities": _SAMPLES,
    "sample_quantities": _SAMPLES,
    "labelled_count": "cl_viz.diagnostics._scores.labelled_rows",
}

__all__ = [
    "DIAGNOSTICS", "Checkup", "all_findings", "causes_first", "check", "diagnose", "estimate", "labelled_passes_of",
    "passes_of", "unknown_result", *_LAZY,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'cl_viz.diagnostics' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
