"""Open runs: a run folder's checkpoints are really run on the evaluation digits; anything else is a dump."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

import cl_viz
from cl_viz.core.embedding_set import Column, EmbeddingSet, Role
from cl_viz.core.errors import ClVizError, FormatError, InputError, similar_name
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._card import CARD, DigitRunCard, DumpCard, read_card, read_facts
from cl_viz.encoders._digit_captions import CaptionRule, caption_texts
from cl_viz.encoders._digit_data import load_digits, thumbnails
from cl_viz.encoders._digit_inputs import VIEW_NAMES, DigitInputs, InputKind
from cl_viz.encoders._digit_views import DigitAugmentation, hue_names, tint
from cl_viz.encoders._embedding_cache import Arrays, cache_key, read_cached, write_cached
from cl_viz.encoders._encoded import EncodedCard, encoded_run
from cl_viz.encoders._projector_log import is_projector_log, projector_run
from cl_viz.encoders._recognising import refuse_checkpoint
from cl_viz.encoders._recorded import recorded_run, refuse_unwritten
from cl_viz.encoders._recorded_card import RecordedCard
from cl_viz.encoders._shard_folder import refuse_unfinished
from cl_viz.encoders._step_folder import is_step_folder, step_folder_run
from cl_viz.encoders.tiny import LAYERS, build, recognise

if TYPE_CHECKING:
    from cl_viz.formats import Source

PathLike = str | os.PathLike[str]
Target: TypeAlias = "Run | EmbeddingSet | Source"
"""What a question can be asked of: a run, a set, and whatever `open_run` makes a run of."""
# Seed of the views of a checkpoint that comes without a card; the sample runs use the same.
_BARE_SEED = 2024


def open_run(path: Target) -> Run:
    """Open a run folder, a checkpoint of a tiny encoder, any embedding dump, or what is in memory.

    A run folder holds ``card.json`` and checkpoints; its embeddings are computed when a snapshot is first looked at,
    by running the encoder on the evaluation images, and kept in the cache folder (environment variable
    ``CL_VIZ_CACHE``). A folder that `cl_viz.Recorder` writes, and a log folder of TensorBoard's projector, hold the
    embeddings themselves, and so does a folder of dumps per training step (``step-100.npz``, ``step-200.npz``, ...). A
    single checkpoint of a tiny encoder is a run with one step; without a card beside it, it is run on the bundled
    digits. Anything else is read by `cl_viz.load` and becomes a run with one snapshot.

    Parameters
    ----------
    path : path, or what is in memory
        A folder with ``card.json``, a checkpoint, or a dump. What `cl_viz.load` takes of memory, or an embedding set,
        becomes a run with one snapshot; a run stays what it is.

    Returns
    -------
    Run
        Snapshots by training step and layer, projector first.

    Raises
    ------
    FormatError
        If the card or a file it names cannot be used, and for a checkpoint of another family, which `cl_viz.encode`
        runs; damaged weights are noticed when their snapshot is asked for.
    UnsafeFileError, InputError
        As `cl_viz.load`, for a dump.
    """
    if isinstance(path, Run):
        return path
    if not isinstance(path, str | os.PathLike):
        from cl_viz.formats import load

        return Run.from_set(path if isinstance(path, EmbeddingSet) else load(path))
    folder = Path(path)
    if folder.is_file() and recognise(folder):
        return _computed_run(_card_of_checkpoint(folder), source=str(folder))
    if not (folder / CARD).is_file():
        if is_projector_log(folder):
            return projector_run(folder)
        from cl_viz.formats import load

        refuse_unwritten(folder)
        refuse_checkpoint(folder)
        refuse_unfinished(folder)
        if is_step_folder(folder):
            return step_folder_run(folder)
        return Run.from_set(load(folder))
    card = read_card(folder)
    if isinstance(card, DumpCard):
        return Run(card.facts["name"], {Snapshot(): partial(_load_dump, card)}, card=card.facts, source=str(folder))
    if isinstance(card, EncodedCard):
        return encoded_run(card, str(folder))
    if isinstance(card, RecordedCard):
        return recorded_run(card, str(folder))
    return _computed_run(card, source=str(folder))


def _computed_run(card: DigitRunCard, *, source: str) -> Run:
    missing = [file.name for file in (card.data, *card.checkpoints.values()) if not file.is_file()]
    if missing:
        raise FormatError(
            f"missing: {', '.join(missing)}", where=source, allowed=f"every file that {CARD} names",
            remedy="restore the folder or train the run again",
        )  # fmt: skip
    loaders = {
        Snapshot(step, layer): partial(_embedding_set, card, step, layer)
        for step in card.checkpoints
        for layer in LAYERS
    }
    return Run(card.facts["name"], loaders, card=card.facts, source=source)


def _card_of_checkpoint(path: Path) -> DigitRunCard:
    """Return the card beside a checkpoint, cut down to it; without one, what its architecture can be fed."""
    place = path.resolve()
    if (place.parent / CARD).is_file():
        card = read_card(place.parent)
        if isinstance(card, DigitRunCard):
            steps = {step: file for step, file in card.checkpoints.items() if file == place}
            if steps:
                return replace(card, checkpoints=steps)
    architecture = build(path).network.architecture
    inputs: InputKind = "captioned" if architecture.words else "tinted" if architecture.channels == 3 else "grey"
    return DigitRunCard(
        checkpoints={None: place},
        data=sample_folder() / "data" / "mnist_5k.npz",
        inputs=inputs,
        augmentation=DigitAugmentation(),
        evaluation_seed=_BARE_SEED,
        label="digit",
        facts={"name": path.stem, "encoder": "tiny", "architecture": architecture.as_dict(), "inputs": inputs},
    )


def sample_folder() -> Path:
    """Return the folder of the bundled sample models.

    Raises
    ------
    FormatError
        If this installation lacks it.
    """
    package = Path(cl_viz.__file__).parent
    for candidate in (package / "_app" / "sample_models", package.parent / "sample_models"):
        if (candidate / "runs").is_dir():
            return candidate
    raise FormatError(
        "the sample models are missing", where=str(package), remedy="install the whole wheel, or run from a checkout"
    )


def sample_run_names() -> tuple[str, ...]:
    """Return the names of the bundled runs: those that open by default first, then in the order of their cards."""
    runs = sample_folder() / "runs"
    names = sorted(
        folder.name for folder in runs.iterdir() if (folder / CARD).is_file() and not folder.name.startswith(".")
    )
    return tuple(sorted(names, key=lambda name: _place_in_list(runs / name)))


def sample_runs(
    names: Sequence[str] | str | None = None, *, on_error: Callable[[ClVizError], None] | None = None
) -> list[Run]:
    """Open bundled runs.

    Parameters
    ----------
    names : sequence of str, or one name, optional
        Which; by default those whose card says ``open_by_default``.
    on_error : callable, optional
        Called with the error of a run that cannot be opened, which is then left out; by default it is raised.

    Raises
    ------
    InputError
        On an unknown name.
    FormatError
        If a run cannot be opened and `on_error` is not given.
    """
    available = sample_run_names()
    runs = sample_folder() / "runs"
    if isinstance(names, str):
        names = [names]
    wanted = [name for name in available if _opens_by_default(runs / name)] if names is None else list(names)
    opened = []
    for name in wanted:
        if name not in available:
            raise InputError(
                f"no sample run {name!r}",
                where="sample_runs",
                allowed=", ".join(available),
                remedy=similar_name(name, available),
            )
        try:
            opened.append(open_run(runs / name))
        except ClVizError as error:
            if on_error is None:
                raise
            on_error(error)
    return opened


def _opens_by_default(folder: Path) -> bool:
    """Tell what the card says; a card that cannot be read is tried, so that its error is seen."""
    try:
        return bool(read_facts(folder).get("open_by_default", False))
    except FormatError:
        return True


def _place_in_list(folder: Path) -> tuple[bool, float]:
    """Return a sorting key: default runs first, then the card's ``order``; unreadable cards and others last."""
    try:
        order = read_facts(folder).get("order")
    except FormatError:
        order = None
    return not _opens_by_default(folder), float(order) if isinstance(order, int) else float("inf")


def _load_dump(card: DumpCard) -> EmbeddingSet:
    from cl_viz.formats import load

    loaded = load(card.dump, views=card.views, name=card.facts["name"])
    return loaded.with_roles(**card.roles) if card.roles else loaded


def _embedding_set(card: DigitRunCard, step: int | None, layer: str) -> EmbeddingSet:
    arrays = _embeddings(card, step)
    metadata, roles = _evaluation_metadata(card.data, card.data.stat().st_mtime_ns, card.inputs, card.evaluation_seed)
    roles = {**roles, "label": card.label}
    if card.label == "parity":
        roles["subclass"] = "digit"
    return EmbeddingSet.from_arrays(
        {view: arrays[f"{layer}/{view}"] for view in VIEW_NAMES[card.inputs]},
        metadata=metadata,
        roles=roles,
        name=card.facts["name"],
        source=f"{card.checkpoints[step]}, {layer}",
    )


def _embeddings(card: DigitRunCard, step: int | None) -> Arrays:
    """Return the evaluation embeddings of one checkpoint, from the cache where they are there."""
    checkpoint = card.checkpoints[step]
    recipe = {
        "inputs": card.inputs, "seed": card.evaluation_seed, "augmentation": card.augmentation.as_dict(),
    }  # fmt: skip
    wanted = {f"{layer}/{view}" for layer in LAYERS for view in VIEW_NAMES[card.inputs]}
    try:
        key = cache_key((checkpoint, card.data), recipe)
    except OSError as error:
        raise FormatError(f"the checkpoint cannot be read ({error.strerror})", where=str(checkpoint)) from error
    cached = read_cached(key)
    if cached is not None and set(cached) == wanted:
        return cached
    encoder = build(checkpoint)
    modified = card.data.stat().st_mtime_ns
    batches = _evaluation_batches(card.data, modified, card.inputs, card.evaluation_seed, card.augmentation)
    try:
        outputs = {view: encoder.encode(batch.numpy(), view) for view, batch in batches.items()}
    except (RuntimeError, IndexError) as error:
        raise FormatError(f"the encoder does not take {card.inputs} digits ({error})", where=str(checkpoint)) from error
    arrays = {f"{layer}/{view}": output[layer] for view, output in outputs.items() for layer in LAYERS}
    write_cached(key, arrays)
    return arrays


@lru_cache(maxsize=2)
def _evaluation_batches(
    path: Path, modified: int, inputs: InputKind, seed: int, augmentation: DigitAugmentation
) -> Mapping[str, torch.Tensor]:
    """Return the views of the evaluation digits; the steps of a run share them."""
    data = load_digits(path)
    rows = data.evaluation_rows
    rule = CaptionRule.fit(data.images[data.training_rows]) if inputs == "captioned" else None
    made = DigitInputs.make(inputs, data.images[rows], data.digits[rows], augmentation, seed=seed, caption_rule=rule)
    return made.views(torch.arange(len(rows)), torch.Generator().manual_seed(seed))


@lru_cache(maxsize=8)
def _evaluation_metadata(
    path: Path, modified: int, inputs: str, seed: int
) -> tuple[Mapping[str, Column], Mapping[Role, str]]:
    """Return metadata and roles of the evaluation digits; the runs of one kind share the same arrays."""
    data = load_digits(path)
    rows = data.evaluation_rows
    images: NDArray[np.uint8] = data.images[rows]
    metadata: dict[str, Any] = {
        "digit": data.digits[rows],
        "parity": np.where(data.digits[rows] % 2 == 1, "odd", "even"),
        "image_row": rows,
    }
    roles: dict[Role, str] = {"image": "image"}
    if inputs == "tinted":
        tinted = DigitInputs.make("tinted", images, data.digits[rows], DigitAugmentation(), seed=seed)
        assert tinted.tints is not None
        metadata["colour"] = hue_names(tinted.tints)
        roles["group"] = "colour"
        pixels = tint(tinted.images, tinted.tints).permute(0, 2, 3, 1)
        images = torch.round(pixels * 255).to(torch.uint8).numpy()
    if inputs == "captioned":
        rule = CaptionRule.fit(data.images[data.training_rows])
        metadata["caption"] = caption_texts(rule.word_numbers(images, data.digits[rows]))
        roles["text"] = "caption"
    metadata["image"] = thumbnails(images)
    return metadata, roles
