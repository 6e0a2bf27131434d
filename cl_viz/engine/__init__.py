"""The pass over all pairs: tiles, sketch, anchors, moments."""

from cl_viz.engine.plan import Plan, plan
from cl_viz.engine.row_pass import RowStatistics, scan_rows
from cl_viz.engine.scan import scan
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import load_statistics, save_statistics

__all__ = ["Plan", "RowStatistics", "Statistics", "load_statistics", "plan", "save_statistics", "scan", "scan_rows"]
