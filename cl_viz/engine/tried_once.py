"""What may fail on one device and work on another: tried once on each."""

from __future__ import annotations

from collections.abc import Callable

import torch


class TriedOnce:
    """Whether something works on a device, as a trial says where it is first asked.

    Parameters
    ----------
    trial : callable
        Given a device, returns what is wrong there: empty if nothing. An error that it raises is wrong too, but for a
        device that is out of memory at the time.

    Attributes
    ----------
    failure : str
        What was wrong at the last trial; empty if nothing, or before any.
    """

    def __init__(self, trial: Callable[[torch.device], str]) -> None:
        self.failure = ""
        self._trial = trial
        self._works: dict[str, bool] = {}

    def on(self, device: torch.device) -> bool:
        """Whether it works on this device."""
        name = str(device)
        if name not in self._works:
            self.failure = self._found_on(device)
            self._works[name] = not self.failure
        return self._works[name]

    def _found_on(self, device: torch.device) -> str:
        try:
            return self._trial(device)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # No C compiler, a driver too old for this triton, too many registers: the pass works without.
            return f"{type(error).__name__}: {error}"
