"""A trial is made once on each device; a device that is out of memory is tried again."""

from __future__ import annotations

import pytest
import torch

from cl_viz.engine.tried_once import TriedOnce

FIRST, SECOND = torch.device("cuda", 0), torch.device("cuda", 1)


def test_each_device_is_tried_once() -> None:
    tried: list[torch.device] = []

    def trial(device: torch.device) -> str:
        tried.append(device)
        return "it counts wrongly" if device == SECOND else ""

    kernel = TriedOnce(trial)
    assert [kernel.on(device) for device in (FIRST, FIRST, SECOND, SECOND, FIRST)] == [True, True, False, False, True]
    assert tried == [FIRST, SECOND]
    assert kernel.failure == "it counts wrongly"


def test_an_error_is_a_failure_and_want_of_memory_is_none() -> None:
    errors: list[Exception] = [torch.OutOfMemoryError("full"), RuntimeError("no compiler")]

    def trial(device: torch.device) -> str:
        raise errors.pop(0)

    kernel = TriedOnce(trial)
    with pytest.raises(torch.OutOfMemoryError):
        kernel.on(FIRST)
    assert not kernel.failure
    assert not kernel.on(FIRST)
    assert kernel.failure == "RuntimeError: no compiler"
