"""The optional libraries that lay maps out."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from cl_viz.core.errors import MissingDependencyError


def layout_library(name: str, *parts: str, extra: str = "maps") -> Any:
    """Return an optional library, with some of its modules imported.

    Parameters
    ----------
    name : str
        As it is imported.
    *parts : str
        Modules of it.
    extra : str
        Of this package, that it comes with.

    Raises
    ------
    MissingDependencyError
        If it is not installed; the remedy names the pip line.
    """
    try:
        with warnings.catch_warnings():
            # They warn of their own dependencies while they are imported.
            warnings.simplefilter("ignore")
            for part in parts:
                importlib.import_module(f"{name}.{part}")
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"{name} cannot be imported: {error}", where="map", remedy=f"pip install 'cl-viz[{extra}]'"
        ) from error
