"""Lesson 4: alignment and uniformity."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["alignment_and_uniformity"])
