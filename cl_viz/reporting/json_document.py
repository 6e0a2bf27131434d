"""Results as strict JSON: one entry a run, with every quantity under a name that never changes meaning."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Caveats, Finding, Interval, Quantity, Result
from cl_viz.diagnostics import all_findings
from cl_viz.reporting.writing import write_whole

Checked = tuple[EmbeddingSet, Sequence[Result]]
"""An embedding set, and what diagnostics found on it."""


def as_document(checked: Sequence[Checked]) -> dict[str, Any]:
    """Return results as plain values that any JSON reader understands.

    Parameters
    ----------
    checked : sequence of (EmbeddingSet, sequence of Result)
        One entry a run; the results of one entry are of that set.

    Returns
    -------
    dict
        ``{"runs": [{"name", "n", "dim", "views", "quantities", "findings", "params", "caveats"}]}``. The keys of
        ``quantities`` are ``diagnostic.quantity``, those of ``params`` and ``caveats`` are diagnostics; a number that
        is not finite, or not known, is None.
    """
    return {"runs": [_run_entry(embedding_set, results) for embedding_set, results in checked]}


def write_document(document: dict[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a document as strict JSON, to a temporary file that is then renamed.

    Returns
    -------
    Path
        Where it was written.
    """
    return write_whole(as_text(document) + "\n", path)


def as_text(document: dict[str, Any]) -> str:
    """Return a document as indented strict JSON, without a line end."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _run_entry(embedding_set: EmbeddingSet, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "name": results[0].run if results else embedding_set.name,
        "n": embedding_set.n,
        "dim": embedding_set.dim,
        "views": list(embedding_set.view_names),
        "quantities": {
            f"{result.diagnostic}.{name}": _quantity_entry(quantity)
            for result in results
            for name, quantity in result.quantities.items()
        },
        "findings": [_finding_entry(finding) for finding in all_findings(results)],
        "params": {
            result.diagnostic: {name: _plain(value) for name, value in result.params.items()} for result in results
        },
        "caveats": {result.diagnostic: _caveats_entry(result.caveats) for result in results},
    }


def _quantity_entry(quantity: Quantity) -> dict[str, Any]:
    return {
        "value": _number(quantity.value),
        "interval": _interval_entry(quantity.interval),
        "n": quantity.n,
        "unit_of_n": quantity.unit_of_n,
        "label": quantity.label,
        "unit": quantity.unit,
        "range": None if quantity.range is None else [_number(end) for end in quantity.range],
        "reference": _number(quantity.reference),
        "reference_label": quantity.reference_label,
        "missing": quantity.missing,
    }


def _interval_entry(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "low": _number(interval.low),
        "high": _number(interval.high),
        "level": interval.level,
        "method": interval.method,
    }


def _finding_entry(finding: Finding) -> dict[str, Any]:
    source = finding.source
    return {
        "diagnostic": finding.diagnostic,
        "level": finding.level,
        "message": finding.message,
        "advice": finding.advice,
        "quantity": finding.quantity,
        "source": None if source is None else {"citation": source.citation, "url": source.url},
    }


def _caveats_entry(caveats: Caveats) -> dict[str, Any]:
    return {
        "n_used": caveats.n_used,
        "n_excluded": caveats.n_excluded,
        "layer": caveats.layer,
        "step": caveats.step,
        "seed": caveats.seed,
        "normalised": caveats.normalised,
        "centred": caveats.centred,
        "notes": list(caveats.notes),
    }


def _plain(value: Any) -> Any:
    """Return the value of a parameter as JSON has it; numbers as `_number`, sequences as lists."""
    if isinstance(value, bool | str):
        return value
    if value is None or isinstance(value, int | float):
        return _number(value)
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else str(value)


def _number(value: float | None) -> float | int | None:
    """Return a plain Python number; None for what strict JSON cannot say (NaN, infinities)."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(value)
