"""Which views of the data a checkpoint is asked for: two random ones, the plain one, two passes, or columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cl_viz.core.encoder import Modality, Recognised
from cl_viz.core.errors import InputError
from cl_viz.encoders._data import EncodingData

Change = Literal["plain", "augmented", "dropout"]
Views = str | Sequence[str] | Mapping[str, str] | None
"""A kind of view, a column, several columns, or columns by the name of the view; None lets the data decide."""

KINDS: tuple[Change, ...] = ("augmented", "plain", "dropout")


@dataclass(frozen=True)
class ViewPlan:
    """One view.

    Attributes
    ----------
    name : str
    column : str
        What is embedded.
    modality : {"image", "text"}
    change : {"plain", "augmented", "dropout"}
        As the checkpoint's own evaluation sees it; a random view of the picture; a pass with dropout switched on.
    draw : int
        Number of the random view or pass.
    """

    name: str
    column: str
    modality: Modality
    change: Change = "plain"
    draw: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return names and values, ready for JSON."""
        return asdict(self)


def plan_views(data: EncodingData, recognised: Recognised, views: Views = None) -> tuple[ViewPlan, ...]:
    """Decide which views are made.

    Parameters
    ----------
    data : EncodingData
    recognised : Recognised
    views : str, sequence, mapping or None
        ``"augmented"``: two random views of each image. ``"plain"``: the checkpoint's own evaluation. ``"dropout"``:
        two passes of each text. A column, several columns, or columns by view name. None: columns that stand beside
        each other as pairs, else image and text for two towers, else two random views of images, else plain texts.

    Raises
    ------
    InputError
        If the data or the checkpoint has nothing for it.
    """
    usable = [name for modality in recognised.modalities for name in data.of(modality)]
    if not usable:
        wants = " or ".join(f"{modality}s" for modality in recognised.modalities)
        raise InputError(
            f"the checkpoint embeds {wants}, the {data.kind} has none", where=data.source,
            allowed=f"data with {wants}; columns here: {', '.join(data.inputs) or 'none'}",
        )  # fmt: skip
    if views is None:
        return _guessed(data, recognised, usable)
    if isinstance(views, str) and views not in KINDS:
        views = [views]
    if isinstance(views, str):
        return _of_kind(views, data, recognised)
    if not isinstance(views, Sequence | Mapping):
        raise InputError(
            f"views is {views!r}", where="views", allowed=f"{', '.join(KINDS)}, or columns: {', '.join(usable)}"
        )
    named = dict(views) if isinstance(views, Mapping) else _named(list(views), data)
    if not named or len(named) < len(views):
        raise InputError("no view, or one twice", where="views", allowed=f"columns: {', '.join(usable)}")
    unknown = [column for column in named.values() if column not in usable]
    if unknown:
        raise InputError(
            f"no column {unknown[0]!r} that the checkpoint embeds", where="views",
            allowed=f"{', '.join(KINDS)}, or columns: {', '.join(usable)}",
        )  # fmt: skip
    return tuple(ViewPlan(name, column, modality_of(data, column)) for name, column in named.items())


def modality_of(data: EncodingData, column: str) -> Modality:
    """Return what a column holds."""
    return "text" if column in data.of("text") else "image"


def _guessed(data: EncodingData, recognised: Recognised, usable: Sequence[str]) -> tuple[ViewPlan, ...]:
    for pair in data.pairs:
        if all(column in usable for column in pair):
            return plan_views(data, recognised, pair)
    columns = [_first(data, modality) for modality in ("image", "text") if modality in recognised.modalities]
    present = [column for column in columns if column is not None]
    if len(present) == 2:
        return plan_views(data, recognised, present)
    return _of_kind("augmented" if present[0] in data.of("image") else "plain", data, recognised)


def _of_kind(kind: str, data: EncodingData, recognised: Recognised) -> tuple[ViewPlan, ...]:
    if kind == "plain":
        columns = [_first(data, modality) for modality in recognised.modalities]
        present = [column for column in columns if column is not None]
        return tuple(
            ViewPlan(name, column, modality_of(data, column)) for name, column in _named(present, data).items()
        )
    modality: Modality = "image" if kind == "augmented" else "text"
    column = _first(data, modality) if modality in recognised.modalities else None
    if column is None:
        raise InputError(
            f"views {kind!r} are for {modality}s, and " + ("the checkpoint embeds none" if modality not in
            recognised.modalities else "the data has none"),
            where="views", allowed="plain, or columns: " + ", ".join(data.inputs),
        )  # fmt: skip
    if kind == "dropout" and recognised.dropout is False:
        raise InputError(
            "this encoder has no dropout: two passes give the same rows", where="views",
            allowed="plain, or columns: " + ", ".join(data.inputs),
        )  # fmt: skip
    change: Change = "augmented" if kind == "augmented" else "dropout"
    return tuple(ViewPlan(f"view_{draw + 1}", column, modality, change, draw) for draw in range(2))


def _first(data: EncodingData, modality: Modality) -> str | None:
    """Return the column of a modality that plays its role, else the first."""
    columns = data.of(modality)
    role = data.roles.get(modality)
    return role if role in columns else columns[0] if columns else None


def _named(columns: list[str], data: EncodingData) -> dict[str, str]:
    """Name views after their modality where each has another, else after their column."""
    kinds = [modality_of(data, column) if column in data.inputs else column for column in columns]
    if len(columns) > 1 and len(set(kinds)) == len(kinds):
        return dict(zip(kinds, columns, strict=True))
    return {"view_1": columns[0]} if len(columns) == 1 else {column: column for column in columns}
