"""Lesson 1: pairs, positives, negatives, scores."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import LESSONS

lesson_runner.show(LESSONS["what_a_loss_sees"])
