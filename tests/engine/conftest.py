"""What tests of the engine share."""

from __future__ import annotations

import pytest

from cl_viz.engine import compiled


@pytest.fixture(scope="session", autouse=True)
def _one_way_of_binning() -> None:
    """Wait until the loops are compiled: sums by torch, before, and by loops, after, differ in their last digits."""
    compiled.wait()
