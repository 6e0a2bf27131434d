"""Lesson 6: false and hard negatives."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["false_and_hard_negatives"])
