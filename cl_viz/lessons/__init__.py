"""Lessons on the real engine, losses and diagnostics, on sets whose answers are known.

``cl_viz.lessons.figure("temperature", "push", temperature=0.1)`` draws a lesson's figure,
``cl_viz.lessons.check("temperature", temperature=0.2)`` checks its exercise.
"""

from cl_viz.lessons._calling import LESSONS, check, figure, lessons, predict, view

__all__ = ["LESSONS", "check", "figure", "lessons", "predict", "view"]
