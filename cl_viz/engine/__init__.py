"""The pass over all pairs: tiles, sketch, anchors, moments; and the pairs behind a question."""

from cl_viz.engine.anchor_means import AnchorMeans, anchor_means
from cl_viz.engine.find_pairs import find_pairs
from cl_viz.engine.found_pairs import FoundPairs
from cl_viz.engine.pair_estimate import estimate_pairs
from cl_viz.engine.pair_query import PairQuery
from cl_viz.engine.plan import Plan, plan
from cl_viz.engine.row_pass import RowStatistics, scan_rows
from cl_viz.engine.scan import scan
from cl_viz.engine.statistics import Statistics
from cl_viz.engine.storage import load_statistics, save_statistics

__all__ = [
    "AnchorMeans",
    "FoundPairs",
    "PairQuery",
    "Plan",
    "RowStatistics",
    "Statistics",
    "anchor_means",
    "estimate_pairs",
    "find_pairs",
    "load_statistics",
    "plan",
    "save_statistics",
    "scan",
    "scan_rows",
]
