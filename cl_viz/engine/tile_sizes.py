"""Tiles that fit: where a device's memory does not suffice, the work is done again with smaller ones."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

import torch

from cl_viz.core.errors import DeviceError

T = TypeVar("T")

SMALLEST = 64
"""Rows below which tiles are not made smaller."""
_DIVISORS = (1, 4, 16, 64, 256)

_divisor: ContextVar[int] = ContextVar("divisor", default=1)


def fitted(size: int) -> int:
    """Return how many rows to take where `size` would be best; to be asked in the thread that began the work."""
    return max(min(size, SMALLEST), size // _divisor.get())


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory does not suffice."""
    # Apple's GPU and the matrix library say so in words only.
    words = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def with_smaller_tiles(work: Callable[[], T], device: torch.device, where: str) -> T:
    """Do some work, again with smaller tiles each time that the device's memory does not suffice.

    Parameters
    ----------
    work : callable
        Asks `fitted` for the sizes of its tiles.
    device : torch.device
    where : str
        Name of the set.

    Raises
    ------
    DeviceError
        If even the smallest tiles do not fit.
    """
    last: RuntimeError | None = None
    for divisor in _DIVISORS:
        before = _divisor.set(divisor)
        try:
            return work()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            # Without its frames, which hold the tensors that did fit.
            last = error.with_traceback(None)
        finally:
            _divisor.reset(before)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    raise DeviceError(
        f"{device} has too little free memory, even for tiles of {SMALLEST} rows",
        where=where,
        remedy="close other programs that use the device, or pass device='cpu'",
    ) from last
