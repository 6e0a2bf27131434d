"""The compiled kernels, where numba is installed; they are made in a background thread and never waited for.

Until they are there (the first time, compiling takes seconds; later they are read from numba's cache on disk) the
pass uses torch, and it goes over to them between two tiles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

Kernels = SimpleNamespace
"""The compiled functions by name."""
MANY_PAIRS = 4_000_000
"""Pairs that this process scores with torch before it asks for the kernels: a short run is over before they load."""

_lock = threading.Lock()
_thread: threading.Thread | None = None
_kernels: Kernels | None = None
_failure = ""
_enabled = True
_pairs_seen = 0


def kernels(device: torch.device) -> Kernels | None:
    """Return the compiled kernels if they are ready and of use on this device."""
    return _kernels if _enabled and device.type == "cpu" else None


def count_pairs(n_pairs: int) -> None:
    """Note that pairs are going to be scored; from `MANY_PAIRS` on the kernels are asked for."""
    global _pairs_seen
    _pairs_seen += n_pairs
    if _pairs_seen >= MANY_PAIRS:
        request()


def request() -> None:
    """Begin to make the kernels, in the background; does nothing where numba is not installed."""
    global _thread, _failure
    with _lock:
        if _thread is not None or _failure or not _enabled:
            return
        if find_spec("numba") is None:
            _failure = "numba is not installed"
            return
        # A daemon: a process that is done must not wait for a compiler.
        _thread = threading.Thread(target=_make, name="cl_viz-compile", daemon=True)
        _thread.start()


def wait(timeout: float | None = None) -> bool:
    """Wait until the kernels are ready; False if they cannot be had."""
    request()
    if _thread is not None:
        _thread.join(timeout)
    return _kernels is not None


def enable(enabled: bool) -> bool:
    """Use the kernels or leave them; return what was set before."""
    global _enabled
    before, _enabled = _enabled, enabled
    return before


def failure() -> str:
    """Return why there are no kernels; empty while they are ready or being made."""
    return _failure


def _compile(module: ModuleType, njit: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Put compiled loops in the place of a module's own, and return those that are called from outside, by name.

    Each is compiled when it is first called, and kept on disk.
    """
    any_order = getattr(module, "ANY_ORDER", {})
    names = [function.__name__ for function in module.FUNCTIONS]
    for name, function in zip(names, module.FUNCTIONS, strict=True):
        # Loops call each other by these names.
        setattr(module, name, njit(nogil=True, cache=True, fastmath=any_order.get(name, False))(function))
    return {name: getattr(module, name) for name in names if not name.startswith("_")}


def _make() -> None:
    global _kernels, _failure
    try:
        from numba import njit

        from cl_viz.engine import cell_kernels, kernels, row_kernels
        from cl_viz.engine.warm_up import warm_up

        found = Kernels()
        for module in (kernels, row_kernels, cell_kernels):
            vars(found).update(_compile(module, njit))
        for dtype in (np.float32, np.float64):
            warm_up(found, dtype)
    except Exception as error:
        # No compiler, no cache folder, a numba too old for this Python: the pass works without.
        _failure = f"{type(error).__name__}: {error}"
        return
    _kernels = found
