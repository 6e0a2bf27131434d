"""`cl-viz encode`: say what was recognised, encode with progress, say what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from cl_viz._cli.console import answers, messages
from cl_viz._cli.progress import progress_bar
from cl_viz.core.encoder import Recognised
from cl_viz.core.run import Run
from cl_viz.encoders._encoding import Encoding
from cl_viz.encoders._recognising import recognise

RISK = (
    "--trust: this checkpoint is a program. Running it runs whatever code its author put there, with your rights: it "
    "can read, change and send your files."
)
_KEYS_SHOWN = 10


def encode_into(
    checkpoint: str, data: str, out: Path, *, views: Sequence[str], layer: str | None, batch_size: int | None,
    device: str, seed: int, trust: bool, pixels: str | None, size: int | None,
) -> Run:  # fmt: skip
    """Encode into a folder, with words before and after on standard error and output."""
    wanted = None if not views else views[0] if len(views) == 1 else list(views)
    encoding = Encoding(
        checkpoint, data, views=wanted, layer=layer, batch_size=batch_size, device=device, seed=seed, trust=trust,
        pixels=pixels, size=size,
    )  # fmt: skip
    if encoding.spec.runs_code:
        messages().print(Text(RISK, style="bold red"))
    for line in lines_of(encoding.recognised):
        messages().print(Text(line))
    shown = "; ".join(f"{view.name}: {view.column}, {view.change}" for view in encoding.views)
    messages().print(Text(f"{encoding.data.kind}, {encoding.data.n:,} rows; views {shown}; on {encoding.device}"))
    with progress_bar("encoding") as report:
        run = encoding.run(out, report)
    found = run.get()
    skipped = run.card.get("skipped_rows", 0)
    left_out = f", {counted(skipped, 'row')} skipped (listed in card.json)" if skipped else ""
    answers().print(
        Text(f"{out}: N = {found.n:,}, D = {found.dim}, views {', '.join(found.view_names)}, layers "
             f"{', '.join(map(str, run.layers))}{left_out}"), soft_wrap=True,
    )  # fmt: skip
    return run


def lines_of(found: Recognised) -> list[str]:
    """Return what a checkpoint turned out to be, line by line."""
    lines = [f"recognised: {found.architecture} ({found.family}), {found.parameters:,} parameters",
             f"embeds: {', '.join(found.modalities)}; layers: {', '.join(found.layers)}"]  # fmt: skip
    if found.unmatched:
        more = ", ..." if len(found.unmatched) > _KEYS_SHOWN else ""
        keys = ", ".join(found.unmatched[:_KEYS_SHOWN])
        lines.append(f"not used: {counted(len(found.unmatched), 'key')}: {keys}{more}")
    return lines + [f"note: {note}" for note in found.notes]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}" + ("s" if count != 1 else "")


def show_checkpoint(path: str) -> None:
    """Print what a checkpoint is."""
    for line in lines_of(recognise(path, trust=True)):
        answers().print(Text(line), soft_wrap=True)
