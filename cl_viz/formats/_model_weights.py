"""Weights of a model that are taken for embeddings: told by their names, or by the configuration beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cl_viz.core.errors import FormatError
from cl_viz.core.specs import RawDump

_CONFIGURATIONS = ("config.json", "modules.json", "adapter_config.json")
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
# What frameworks call the vectors beside a matrix of weights.
_BESIDE = ("bias", "running_mean", "running_var", "num_batches_tracked", "gamma", "beta")
_FEWEST_MATRICES = 3
_LARGEST_CONFIGURATION = 8 << 20
_SHOWN = 3


def refuse_weights(dump: RawDump, path: Path) -> None:
    """Raise for a file whose arrays are the parameters of a model.

    Parameters are matrices called ``weight`` of a module, beside vectors called ``bias`` and the like, or three and
    more of different sizes. A table of embeddings alone, or two of one size, is no model: nor is what cl_viz wrote.

    Raises
    ------
    FormatError
        The remedy says how to encode data with it.
    """
    if dump.card.get("cl_viz"):
        return
    matrices = [name for name in dump.arrays if _last(name) == "weight" and "." in name]
    vectors = [name for name in (*dump.columns, *dump.card.get("facts", ())) if _last(name) in _BESIDE]
    shapes = {dump.arrays[name].shape for name in matrices}
    if matrices and (vectors or (len(matrices) >= _FEWEST_MATRICES and len(shapes) > 1)):
        raise _checkpoint(f"weights called {_some([*matrices, *vectors])}", path)


def refuse_model_folder(path: Path, files: Iterable[Path]) -> None:
    """Raise for a folder with the configuration of a model and no file but weights; raises as `refuse_weights`."""
    if any(file.suffix.lower() not in _WEIGHT_SUFFIXES for file in files):
        return
    for name in _CONFIGURATIONS:
        if kind := _said(path / name):
            raise _checkpoint(f"{name} says {kind}", path)


def _said(file: Path) -> str:
    """Return what a configuration says the model is; empty where there is none, or it is of something else."""
    try:
        if file.stat().st_size > _LARGEST_CONFIGURATION:
            return ""
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    if isinstance(content, list):
        return (
            "that it is modules in a row"
            if content and all(isinstance(line, dict) and "type" in line for line in content)
            else ""
        )
    for key in ("model_type", "architectures", "architecture", "peft_type"):
        if isinstance(content, dict) and content.get(key):
            return f"{key} {str(content[key])[:60]}"
    return ""


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def _checkpoint(found: str, path: Path) -> FormatError:
    return FormatError(
        f"this is a checkpoint, a model without embeddings: {found}", where=str(path), allowed="embeddings",
        remedy="encode data with it: cl_viz.encode(checkpoint, data), cl-viz encode CHECKPOINT DATA -o FOLDER, or the "
        "page Checkpoint (bundled encoders open with cl_viz.open_run); to see one of its arrays, name it: views=[NAME]",
    )  # fmt: skip
