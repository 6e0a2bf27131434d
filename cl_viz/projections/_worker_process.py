"""The process of a map: reads a request and rows from a folder, says how far it is, writes the values.

``python -m cl_viz.projections._worker_process FOLDER``; one JSON object a line goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cl_viz.core.errors import ClVizError
from cl_viz.engine.storage import write_values
from cl_viz.projections._cache import MapCache
from cl_viz.projections._inputs import part_of
from cl_viz.projections._making import MapMaker
from cl_viz.projections._projecting import LAYOUT_PART
from cl_viz.projections._requests import MapRequest, known_method, made_params
from cl_viz.projections._worker import REQUEST, RESULT, ROWS


def work(folder: Path, says: TextIO) -> int:
    """Make the map that the folder asks for.

    Parameters
    ----------
    folder : Path
    says : TextIO
        Where progress and errors go.

    Returns
    -------
    int
        The exit code.
    """

    def say(message: Mapping[str, Any]) -> None:
        says.write(json.dumps(message) + "\n")
        says.flush()

    try:
        asked = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        spec = known_method(asked["map"])
        request = MapRequest(
            spec.name, asked["dim"], asked["view"], made_params(spec, asked["params"]), asked["seed"], asked["device"],
            asked["laid_out_on"],
        )  # fmt: skip
        # Read, not mapped: the folder goes when the job is stopped.
        rows = np.load(folder / ROWS, allow_pickle=False)
        maker = MapMaker(request, asked["fingerprint"], lambda: rows, MapCache(asked["cache"]))

        def report(done: float, message: str) -> None:
            say({"fraction": done, "message": message})

        layout_part = LAYOUT_PART if asked["judged"] else 1.0
        values = maker.layout(part_of(report, 0.0, layout_part))
        if asked["judged"]:
            values = {**values, **maker.kept(values, False, part_of(report, layout_part, 1.0))}
        write_values(values, folder / RESULT)
    except ClVizError as error:
        say({"error": _told(type(error).__name__, error)})
    except Exception as error:  # the page gets a sentence, whatever a library raises
        what = f"{type(error).__name__}: {error}"
        told = ClVizError(what, where="map", remedy="use other parameters or the method pca")
        say({"error": _told("ClVizError", told)})
    return 0


def _told(kind: str, error: ClVizError) -> dict[str, Any]:
    return {
        "kind": kind, "what": error.what, "where": error.where, "allowed": error.allowed, "remedy": error.remedy,
    }  # fmt: skip


def _end_with_the_parent() -> None:
    """End when standard input closes: a job must not outlive the process that asked for it."""
    sys.stdin.read()
    os._exit(1)


def main() -> int:
    """Work for the folder named on the command line."""
    says = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What libraries print must not mix with what is said.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    return work(Path(sys.argv[1]), says)


if __name__ == "__main__":
    sys.exit(main())
