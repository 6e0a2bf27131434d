"""Encoded runs: a folder of shards that `cl_viz.encode` wrote, opened as a run with its layers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._shard_folder import layer_folder
from cl_viz.encoders._stored_rows import StoredRows, check_lengths, stored_rows, stored_set
from cl_viz.formats import parquet, shards

ENCODED = "encoded"
"""Entry of the card."""
SAMPLES = "samples.parquet"
VERSION = 1


class EncodedCard(StoredRows):
    """A checked card of a run that `cl_viz.encode` wrote."""


def encoded_card(folder: Path, facts: Mapping[str, Any], where: str) -> EncodedCard:
    """Check the entry ``encoded`` of a card; raises as `stored_rows`."""
    return EncodedCard(**vars(stored_rows(folder, facts, ENCODED, VERSION, where)))


def encoded_run(card: EncodedCard, source: str) -> Run:
    """Return the run of an encoded folder; a layer is read when it is first looked at."""
    loaders = {
        Snapshot(None, layer): partial(_layer_set, card, place, layer) for place, layer in enumerate(card.layers)
    }
    return Run(str(card.facts["name"]), loaders, card=card.facts, source=source)


def _layer_set(card: EncodedCard, place: int, layer: str) -> EmbeddingSet:
    folder = layer_folder(card.folder, place)
    arrays = shards.read(folder).arrays
    lacking = [view for view in card.views if view not in arrays or len(arrays[view]) != card.rows]
    if lacking:
        found = {view: len(array) for view, array in arrays.items()}
        raise FormatError(
            f"layer {layer!r} holds rows {found}", where=str(folder),
            allowed=f"{card.rows:,} rows of {', '.join(card.views)}", remedy="encode again into a new folder",
        )  # fmt: skip
    views = {view: arrays[view] for view in card.views}
    return stored_set(card, views, _samples(card), f"{card.folder}, {layer}")


def _samples(card: EncodedCard) -> Mapping[str, Column]:
    path = card.folder / SAMPLES
    if not path.is_file():
        raise FormatError(f"missing: {SAMPLES}", where=str(card.folder), remedy="encode again into a new folder")
    return check_lengths(_columns(path, path.stat().st_mtime_ns), card.rows, path)


@lru_cache(maxsize=8)
def _columns(path: Path, modified: int) -> Mapping[str, Column]:
    """Return the columns; the layers of a run share the same arrays."""
    return parquet.read_columns(path).columns


def write_samples(folder: Path, columns: Mapping[str, Column]) -> None:
    """Write what is known of the rows; text that is not valid Unicode, as in odd file names, is mended.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cl_viz.formats._guard import replacing

    table = pa.table({name: _arrow(values) for name, values in columns.items()})
    with replacing(folder / SAMPLES) as temporary:
        pq.write_table(table, temporary)


def _arrow(values: Column) -> Any:
    import pyarrow as pa

    if values.dtype.kind in "fiub":
        return pa.array(np.ascontiguousarray(values))
    texts = [None if value is None or value != value else _mended(str(value)) for value in values]
    return pa.array(texts, type=pa.large_string())


def _mended(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
