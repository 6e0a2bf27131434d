"""The optional libraries that lay maps out."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from cl_viz.core.errors import MissingDependencyError

_EXTRA = "pip install 'cl-viz[maps]'"


def layout_library(name: str, *parts: str) -> Any:
    """Return an optional library, with some of its modules imported.

    Parameters
    ----------
    name : str
        As it is imported.
    *parts : str
        Modules of it.

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
        raise MissingDependencyError(f"{name} cannot be imported: {error}", where="map", remedy=_EXTRA) from error
