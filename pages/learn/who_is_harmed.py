"""Lesson 7: who is harmed when a class is rare."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["who_is_harmed"])
