"""`Named`: a mapping by name that says which names there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from cl_viz.core.errors import UnknownNameError, similar_name
from cl_viz.core.notebook_html import cells

T = TypeVar("T")


class Named(dict[str, T]):
    """What a result holds, by name.

    Parameters
    ----------
    kind : str
        What one entry is: "quantity", "figure".
    where : str
        Whose they are, for messages.
    entries : Mapping
    """

    def __init__(self, kind: str, where: str, entries: Mapping[str, T]) -> None:
        super().__init__(entries)
        self.kind = kind
        self.where = where

    def __missing__(self, name: str) -> NoReturn:
        raise UnknownNameError(
            f"no {self.kind} {name!r}" if name else f"there is no {self.kind}", where=self.where,
            allowed=", ".join(self) or "none: see the findings for what is missing", remedy=similar_name(name, self),
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        return Named, (self.kind, self.where, dict(self))

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {entry!r}" for name, entry in self.items()) or f"no {self.kind}"

    def _repr_html_(self) -> str:
        return cells(("name", self.kind), [(name, repr(entry)) for name, entry in self.items()], code=(0,))
