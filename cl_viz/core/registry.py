"""Registries: one new thing is one new file. Built-ins and third parties come through the same door."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from cl_viz.core.errors import RegistryError, similar_name
from cl_viz.core.lazily import lazily
from cl_viz.core.notebook_html import cells


class Spec(Protocol):
    """What every registry entry has."""

    @property
    def name(self) -> str:
        """Stable identifier."""
        ...


S = TypeVar("S", bound=Spec)


class Registry(Mapping[str, S], Generic[S]):
    """The specs of one kind, found at first use.

    Every module of `package` whose name does not begin with an underscore is imported, in sorted order, and must
    define exactly one ``SPEC`` of type `spec_type`. Then the entry points of group `package` are loaded, each of
    which is a spec.

    Parameters
    ----------
    package : str
        Dotted name, for example ``"cl_viz.diagnostics"``; also the entry-point group.
    spec_type : type
        Type of the specs.

    Raises
    ------
    RegistryError
        At first use, if a module has no such ``SPEC``, a spec leaves a required field empty, or two have one name;
        and where an entry is asked for that there is not.
    """

    def __init__(self, package: str, spec_type: type[S]) -> None:
        self.package = package
        self.spec_type = spec_type

    @lazily
    def _entries(self) -> dict[str, S]:
        entries: dict[str, S] = {}
        origins: dict[str, str] = {}
        for origin, candidate in self._candidates():
            spec = self._checked(candidate, origin)
            if spec.name in entries:
                raise RegistryError(
                    f"two entries are called {spec.name!r}: {origins[spec.name]} and {origin}",
                    where=self.package,
                    remedy="rename one of them",
                )
            entries[spec.name] = spec
            origins[spec.name] = origin
        return entries

    def _candidates(self) -> Iterator[tuple[str, Any]]:
        package = importlib.import_module(self.package)
        for module_name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
            if module_name.startswith("_"):
                continue
            module = importlib.import_module(f"{self.package}.{module_name}")
            yield module.__file__ or module.__name__, getattr(module, "SPEC", None)
        for entry_point in sorted(importlib.metadata.entry_points(group=self.package), key=lambda entry: entry.name):
            yield f"entry point {entry_point.value}", entry_point.load()

    def _checked(self, candidate: Any, origin: str) -> S:
        if not isinstance(candidate, self.spec_type):
            raise RegistryError(
                f"{origin} defines {type(candidate).__name__} as its SPEC",
                where=self.package,
                allowed=f"exactly one {self.spec_type.__name__} called SPEC in each module",
            )
        empty = [name for name in getattr(self.spec_type, "REQUIRED", ()) if getattr(candidate, name) in ("", (), None)]
        if empty:
            raise RegistryError(f"{origin} leaves {', '.join(empty)} empty", where=self.package)
        return candidate

    def __getitem__(self, name: str) -> S:
        if name not in self._entries:
            raise RegistryError(
                f"no entry {name!r}",
                where=self.package,
                allowed=", ".join(self._entries),
                remedy=similar_name(name, self._entries),
            )
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "\n".join(": ".join(row) for row in self._told())

    def _repr_html_(self) -> str:
        return cells(("name", "what it is"), self._told(), code=(0,))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def _told(self) -> list[tuple[str, str]]:
        """Return each name with the question, or the name for people, that its spec states."""
        facts = ("question", "label", "title")
        return [
            (name, next(filter(None, (getattr(spec, fact, "") for fact in facts)), "")) for name, spec in self.items()
        ]
