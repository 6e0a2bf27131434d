"""The plotly.js that the installed plotly package brings."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cl_viz.core.errors import MissingDependencyError


class PlotlyScript(NamedTuple):
    """The file, and the version of the package it came with."""

    path: Path
    version: str


@cache
def plotly_script() -> PlotlyScript:
    """Return where plotly.js lies; nothing is fetched, and plotly itself is not imported.

    Raises
    ------
    MissingDependencyError
        If the installed plotly package brings none.
    """
    found = importlib.util.find_spec("plotly")
    path = Path(found.origin).parent / "package_data" / "plotly.min.js" if found and found.origin else None
    if path is None or not path.is_file():
        raise MissingDependencyError("plotly.js is not installed", where="plotly", remedy="pip install plotly")
    return PlotlyScript(path, importlib.metadata.version("plotly"))
