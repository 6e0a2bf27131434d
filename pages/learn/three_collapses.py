"""Lesson 5: three kinds of collapse."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["three_collapses"])
