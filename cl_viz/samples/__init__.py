"""Selections of samples: found by text or SQL, named, exported, and used as a group."""

from cl_viz.samples.filtering import filter_rows, search_rows
from cl_viz.samples.selection import SELECTION_COLUMN, Selection, group_run, read_selection, with_groups

__all__ = ["SELECTION_COLUMN", "Selection", "filter_rows", "group_run", "read_selection", "search_rows", "with_groups"]
