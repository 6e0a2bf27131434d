"""The pass over all pairs: tiles, sketch, anchors, moments."""

from cl_viz.engine.row_pass import RowStatistics, scan_rows
from cl_viz.engine.scan import scan
from cl_viz.engine.statistics import Statistics

__all__ = ["RowStatistics", "Statistics", "scan", "scan_rows"]
