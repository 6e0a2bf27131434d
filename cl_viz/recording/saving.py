"""`save_run`: a run in memory becomes a run folder, which `cl_viz.open_run`, the dashboard and the commands open."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._card import CARD
from cl_viz.formats import save
from cl_viz.formats._dump import column_to_store
from cl_viz.formats._guard import replacing
from cl_viz.recording._encoding import Layers
from cl_viz.recording._folder import STORAGE, RunFolder, plain_facts
from cl_viz.recording._probe import Probe

DUMP = "embeddings.safetensors"
_LAYER = "embedding"
"""Name of the layer of a run that does not name its layers."""


def save_run(run: Run, folder: str | os.PathLike[str]) -> Path:
    """Write a run as a run folder: its card, and the embeddings of every step and layer.

    A run of one set without step or layer is written as one dump beside its card, whatever its views and pairs. Steps
    and layers are written like those that a `Recorder` writes: they have the same samples in the same views. A run
    that names layers but no steps becomes step 0.

    Parameters
    ----------
    run : Run
        Every snapshot is loaded.
    folder : path
        Made where it does not exist. The card is written last: before that the folder is no run.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder holds a run already, if steps or layers differ in their samples or views, or if the card holds
        what JSON cannot say.

    Examples
    --------
    >>> run = cl_viz.train_run("vicreg", epochs=2)  # doctest: +SKIP
    >>> cl_viz.save_run(run, "runs/vicreg")  # doctest: +SKIP
    """
    place = Path(folder)
    if (place / CARD).exists():
        raise InputError("there is a run already", where=str(place), remedy="give an empty folder")
    facts = {**{name: fact for name, fact in run.card.items() if name not in STORAGE}, "name": run.name}
    if run.snapshots == (Snapshot(),):
        _save_set(run.get(), place, plain_facts(facts, "save_run"))
    else:
        _save_steps(run, place, facts)
    return place


def _save_set(embedding_set: EmbeddingSet, place: Path, facts: dict[str, Any]) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder cannot be made ({error.strerror})", where=str(place)) from error
    save(embedding_set, place / DUMP)
    # Which views and roles there are is said by the dump.
    card = {name: fact for name, fact in facts.items() if name not in ("views", "roles")} | {"dump": DUMP}
    with replacing(place / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _save_steps(run: Run, place: Path, facts: dict[str, Any]) -> None:
    first = run.get()
    for snapshot in run.snapshots:
        found = run.get(*snapshot)
        if found.sizes != first.sizes or found.view_names != first.view_names:
            at = ", ".join(f"{name} {value}" for name, value in snapshot._asdict().items() if value is not None)
            raise InputError(
                f"at {at} there are {found.sizes} rows in the views {', '.join(found.view_names)}",
                where=run.name,
                allowed=f"at every step and layer {first.sizes} rows in {', '.join(first.view_names)}",
                remedy="write each set with cl_viz.save",
            )
    writer = RunFolder(place, _probe(first), facts)
    for step in run.steps:
        layers: Layers = {layer or _LAYER: dict(run.get(step, layer).views) for layer in run.layers}
        writer.write(step or 0, layers, {})
    writer.finish()


def _probe(first: EmbeddingSet) -> Probe:
    """Return what a folder says once of the samples of all steps and layers."""
    shared = {id(columns) for columns in first.metadata.values()}
    if not first.aligned or len(shared) > 1:
        raise InputError(
            "the views of a run with steps or layers hold the same samples row by row", where=first.name,
            remedy="write each set with cl_viz.save",
        )  # fmt: skip
    columns = {name: column_to_store(values) for name, values in first.metadata[first.view_names[0]].items()}
    return Probe(first.views, first.n, columns, {str(role): column for role, column in first.roles.items()})
