"""`cl-viz encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cl_viz._cli.options import Device
from cl_viz.core.errors import InputError
from cl_viz.core.normalisation import NAMED

_SAMPLE_DATA = "sample:digits"
_DATA = (
    "A folder of images, a table (.csv, .tsv, .parquet, .jsonl) with texts or image paths, a .npy array of images, or "
    f"{_SAMPLE_DATA}."
)


def encode(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A file or folder of weights.", show_default=False)
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help=_DATA, show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Run folder to write.")],
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view", metavar="KIND", help="augmented, plain, dropout, or a column of the table; columns once for each."
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="By default the first; all keeps every layer.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="By default what suits the device.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of random views and of dropout.")] = 0,
    pixels: Annotated[
        str | None,
        typer.Option(
            "--pixels",
            metavar="NAME",
            help=f"How images are normalised, where the checkpoint does not say it: {', '.join(NAMED)}.",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Height and width of images that enter the network, in pixels.")
    ] = None,
    device: Device = "auto",
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Also run checkpoints that are programs (ONNX, TorchScript): this runs their author's code."
        ),
    ] = False,
) -> None:
    """Run a checkpoint on data, and write its embeddings as a run folder.

    Ctrl-C or a crash loses nothing: the same command goes on where it ended.
    """
    if checkpoint == _SAMPLE_DATA:
        raise InputError(
            f"{_SAMPLE_DATA} is data, and no checkpoint", where="cl-viz encode", allowed="CHECKPOINT, then DATA"
        )
    from cl_viz._cli.encoding import encode_into

    encode_into(
        checkpoint, data, output, views=view or (), layer=layer, batch_size=batch_size, device=device, seed=seed,
        trust=trust, pixels=pixels, size=size,
    )  # fmt: skip
