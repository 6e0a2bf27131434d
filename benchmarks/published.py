"""Where benchmarks put what they measured: a file of results, and the place marked for them in a page of the docs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]


def keep(name: str, found: Mapping[str, Any]) -> None:
    """Write what was measured into benchmarks/results/`name`.json."""
    target = _results(name)
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def kept(name: str) -> dict[str, Any]:
    """Return what an earlier run wrote there; nothing where there was none."""
    found: dict[str, Any] = json.loads(_results(name).read_text(encoding="utf-8")) if _results(name).exists() else {}
    return found


def _results(name: str) -> Path:
    return CHECKOUT / "benchmarks" / "results" / f"{name}.json"


def publish(page: str, script: str, *parts: str) -> None:
    """Put paragraphs and tables into docs/`page`, between the two marks of a benchmark, in place of the last ones.

    Parameters
    ----------
    page : str
        Name of the file.
    script : str
        Name of the benchmark's file, which its marks name.
    *parts : str
        Markdown; an empty line goes between them.

    Raises
    ------
    SystemExit
        If the page has no place marked for them.
    """
    path = CHECKOUT / "docs" / page
    mark = f"<!-- measured by benchmarks/{script} -->"
    pieces = path.read_text(encoding="utf-8").split(mark)
    if len(pieces) != 3:
        raise SystemExit(f"{path} must hold {mark} twice, around the place for the table")
    path.write_text("\n\n".join([f"{pieces[0]}{mark}", *parts, f"{mark}{pieces[2]}"]), encoding="utf-8")
