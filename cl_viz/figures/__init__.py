"""View -> plotly figure; theme; colours. The only place that builds figures."""

from cl_viz.figures.comparing import compare
from cl_viz.figures.exploring import explore
from cl_viz.figures.many_bars import at_ends, below_each_other
from cl_viz.figures.marking import at_step
from cl_viz.figures.notebook import csv_text, python_lines
from cl_viz.figures.rendering import render

__all__ = ["at_ends", "at_step", "below_each_other", "compare", "csv_text", "explore", "python_lines", "render"]
