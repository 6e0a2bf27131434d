"""The command line: the same calls as a notebook makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import cl_viz
from cl_viz._cli.interrupts import remembered_interrupts
from cl_viz.core.errors import ClVizError, InputError

if TYPE_CHECKING:
    from cl_viz._cli.opening import Choices

# Everything heavy is imported inside the command that needs it, so that --help answers at once.

FINE, FOUND, UNUSABLE, MISTAKE, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: fine; findings at the level asked for; input that cannot be used; a mistake in cl_viz; Ctrl-C."""

application = typer.Typer(
    name="cl-viz",
    help="Inspect contrastive and self-supervised encoders: open the dashboard, check embeddings, convert dumps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PANEL = "Views and roles"
_TARGET = "An embedding dump, a checkpoint, a run folder, or sample:NAME for a bundled run."
_CHECKPOINT = "A file or folder of weights."
_DATA = (
    "A folder of images, a table (.csv, .tsv, .parquet, .jsonl) with texts or image paths, a .npy array of images, or "
    "sample:digits."
)
Targets = Annotated[list[str], typer.Argument(metavar="PATH", help=_TARGET, show_default=False)]
Target = Annotated[str, typer.Argument(metavar="PATH", help=_TARGET, show_default=False)]
Views = Annotated[
    list[str] | None,
    typer.Option(
        "--view", metavar="NAME", help="Array or view to use; once for each view, in order.", rich_help_panel=_PANEL
    ),
]


def _role(name: str, meaning: str) -> Any:
    return typer.Option(f"--{name}", metavar="COLUMN", help=meaning, rich_help_panel=_PANEL)


Label = Annotated[str | None, _role("label", "Column that holds the label, or a file with one entry a row.")]
Subclass = Annotated[str | None, _role("subclass", "Column that divides the labels further.")]
Group = Annotated[str | None, _role("group", "Column that holds the group.")]
Text = Annotated[str | None, _role("text", "Column of texts to show.")]
Image = Annotated[str | None, _role("image", "Column of images to show.")]
Identifier = Annotated[str | None, _role("id", "Column that says which rows of two views are one sample.")]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="Rows of the first and second view that belong together, where views are not aligned row by row.",
        rich_help_panel=_PANEL,
    ),
]
Step = Annotated[int | None, typer.Option("--step", help="Training step of a run; by default the last.")]
Layer = Annotated[str | None, typer.Option("--layer", help="Layer of a run; by default the first.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cl-viz {cl_viz.__version__}")
        raise typer.Exit


@application.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


@application.command()
def app(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help=f"{_TARGET} Nothing opens the bundled runs.", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; by default the first free one from 8501.")
    ] = None,
) -> None:
    """Open the dashboard and print its address; Ctrl-C stops it."""
    from cl_viz._cli.launching import start_app
    from cl_viz._cli.opening import absolute_target, check_exists

    for path in paths or ():
        check_exists(path)
    start_app([absolute_target(path) for path in paths or ()], port)


@application.command()
def check(
    paths: Targets,
    view: Views = None,
    label: Label = None,
    subclass: Subclass = None,
    group: Group = None,
    text: Text = None,
    image: Image = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    json: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Also write everything as JSON; - writes only that.")
    ] = None,
    fail_on: Annotated[
        Literal["bad", "watch"] | None, typer.Option(help="Exit with 1 where a finding is at this level or worse.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of an earlier check; exit with 1 where a quantity got worse."),
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="OUT", help="Write the findings as JUnit XML.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Run every quick diagnostic and show the findings, worst first.

    Exit code 0: fine. 1: findings at the level of --fail-on, or worse than --baseline. 2: input that cannot be used.
    3: a mistake in cl_viz. A path that fails is shown as an error, and the others are checked all the same.
    """
    from cl_viz._cli.checking import check_targets, gate, report_checked

    choices = _choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    outcome = check_targets(paths, choices, step=step, layer=layer, device=device)
    report_checked(outcome.checked, json)
    failing = gate(outcome.checked, fail_on, baseline, junit, github)
    if outcome.mistakes:
        raise typer.Exit(MISTAKE)
    raise typer.Exit(UNUSABLE if outcome.unusable else FOUND if failing else FINE)


@application.command()
def report(
    paths: Targets,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write.")] = Path("report.html"),
    format: Annotated[
        Literal["html", "json", "parquet", "md"] | None, typer.Option(help="By default, by the suffix of OUT.")
    ] = None,
    step: Step = None,
    layer: Layer = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Check some runs and write one self-contained file: findings, figures and all numbers.

    The first path is the reference of diagnostics that compare two runs.
    """
    from cl_viz._cli.checking import check_targets
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import Choices
    from cl_viz._cli.writing import writing
    from cl_viz.reporting import format_of, write_report

    kind = format_of(output, format)
    outcome = check_targets(paths, Choices(), step=step, layer=layer, device=device)
    if outcome.checked:
        with writing(output):
            write_report([(entry.embedding_set, entry.results) for entry in outcome.checked], output, kind)
        size, count = output.stat().st_size / 1e6, len(outcome.checked)
        facts = f"{count} run{'s' if count > 1 else ''}, {size:.1f} MB"
        answers().print(f"{output}: {facts}", markup=False, soft_wrap=True)
    raise typer.Exit(MISTAKE if outcome.mistakes else UNUSABLE if outcome.unusable else FINE)


@application.command()
def compare(
    paths: Targets,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="What the others are compared with; by default the first path."),
    ] = None,
    step: Step = None,
    layer: Layer = None,
    resamples: Annotated[
        int, typer.Option(help="Judge every number on so many resamples of the samples, 200 for example; takes longer.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    format: Annotated[Literal["table", "json"], typer.Option(help="What is printed.")] = "table",
    fail_on: Annotated[
        Literal["worse", "different"] | None,
        typer.Option(help="Exit with 1 where a number is worse, or differs at all, at a false discovery rate of 5 %."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Print which quantities of two or more runs differ by more than noise: sample by sample where they share samples.

    Exit code 0: fine. 1: differences as --fail-on asks for. 2: input that cannot be used. 3: a mistake in cl_viz.
    """
    from cl_viz._cli.comparing import compare_targets, show_runs, write_comparison
    from cl_viz._cli.console import answers

    table, unusable, mistakes = compare_targets(
        paths, baseline, step=step, layer=layer, device=device, resamples=resamples, seed=seed
    )
    failing = False
    if table is not None:
        if format == "json":
            write_comparison(table)
        else:
            show_runs(answers(), table, baseline or paths[0])
        failing = bool(table.changed_for(fail_on))
    raise typer.Exit(MISTAKE if mistakes else UNUSABLE if unusable else FOUND if failing else FINE)


@application.command()
def diagnose(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The diagnostic; the word list shows all.", show_default=False)
    ],
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help=_TARGET, show_default=False)] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; once for each.")
    ] = None,
    view: Views = None,
    label: Label = None,
    subclass: Subclass = None,
    group: Group = None,
    text: Text = None,
    image: Image = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    json: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Also write everything as JSON; - writes only that.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Run one diagnostic, also a slow one, and show its findings and all its numbers.

    The first path is the reference of diagnostics that compare two runs. NAME "list" lists the diagnostics.
    """
    from cl_viz._cli.checking import check_targets, report_checked
    from cl_viz._cli.console import answers
    from cl_viz._cli.describing import show_diagnostics
    from cl_viz._cli.parameters import read_parameters
    from cl_viz.diagnostics import DIAGNOSTICS

    if name == "list":
        show_diagnostics(answers())
        raise typer.Exit(FINE)
    choices = _choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    wanted = {name: read_parameters(DIAGNOSTICS[name], param or [])}
    if not paths:
        raise InputError("no path was given", where="cl-viz diagnose", allowed=_TARGET)
    outcome = check_targets(paths, choices, step=step, layer=layer, device=device, diagnostics=wanted)
    report_checked(outcome.checked, json, numbers=True)
    raise typer.Exit(MISTAKE if outcome.mistakes else UNUSABLE if outcome.unusable else FINE)


@application.command()
def encode(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help=_CHECKPOINT, show_default=False)],
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
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
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
    from cl_viz._cli.encoding import encode_into

    encode_into(
        checkpoint, data, output, views=view or (), layer=layer, batch_size=batch_size, device=device, seed=seed,
        trust=trust,
    )  # fmt: skip


@application.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=_TARGET, show_default=False)],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", show_default=False)
    ],
    view: Views = None,
    label: Label = None,
    subclass: Subclass = None,
    group: Group = None,
    text: Text = None,
    image: Image = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write a dump, or one snapshot of a run, in another format."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target
    from cl_viz._cli.progress import progress_bar
    from cl_viz._cli.writing import writing

    if target.exists() and not overwrite:
        raise InputError("the file is already there", where=str(target), remedy="pass --overwrite, or another name")
    choices = _choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    with progress_bar(source) as report:
        report(0.0, "reading")
        found = open_target(source, choices).get(step, layer)
        report(0.5, "writing")
        with writing(target):
            cl_viz.save(found, target)
    sizes = " + ".join(f"{size:,}" for size in dict.fromkeys(found.sizes))
    answers().print(
        f"{target}: N = {sizes}, D = {found.dim}, views {', '.join(found.view_names)}", markup=False, soft_wrap=True
    )


@application.command()
def project(
    path: Annotated[str | None, typer.Argument(metavar="PATH", help=_TARGET, show_default=False)] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How to make the map; --list shows all.")] = "umap",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="File to write: .parquet, .csv or .npz.")
    ] = Path("map.parquet"),
    dim: Annotated[int, typer.Option(help="Dimensions of the map, 2 or 3.")] = 2,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; once for each.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same set, parameters and seed give the same map.")] = 0,
    view: Annotated[str | None, typer.Option(metavar="NAME", help="View to map; by default the first.")] = None,
    label: Label = None,
    step: Step = None,
    layer: Layer = None,
    device: Annotated[
        str, typer.Option(help="Where neighbours are found and the map is laid out: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    every_error: Annotated[
        bool, typer.Option("--every-error", help="The error of every point, also where 2,000 rows are judged.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the methods and their parameters, and stop.")] = False,
) -> None:
    """Make a map of the rows of one view, and write it with each point's error.

    Prints how much of the neighbourhoods the map keeps: trustworthiness and neighbour recall.
    """
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target
    from cl_viz._cli.parameters import read_parameters
    from cl_viz._cli.progress import progress_bar
    from cl_viz._cli.projecting import check_suffix, list_methods, write_map
    from cl_viz.projections import known_method

    if show_list:
        list_methods(answers())
        raise typer.Exit(FINE)
    if path is None:
        raise InputError("no path was given", where="cl-viz project", allowed=_TARGET)
    check_suffix(output)
    params = read_parameters(known_method(method), param or [])
    with progress_bar(path) as report:
        report(0.0, "opening")
        found = open_target(path, _choices(None, None, label=label)).get(step, layer)
        made = cl_viz.project(
            found, method, dim=dim, view=view, params=params, seed=seed, device=device, every_error=every_error,
            progress=report,
        )  # fmt: skip
        write_map(made, found, output)
    answers().print(
        f"{output}: {made.method} of {made.view}, N = {int(made.usable.sum()):,}, seed {made.seed}; "
        f"trustworthiness {made.trustworthiness}, neighbour recall {made.neighbor_recall}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


@application.command("pairs")
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
    id: Identifier = None,
    step: Step = None,
    layer: Layer = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Write the pairs behind a question about scores as a mining list: rows, ids and labels, score, ranks."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target
    from cl_viz._cli.pair_lists import check_list_file, write_list
    from cl_viz._cli.progress import progress_bar

    check_list_file(output)
    found_in = open_target(path, _choices(view, None, label=label, id=id)).get(step, layer)
    asked = {"m": m, "positives": positives, "negatives": negatives, "low": low, "high": high, "order": order}
    with progress_bar(path) as report:
        found = cl_viz.find_pairs(
            found_in, question, classes=classes, seed=seed, view=within, device=device, progress=report, **asked
        )
    write_list(found.table(found_in), output)
    answers().print(
        f"{output}: {len(found):,} of {found.count:,} {found.query.in_words()}", markup=False, soft_wrap=True
    )


@application.command()
def info(path: Target) -> None:
    """Say what a path holds: arrays and columns of a dump; card, steps and layers of a run; family of a checkpoint."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.describing import show_dump, show_run
    from cl_viz._cli.opening import check_exists, is_foreign_checkpoint, is_run, open_target

    if is_run(path):
        show_run(answers(), open_target(path))
        return
    from cl_viz.formats import inspect

    check_exists(path)
    if is_foreign_checkpoint(path):
        from cl_viz._cli.encoding import show_checkpoint

        show_checkpoint(path)
        return
    show_dump(answers(), inspect(Path(path)))


@application.command()
def plan(
    path: Target,
    neighbors: Annotated[int | None, typer.Option(min=1, max=200, help="Nearest neighbours to find besides.")] = None,
    step: Step = None,
    layer: Layer = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Say about how long the pass over all pairs takes here and how much memory, without making it."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target

    found = open_target(path).get(step, layer)
    sizes = " + ".join(f"{size:,}" for size in found.sizes)
    planned = cl_viz.plan(found, device, neighbors=neighbors)
    answers().print(f"{path}: N = {sizes}, D = {found.dim}: {planned.scores:,} scores, {planned}", markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    try:
        with remembered_interrupts():
            application(args=None if arguments is None else list(arguments), prog_name="cl-viz")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except ClVizError as error:
        from cl_viz._cli.console import show_error

        show_error(error)
        return UNUSABLE
    except Exception as error:  # the last resort: a person gets a sentence, not a traceback
        from cl_viz._cli.console import show_mistake

        show_mistake(error)
        return MISTAKE
    return FINE


def _choices(view: list[str] | None, pairs: str | None, **roles: str | None) -> Choices:
    from cl_viz._cli.opening import Choices

    return Choices(tuple(view or ()), {role: column for role, column in roles.items() if column is not None}, pairs)
