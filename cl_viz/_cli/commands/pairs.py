"""`cl-viz pairs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import cl_viz
from cl_viz._cli.options import Device, Identifier, Label, Layer, Pairs, Step, Target, Text, Views, choices
from cl_viz.core.errors import InputError


def list_pairs(
    path: Target,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="File to write: .csv, .parquet or .jsonl.")
    ] = Path("pairs.csv"),
    question: Annotated[
        Literal["hardest-negatives", "false-negatives", "weakest-positives", "duplicates", "interval", "classes"],
        typer.Option(help="Which pairs."),
    ] = "hardest-negatives",
    m: Annotated[int, typer.Option("-m", min=1, max=1_000_000, help="Most pairs kept.")] = 100,
    positives: Annotated[Literal["auto", "views", "labels"], typer.Option(help="What positives are.")] = "auto",
    negatives: Annotated[
        Literal["cross", "all"], typer.Option(help="Negatives across views, or within views too.")
    ] = "cross",
    low: Annotated[float | None, typer.Option(min=-1, max=1, help="Least score, cosine.")] = None,
    high: Annotated[float | None, typer.Option(min=-1, max=1, help="Score they stay below; 1 is inside.")] = None,
    classes: Annotated[
        tuple[str, str] | None, typer.Option(metavar="LABEL LABEL", help="Only pairs of these labels, in either order.")
    ] = None,
    order: Annotated[
        Literal["highest", "lowest", "random"] | None, typer.Option(help="Which are kept; by default, by the question.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a random draw.")] = 0,
    within: Annotated[str | None, typer.Option(metavar="VIEW", help="Only pairs within this view.")] = None,
    view: Views = None,
    label: Label = None,
    text: Text = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    device: Device = "auto",
) -> None:
    """Write the pairs behind a question about scores as a mining list: rows, ids, labels and texts, score, ranks."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import check_exists, open_target
    from cl_viz._cli.pair_lists import check_list_file, write_list
    from cl_viz._cli.progress import progress_bar
    from cl_viz.reporting import check_writable

    check_exists(path)
    check_list_file(output)
    check_writable(output)
    if question == "interval" and (low is None or high is None):
        raise InputError(
            "an interval needs its ends", where="cl-viz pairs", remedy="pass --low and --high: --low 0.4 --high 0.6"
        )
    found_in = open_target(path, choices(view, pairs, label=label, text=text, id=id)).get(step, layer)
    asked = {"m": m, "positives": positives, "negatives": negatives, "low": low, "high": high, "order": order}
    with progress_bar(path) as report:
        found = cl_viz.find_pairs(
            found_in, question, classes=classes, seed=seed, view=within, device=device, progress=report, **asked
        )
    write_list(found.table(found_in), output)
    answers().print(
        f"{output}: {len(found):,} of {found.count:,} {found.query.in_words()}", markup=False, soft_wrap=True
    )
