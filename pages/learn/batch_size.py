"""Lesson 3: batch size and coupling."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["batch_size"])
