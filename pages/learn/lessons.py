"""Lessons: what they teach, and how far this session came."""

from cl_viz.dashboard import lesson_runner
from cl_viz.lessons import lessons

lesson_runner.overview(lessons())
