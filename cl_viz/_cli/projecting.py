"""`cl-viz project`: the methods there are, and a map written as a table or as arrays."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cl_viz._cli.describing import show_methods
from cl_viz._cli.writing import writing
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.projections import PROJECTIONS, Projection
from cl_viz.reporting import write_whole

SUFFIXES = (".parquet", ".csv", ".npz")
_AXES = ("x", "y", "z")


def check_suffix(target: Path) -> None:
    """Raise `FormatError` where a map cannot be written as the suffix says; before it is made."""
    if target.suffix.lower() not in SUFFIXES:
        raise FormatError(
            f"a map is not written as {target.suffix or 'a file without suffix'}",
            where=str(target),
            allowed=", ".join(SUFFIXES),
        )


def list_methods(console: Console) -> None:
    """Print every method with its dimensions and parameters."""
    show_methods(console, list(PROJECTIONS.values()))


def write_map(projection: Projection, embedding_set: EmbeddingSet, target: Path) -> None:
    """Write a map: one row a sample with its metadata as Parquet or CSV, or the arrays as NPZ."""
    facts = json.dumps(map_facts(projection))
    content = io.BytesIO()
    if target.suffix.lower() == ".npz":
        np.savez_compressed(content, coordinates=projection.coordinates, error=projection.error, facts=np.array(facts))
    else:
        table = _table(projection, embedding_set)
        if target.suffix.lower() == ".csv":
            content.write(table.to_csv(index=False).encode("utf-8"))
        else:
            _write_parquet(table, facts, content)
    with writing(target):
        write_whole(content.getvalue(), target)


def map_facts(projection: Projection) -> dict[str, Any]:
    """Return what a map is and what it keeps, for JSON."""
    kept = {"trustworthiness": projection.trustworthiness, "neighbor_recall": projection.neighbor_recall}
    return {
        "name": projection.name, "method": projection.method, "params": dict(projection.params),
        "seed": projection.seed, "view": projection.view, "fingerprint": projection.fingerprint,
        **{name: dict(vars(value)) for name, value in kept.items()}, "notes": list(projection.notes),
    }  # fmt: skip


def _table(projection: Projection, embedding_set: EmbeddingSet) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {"row": np.arange(len(projection.coordinates))}
    columns |= {axis: projection.coordinates[:, place] for place, axis in enumerate(_AXES[: projection.dim])}
    columns["error"] = projection.error
    for name, values in embedding_set.columns(projection.view).items():
        # A metadata column of a map's own name keeps its content under another one.
        columns[f"metadata {name}" if name in columns else name] = values
    return pd.DataFrame({name: list(v) if np.asarray(v).ndim > 1 else v for name, v in columns.items()})


def _write_parquet(table: Any, facts: str, content: io.BytesIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in table.columns:
        # Columns of mixed entries have no type of their own.
        if table[name].dtype == object and not table[name].map(lambda entry: isinstance(entry, list)).any():
            table[name] = table[name].map(lambda entry: None if entry is None else str(entry))
    found = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(
        found.replace_schema_metadata({**(found.schema.metadata or {}), b"cl_viz_map": facts.encode()}), content
    )
