"""A pytest plugin: whatever is neither numpy nor torch, nor needed by them or by pytest, is as if not installed.

Of a test with many parameters so many cases are kept that every value of each parameter is in one: what is imported
goes by the values, and their combinations are tested with everything installed.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import pytest

WANTED = ("numpy", "torch", "pytest", "pytest-timeout", "pytest-xdist", "hypothesis")


def needed(names: Sequence[str]) -> set[str]:
    """Return the distributions that some need, with those that these need in turn, as normalised names."""
    found: set[str] = set()
    waiting = [_normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        waiting += [_normal(re.split(r"[^\w.-]", line)[0]) for line in requirements if "extra ==" not in line]
    return found


def absent_modules() -> frozenset[str]:
    """Return the modules of distributions that are not wanted."""
    kept = needed(WANTED) | {"cl-viz"}
    owners = importlib.metadata.packages_distributions().items()
    return frozenset(module for module, own in owners if not {_normal(owner) for owner in own} & kept)


class WantedOnly(PathFinder):
    """Finds what Python's own finder finds, but for the modules that shall be absent."""

    absent: frozenset[str] = frozenset()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return nothing for a module that shall be absent."""
        return None if fullname.split(".")[0] in cls.absent else PathFinder.find_spec(fullname, path, target)


def every_value_once(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return tests without the cases all whose values, each by itself, are in an earlier case of the same test."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for item in items:
        test = item.nodeid.split("[")[0]
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        values = {(test, name, repr(value)) for name, value in parameters.items()} or {(test, "", "")}
        if not values <= seen:
            kept.append(item)
        seen |= values
    return kept


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave such cases out."""
    kept = every_value_once(items)
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


WantedOnly.absent = absent_modules()
for loaded in [module for module in sys.modules if module.split(".")[0] in WantedOnly.absent]:
    del sys.modules[loaded]
sys.meta_path[sys.meta_path.index(PathFinder)] = WantedOnly
