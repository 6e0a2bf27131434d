"""What a program from a file (ONNX, TorchScript) is fed: images, or the words of a tokenizer.json beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.encoder import ImageInput
from cl_viz.core.errors import FormatError
from cl_viz.core.normalisation import IMAGENET
from cl_viz.encoders._hugging_face import library, naming
from cl_viz.encoders._preprocessor_config import image_input, read_json

RISK = (
    "this file is a program: running it runs whatever code its author put there, with your rights; "
    "encode it only if you trust its author (cl-viz encode --trust)"
)
TOKEN_NAMES = ("input_ids", "attention_mask", "token_type_ids")
_SIDE = 224
_LONGEST = 512


def homes(path: Path) -> tuple[Path, ...]:
    """Return the folders that may hold what belongs to a file: its own, and that around a folder called onnx."""
    return (path.parent, path.parent.parent) if path.parent.name == "onnx" else (path.parent,)


def tokenizer_file(path: Path) -> Path | None:
    """Return the tokenizer.json that belongs to a file; None where there is none."""
    return next((home / "tokenizer.json" for home in homes(path) if (home / "tokenizer.json").is_file()), None)


def image_of(path: Path, side: int | None, channels: int | None) -> tuple[ImageInput, tuple[str, ...]]:
    """Return how a program wants its images, and what had to be guessed.

    Parameters
    ----------
    path : Path
        The program; a preprocessor_config.json may lie beside it.
    side, channels : int, optional
        Where the program itself says them.
    """
    home = next((home for home in homes(path) if (home / "preprocessor_config.json").is_file()), path.parent)
    told = read_json(home / "preprocessor_config.json") if (home / "preprocessor_config.json").is_file() else {}
    notes = []
    if side is None:
        crop = told.get("crop_size", told.get("size"))
        sides = list(crop.values()) if isinstance(crop, Mapping) else [crop]
        side = sides[0] if sides and isinstance(sides[0], int) else _SIDE
        if not told:
            notes.append(f"the program does not say how large its images are: {side} x {side} is a guess")
    if channels is None:
        mean = told.get("image_mean")
        channels = len(mean) if isinstance(mean, list) and len(mean) in (1, 3) else 3
    prepared, guesses = image_input(home, side, channels, IMAGENET)
    return prepared, (*notes, *guesses)


@dataclass(frozen=True)
class FileTokens:
    """Words by a tokenizer.json.

    Attributes
    ----------
    tokenizer : Tokenizer
        Of the tokenizers library.
    length : int or None
        Tokens that every text must have; None where the longest of a batch decides.
    """

    tokenizer: Any
    length: int | None

    def __call__(self, batch: Any) -> dict[str, NDArray[np.int64]]:
        """Return input_ids, attention_mask and token_type_ids, each of shape (B, T), for a list of B str."""
        found = self.tokenizer.encode_batch(list(batch))
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        return {
            name: np.array([getattr(text, column) for text in found], dtype=np.int64)
            for name, column in columns.items()
        }


def file_tokens(path: Path, length: int | None) -> FileTokens:
    """Open the tokenizer.json that belongs to a program.

    Raises
    ------
    FormatError
        If there is none, or it is damaged.
    MissingDependencyError
        If the tokenizers library is not installed.
    """
    place = tokenizer_file(path)
    if place is None:
        raise FormatError(
            "the program reads text and there is no tokenizer.json beside it", where=str(path),
            remedy="copy the tokenizer.json of the model into the same folder",
        )  # fmt: skip
    tokenizers = library("tokenizers", path)
    with naming(place):
        tokenizer = tokenizers.Tokenizer.from_file(str(place))
        told = (tokenizer.truncation or {}).get("max_length", _told_length(place))
        tokenizer.enable_truncation(length or max(1, min(int(told), _LONGEST)))
        padding = {"pad_id": _padding(tokenizer), **(tokenizer.padding or {})}
        tokenizer.enable_padding(
            pad_id=padding["pad_id"], pad_type_id=padding.get("pad_type_id", 0),
            pad_token=padding.get("pad_token", "[PAD]"), length=length,
        )  # fmt: skip
    return FileTokens(tokenizer, length)


def _told_length(place: Path) -> Any:
    beside = place.with_name("tokenizer_config.json")
    return read_json(beside).get("model_max_length", _LONGEST) if beside.is_file() else _LONGEST


def _padding(tokenizer: Any) -> int:
    found = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>", "<|endoftext|>"))
    return next((number for number in found if number is not None), 0)


def one_row(values: NDArray[Any], mask: NDArray[Any] | None, channels_last: bool = False) -> NDArray[np.float32]:
    """Return one row a sample: of tokens (B, T, D) the mean that passes padding over, of places (B, C, H, W) the mean.

    Raises
    ------
    FormatError
        If the array has another number of axes.
    """
    wide = np.asarray(values, dtype=np.float32)
    if wide.ndim == 2:
        return wide
    if wide.ndim == 4:
        wide, mask = wide.reshape(len(wide), -1, wide.shape[3]) if channels_last else _places(wide), None
    if wide.ndim != 3:
        raise FormatError(f"the program gives an array of {wide.ndim} axes", where="encode", allowed="2, 3 or 4 axes")
    if mask is None or mask.shape != wide.shape[:2]:
        mask = np.ones(wide.shape[:2])
    weights = mask[:, :, None].astype(np.float32)
    rows: NDArray[np.float32] = (wide * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    return rows


def _places(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (B, C, H, W) as (B, H W, C)."""
    return values.reshape(*values.shape[:2], -1).transpose(0, 2, 1)
