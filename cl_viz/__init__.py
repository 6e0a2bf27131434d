"""cl_viz: inspect contrastive and self-supervised encoders.

Every name below is imported at first use, so that ``import cl_viz`` needs neither torch nor plotly nor streamlit.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cl_viz.core.drawing import draw_with
from cl_viz.core.errors import similar_name

__version__ = "0.1.0"

# name -> module that defines it
_EXPORTS = {
    "EmbeddingSet": "cl_viz.core.embedding_set",
    "Run": "cl_viz.core.run",
    "Snapshot": "cl_viz.core.run",
    "Result": "cl_viz.core.result",
    "Finding": "cl_viz.core.result",
    "ClVizError": "cl_viz.core.errors",
    "load": "cl_viz.formats",
    "save": "cl_viz.formats",
    "open_run": "cl_viz.encoders",
    "encode": "cl_viz.encoders",
    "sample_runs": "cl_viz.encoders",
    "sample_run_names": "cl_viz.encoders",
    "plan": "cl_viz.engine",
    "find_pairs": "cl_viz.engine",
    "estimate_pairs": "cl_viz.engine",
    "scan": "cl_viz.engine",
    "scan_rows": "cl_viz.engine",
    "project": "cl_viz.projections",
    "project_aligned": "cl_viz.projections",
    "Selection": "cl_viz.samples",
    "filter_rows": "cl_viz.samples",
    "search_rows": "cl_viz.samples",
    "sample_quantities": "cl_viz.diagnostics",
    "diagnose": "cl_viz.diagnostics",
    "check": "cl_viz.diagnostics",
    "compare_runs": "cl_viz.diagnostics",
    "train_run": "cl_viz.simulate",
    "Recorder": "cl_viz.recording.recorder",
    "save_run": "cl_viz.recording.saving",
    "render": "cl_viz.figures",
    "use_theme": "cl_viz.figures",
    "scatter_widget": "cl_viz.figures.scatter_widget",
    "explore": "cl_viz.figures",
    "progress_bar": "cl_viz.core.progress",
    "report": "cl_viz.reporting.building",
    "open_app": "cl_viz.dashboard.starting",
}

# Rooms that are called by their own name: cl_viz.lessons.figure(...), cl_viz.losses.compute(...)
_ROOMS = ("diagnostics", "encoders", "figures", "lessons", "losses", "projections", "recording", "testing")

if TYPE_CHECKING:
    from cl_viz.core.embedding_set import EmbeddingSet as EmbeddingSet
    from cl_viz.core.errors import ClVizError as ClVizError
    from cl_viz.core.result import Finding as Finding
    from cl_viz.core.result import Result as Result
    from cl_viz.core.run import Run as Run
    from cl_viz.core.run import Snapshot as Snapshot

__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"cl_viz.{name}")
    if name not in _EXPORTS:
        near = "" if name.startswith("_") else similar_name(name, (*_EXPORTS, *_ROOMS)) or ""
        raise AttributeError(f"module 'cl_viz' has no attribute {name!r}{near and f'; {near}'}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


# A result that is looked at in a notebook is drawn by the room of figures, which rooms of results cannot import.
draw_with(lambda view, theme, **look: __getattr__("render")(view, theme, **look))


def __dir__() -> list[str]:
    return sorted({*_EXPORTS, *_ROOMS, *globals()})
