"""Which family a checkpoint is of: every family is asked, and what nobody knows is answered with what was found."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.core.stand_ins import refuse_stand_in
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._torch_weights import is_weights, state_dict

PathLike = str | os.PathLike[str]

CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".onnx", ".torchscript")
"""Suffixes of single files that may be checkpoints."""
_CONFIGURATIONS = (
    "config.json", "modules.json", "config_sentence_transformers.json", "model_index.json", "adapter_config.json",
)  # fmt: skip
_KEYS_SHOWN = 8
# How pickles of protocol 2 and later begin.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")


def recognise(path: PathLike, trust: bool = False) -> Recognised:
    """Say what a checkpoint is, from its keys and configuration alone; nothing in it is executed.

    Parameters
    ----------
    path : path
        A file or a folder.
    trust : bool
        Also accept families whose files are programs (ONNX, TorchScript): running them runs code from the file.

    Returns
    -------
    Recognised

    Raises
    ------
    FormatError
        If no family knows it; the message lists the families and the keys that were found.
    UnsafeFileError
        If it is a pickle that asks for more than tensors, or running it would run code and `trust` is False.
    """
    return family_of(path, trust)[1]


def family_of(path: PathLike, trust: bool = False) -> tuple[EncoderSpec, Recognised]:
    """Return the family of a checkpoint and what it was recognised as; raises as `recognise`.

    Where several families know a file, one that runs no code from it goes before the others.
    """
    place = Path(path)
    found = candidates(place)
    if not found:
        raise _unknown(place)
    spec, recognised = found[0]
    if spec.runs_code and not trust:
        raise UnsafeFileError(
            f"this is {recognised.architecture}: a program, and running it runs whatever code its author put there",
            where=str(place), allowed="files of weights, which run nothing",
            remedy="if you trust its author, run cl-viz encode with --trust (in Python: trust=True)",
        )  # fmt: skip
    others = [other.label for other, _ in found[1:] if not other.runs_code]
    if others:
        note = f"also known as: {', '.join(others)}"
        recognised = replace(recognised, notes=(*recognised.notes, note))
    return spec, recognised


def candidates(path: Path) -> list[tuple[EncoderSpec, Recognised]]:
    """Return every family that knows a checkpoint, those that run no code first; raises `FormatError` for no file."""
    if not path.exists():
        raise FormatError(
            "there is no such file or folder", where=str(path), allowed="a checkpoint",
            remedy=f"check the spelling; relative paths start at {Path.cwd()}",
        )  # fmt: skip
    found = [(spec, known) for spec in ENCODERS.values() if (known := spec.recognise(path)) is not None]
    return sorted(found, key=lambda entry: entry[0].runs_code)


def looks_like_checkpoint(path: Path) -> bool:
    """Whether it is worth asking the families: a folder with a configuration, or a file with a suffix of weights."""
    if path.is_dir():
        return any((path / name).is_file() for name in _CONFIGURATIONS)
    return path.suffix.lower() in CHECKPOINT_SUFFIXES


def refuse_checkpoint(path: PathLike) -> None:
    """Raise for a checkpoint that was given where embeddings are wanted: it first has to embed something.

    Raises
    ------
    FormatError
        If a family knows the path; the remedy names `cl_viz.encode` and the page.
    """
    place = Path(path)
    found = candidates(place) if place.exists() and looks_like_checkpoint(place) else []
    if found:
        kind = " and ".join(found[0][1].modalities)
        raise FormatError(
            f"this is a checkpoint ({found[0][1].architecture}): it has no embeddings yet", where=str(place),
            allowed="embeddings, or a run folder",
            remedy=f"give it {kind} data: cl_viz.encode(checkpoint, data), cl-viz encode CHECKPOINT DATA -o FOLDER, "
            "or the page Checkpoint",
        )  # fmt: skip


def _unknown(path: Path) -> FormatError:
    refuse_stand_in(path)
    families = "; ".join(spec.label for spec in ENCODERS.values())
    said = _found_in_folder(path) if path.is_dir() else _found_in_file(path)
    return FormatError(
        f"no family knows this checkpoint; {said}", where=str(path), allowed=families,
        remedy="check that this is the file of the weights; a network of your own embeds the data in your own code: "
        "numpy.savez('dump.npz', view_1=..., view_2=..., label=...) opens as it is, and cl_viz.Recorder follows a "
        "training",
    )  # fmt: skip


def _found_in_folder(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        return f"the folder cannot be read ({error.strerror})"
    kind = ""
    try:
        configuration = json.loads((path / "config.json").read_text(encoding="utf-8"))
        kind = f" of model type {str(configuration.get('model_type'))[:60]!r}"
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError, RecursionError):
        kind = ", whose config.json cannot be read,"
    return f"the folder{kind} holds {_some(names, 'files')}"


def _found_in_file(path: Path) -> str:
    if is_weights(path):
        weights = state_dict(path)
        below = f" under {weights.taken!r}" if weights.taken else ""
        return f"it holds{below} {_some(list(weights), 'keys')}"
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if _PICKLE.match(head):
        # Raises with what a bare pickle could do, and how to convert it.
        state_dict(path)
    return f"it begins with {head!r}" if head else "the file is empty"


def _some(names: Sequence[str], noun: str) -> str:
    if not names:
        return f"no {noun}"
    shown = ", ".join(name[:80] for name in names[:_KEYS_SHOWN])
    count = f"1 {noun.removesuffix('s')}" if len(names) == 1 else f"{len(names):,} {noun}"
    return f"{count}: {shown}" + (", ..." if len(names) > _KEYS_SHOWN else "")
