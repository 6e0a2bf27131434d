"""What a run folder says of an encoding: the facts of its card, and the columns of its rows."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column
from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.encoders._augmenting import SETTINGS
from cl_viz.encoders._data import ArrayImages, EncodingData, Unreadable
from cl_viz.encoders._digit_data import thumbnail
from cl_viz.encoders._encoded import ENCODED, VERSION
from cl_viz.encoders._encoding_views import ViewPlan

_MOST_SKIPPED = 500
_MOST_THUMBNAILS = 20_000
_THUMBNAIL_SIDE = 64
_EXACT_SIDE = 32


def describe(
    spec: EncoderSpec,
    recognised: Recognised,
    data: EncodingData,
    views: Sequence[ViewPlan],
    layers: Sequence[str],
    skipped: Sequence[tuple[int, str]],
) -> dict[str, Any]:
    """Return the facts of a card: what was run on what, which views, and the rows that were skipped, with reasons."""
    n = data.n - len(skipped)
    roles = {str(role): column for role, column in data.roles.items()}
    if _has_thumbnails(data, n):
        roles.setdefault("image", "image")
    card = {
        "family": spec.label,
        "architecture": recognised.architecture,
        "data": data.source if data.source.startswith("sample:") else os.path.abspath(data.source),
        "data_kind": data.kind,
        "view_recipe": "; ".join(f"{view.name}: {view.column}, {view.change}" for view in views),
        "skipped_rows": len(skipped),
        ENCODED: {
            "version": VERSION, "layers": list(layers), "views": [view.name for view in views], "rows": n,
            "roles": roles, "summary": f"{n:,} of {data.n:,} rows",
        },
        "preprocessing": None if recognised.image is None else asdict(recognised.image),
        "augmentation": dict(SETTINGS) if any(view.change == "augmented" for view in views) else None,
        "notes": [*recognised.notes, *data.notes],
        "skipped": [[row, _named(data, row), reason] for row, reason in skipped[:_MOST_SKIPPED]],
    }  # fmt: skip
    return {name: value for name, value in card.items() if value is not None}


def _named(data: EncodingData, row: int) -> str:
    """Return what a person knows a row by: its file, else nothing."""
    column = data.roles.get("image")
    return str(data.columns[column][row])[:200] if column is not None and column in data.columns else ""


def sample_columns(data: EncodingData, rows: NDArray[np.int64]) -> dict[str, Column]:
    """Return what is known of some rows, with their numbers and, for images in an array, small pictures."""
    columns = {name: np.asarray(values)[rows] for name, values in data.columns.items()}
    columns["row" if "row" not in columns else "encoded_row"] = rows
    if _has_thumbnails(data, len(rows)):
        source = data.inputs["image"]
        assert isinstance(source, ArrayImages)
        columns["image"] = np.array([_small_picture(source, int(row)) for row in rows], dtype=object)
    return columns


def _has_thumbnails(data: EncodingData, n: int) -> bool:
    return isinstance(data.inputs.get("image"), ArrayImages) and n <= _MOST_THUMBNAILS


def _small_picture(source: ArrayImages, row: int) -> str:
    """Return a picture of an array as a data address, at most 64 pixels a side; empty where it cannot be read.

    JPEG takes a third of PNG's time and a fifth of its bytes, which counts with thousands of them; pictures of few
    pixels stay exact.
    """
    try:
        picture = source.read(row)
    except Unreadable:
        return ""
    if max(picture.size) > _THUMBNAIL_SIDE:
        picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    if max(picture.size) <= _EXACT_SIDE:
        return thumbnail(np.asarray(picture))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
