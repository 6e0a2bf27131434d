"""Lessons on the real engine, losses and diagnostics, on sets whose answers are known.

``cl_viz.lessons.figure("temperature", "push", temperature=0.1)`` draws a lesson's figure,
``cl_viz.lessons.check("temperature", temperature=0.2)`` checks its exercise; `setup`, `verdict`, `explain` and
`explore` are what the notebooks of the lessons add.
"""

from cl_viz.lessons._calling import LESSONS, check, figure, lessons, predict, view
from cl_viz.lessons._in_notebooks import explain, explore, setup, verdict

__all__ = ["LESSONS", "check", "explain", "explore", "figure", "lessons", "predict", "setup", "verdict", "view"]
