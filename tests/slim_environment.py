"""A pytest plugin: whatever is neither numpy nor torch, nor needed by them or by pytest, is as if not installed."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

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


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


WantedOnly.absent = absent_modules()
for loaded in [module for module in sys.modules if module.split(".")[0] in WantedOnly.absent]:
    del sys.modules[loaded]
sys.meta_path[sys.meta_path.index(PathFinder)] = WantedOnly
