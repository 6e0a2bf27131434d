"""Maps: one file per method; unit rows in, coordinates out, with what the map keeps of the neighbourhoods.

`project` makes a map, `project_aligned` several that can be laid over each other, `start` one in a process of its own,
`estimate` says beforehand how long it takes. `lay_out` and `judge` are the two halves of `project`.
"""

from cl_viz.projections import _reading as reading
from cl_viz.projections import _worker as worker
from cl_viz.projections._aligning import lay_over, project_aligned
from cl_viz.projections._inputs import ProjectionInputs
from cl_viz.projections._projecting import (
    estimate,
    estimate_judging,
    estimate_layout,
    find_kept,
    judge,
    lay_out,
    project,
)
from cl_viz.projections._projection import Kept, Projection
from cl_viz.projections._requests import PROJECTIONS, known_method
from cl_viz.projections._worker import Job, start

__all__ = [
    "PROJECTIONS",
    "Job",
    "Kept",
    "Projection",
    "ProjectionInputs",
    "estimate",
    "estimate_judging",
    "estimate_layout",
    "find_kept",
    "judge",
    "known_method",
    "lay_out",
    "lay_over",
    "project",
    "project_aligned",
    "reading",
    "start",
    "worker",
]
