"""A store that forgets what was used least recently."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class BoundedStore(Generic[T]):
    """The values used last, by key, up to a limit; safe to use from several sessions at once.

    Attributes
    ----------
    limit : float
        Largest sum of weights.
    weigh : callable
        Weight of a value; by default each counts one.
    """

    limit: float
    weigh: Callable[[T], float] = lambda value: 1.0
    _values: OrderedDict[Any, tuple[T, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Any) -> T | None:
        """Return the value of `key` and mark it as used, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Any, value: T) -> T:
        """Keep a value, dropping the least recently used ones above the limit, but never the value itself."""
        with self._lock:
            self._values[key] = value, self.weigh(value)
            self._values.move_to_end(key)
            while len(self._values) > 1 and sum(weight for _, weight in self._values.values()) > self.limit:
                self._values.popitem(last=False)
        return value
