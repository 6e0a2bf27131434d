"""Gradient flows of lessons: computed once for each choice of controls, shown as figures that move."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from cl_viz.core.lesson import Animation
from cl_viz.simulate import Flow, FlowConfig, FlowStart, flow_positions, flow_spectrum, gradient_flow, named_start


@lru_cache(maxsize=32)
def start(name: str, **settings: Any) -> FlowStart:
    """Return a named start; see `cl_viz.simulate.named_start`."""
    return named_start(name, **settings)


@lru_cache(maxsize=32)
def unlabelled_start(name: str, **settings: Any) -> FlowStart:
    """Return a named start without classes: all points are alike."""
    return replace(named_start(name, **settings), labels=None, label_names=(), prototypes=None)


@lru_cache(maxsize=64)
def flow(
    loss: str, begin: FlowStart, parameters: tuple[tuple[str, Any], ...] = (), steps: int = 60, step_size: float = 0.05
) -> Flow:
    """Return the course of a flow with about 20 recorded moments."""
    config = FlowConfig(loss, dict(parameters), steps=steps, step_size=step_size, records=21)
    return gradient_flow(config, begin)


def moving_points(course: Flow, label: str) -> Animation:
    """Return where the points are at every recorded moment."""
    return _moving(course, tuple(flow_positions(course, label, at) for at in range(len(course.recorded))))


def moving_spectrum(course: Flow, label: str) -> Animation:
    """Return the spectrum at every recorded moment."""
    return _moving(course, tuple(flow_spectrum({label: course}, at) for at in range(len(course.recorded))))


def _moving(course: Flow, moments: tuple[Any, ...]) -> Animation:
    return Animation(moments, tuple(f"{step}" for step in course.recorded))
