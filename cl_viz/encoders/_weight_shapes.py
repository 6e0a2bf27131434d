"""Shapes of named weights, and what to say when one is not what an architecture needs."""

from __future__ import annotations

from collections.abc import Mapping

from cl_viz.core.errors import FormatError

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each weight by its name."""


def extent(shapes: Shapes, name: str, axes: int, allowed: str) -> tuple[int, ...]:
    """Return the shape of the weight called `name`, which must have `axes` axes, none of them empty.

    Raises
    ------
    FormatError
        If it is missing or has another number of axes; `allowed` is passed on.
    """
    shape = shapes.get(name, ())
    if len(shape) != axes or 0 in shape:
        found = f"has shape {shape}" if name in shapes else "is missing"
        raise FormatError(f"{name} {found}, where {axes} axes are wanted", allowed=allowed)
    return shape
