"""An attribute that is worked out when it is first asked for, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lazily(Generic[T]):
    """`functools.cached_property` without a lock.

    Python 3.11 holds one lock for an attribute of all instances while it is worked out: a model that one session
    builds would keep every other session waiting, and a thread that imports meanwhile could wait for ever. Here two
    threads that ask at once both work it out, and both get the value that was there first.

    Parameters
    ----------
    make : callable
        The method; instances need a ``__dict__``.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazily[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> lazily[T] | T:
        if instance is None:
            return self
        # Asked once only: afterwards the value in __dict__ is found before this.
        kept: T = instance.__dict__.setdefault(self.name, self.make(instance))
        return kept
