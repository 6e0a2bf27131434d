"""Lesson 8: the gap between two modalities."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["two_modalities"])
