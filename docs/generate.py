"""Make the docs pages of diagnostics, losses, formats, encoders, maps and lessons from their own specs.

``python docs/generate.py`` writes them, ``python docs/generate.py --check`` only says which are out of date.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from cl_viz.core.lesson import LessonSpec
from cl_viz.core.params import Params
from cl_viz.core.result import Source, format_number
from cl_viz.core.specs import DiagnosticSpec, FormatSpec, LossFamily, LossSpec, QuantitySpec
from cl_viz.core.threshold import READ_FROM, Limit
from cl_viz.dashboard.navigation import page_title
from cl_viz.diagnostics import DIAGNOSTICS, SAMPLE_QUANTITIES
from cl_viz.encoders import ENCODERS
from cl_viz.formats import FORMATS
from cl_viz.lessons import lessons
from cl_viz.losses import FAMILIES
from cl_viz.projections import PROJECTIONS, reading

DOCS = Path(__file__).parent
NOTE = "<!-- Made from the specs by docs/generate.py: change the spec, then run `make docs`. -->"

FOLDERS = ("diagnostics", "losses")
"""Folders with one page an entry and nothing else."""

NEEDS = {
    "set": "one embedding set",
    "steps": "the training steps of a run",
    "layers": "the layers of a run",
    "pair": "a pair of runs",
    "family": "a family of runs",
}
DIAGNOSE = {
    "set": 'result = cl_viz.diagnose("NAME", cl_viz.load("dump.npz"))',
    "steps": 'result = cl_viz.diagnose("NAME", cl_viz.open_run("my_run"))  # a folder with several steps',
    "layers": 'result = cl_viz.diagnose("NAME", cl_viz.open_run("my_run"))  # a folder with several layers',
    "pair": 'reference = cl_viz.load("old.npz")\n'
    'result = cl_viz.diagnose("NAME", cl_viz.load("new.npz"), others=[reference])',
    "family": "# A class that was rare in training, and the balanced twin.\n"
    'runs = cl_viz.sample_runs(["mnist-rare-4-seed-0", "mnist-balanced-seed-0"])\n'
    'result = cl_viz.diagnose("NAME", runs[0], others=runs)',
}
SAMPLE_NEEDS = {
    "neighbors": "neighbours",
    "pairs": "a pass over all pairs",
    "many_passes": "at a grid of temperatures",
    "labels": "labels",
    "two_views": "two views",
}
LOSS_NEEDS = {
    "two_views": "two views",
    "three_views": "three views",
    "labels": "labels",
    "queue": "a queue of negatives",
    "prototypes": "prototypes",
}
# What a call takes besides the views, and what is said of it.
LOSS_ARGUMENTS = {
    "labels": ("labels", "labels: N entries"),
    "queue": ("queue=queue", "queue: (Q, D), rows of other samples"),
    "prototypes": ("prototypes=prototypes", "prototypes: (K, D), class means or centres of clusters"),
}


def pages() -> dict[str, str]:
    """Return the text of every generated page, by its path inside docs/."""
    made = {f"diagnostics/{name}.md": diagnostic_page(spec) for name, spec in DIAGNOSTICS.items()}
    made["diagnostics/README.md"] = diagnostics_index()
    made |= {
        f"losses/{loss.name}.md": loss_page(loss, family) for family in FAMILIES.values() for loss in family.losses
    }
    made["losses/README.md"] = losses_index()
    made["formats.md"] = formats_page()
    made["encoders.md"] = encoders_page()
    made["lessons.md"] = lessons_page()
    made["projections.md"] = projections_page()
    return made


def out_of_date() -> list[str]:
    """Return the pages that differ from what the specs say, and those that no spec asks for any more."""
    wanted = pages()
    differing = [
        name
        for name, text in wanted.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
    return sorted([*differing, *(set(_stored()) - set(wanted))])


def write() -> None:
    """Write every page and remove those that no spec asks for any more."""
    wanted = pages()
    for name, text in wanted.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    for name in set(_stored()) - set(wanted):
        (DOCS / name).unlink()


def _stored() -> list[str]:
    """Return the pages in the folders that hold one page an entry."""
    return [f"{folder}/{path.name}" for folder in FOLDERS for path in (DOCS / folder).glob("*.md")]


def diagnostic_page(spec: DiagnosticSpec) -> str:
    """Return the page of one diagnostic."""
    quick = "computed when a run is opened" if spec.quick else "computed when it is asked for"
    rows = [[f"`{spec.name}.{entry.name}`", *_quantity_cells(entry)] for entry in spec.quantities]
    return _joined(
        NOTE,
        f"# {spec.title}",
        f"*{spec.question}*",
        f"Looks at {NEEDS[spec.needs]}; {quick}. In the dashboard: {_place(spec)}.",
        _code("python", "import cl_viz\n\n" + DIAGNOSE[spec.needs].replace("NAME", spec.name)),
        "## Definition",
        spec.definition,
        _code("math", spec.formula),
        "## Quantities",
        _table(["Name", "Quantity", "Definition", "Unit", "Range", "Better"], rows),
        "## How to read it",
        spec.reading,
        "## Traps",
        spec.traps,
        *_limits(spec.thresholds),
        "## Parameters",
        _parameters(spec.params),
        "## Sources",
        _sources(spec.sources),
    )


def _limits(thresholds: Sequence[Limit]) -> list[str]:
    """Return the section of the limits that levels are read from; nothing where there are none."""
    if not thresholds:
        return []
    rows = [
        [entry.what, entry.limits(), f"{entry.set_by()}; {_source(entry.source)}", entry.why] for entry in thresholds
    ]
    return ["## Limits", READ_FROM, _table(["What is judged", "Limits", "Set by", "Why"], rows)]


def diagnostics_index() -> str:
    """Return the list of diagnostics."""
    rows = [
        [f"[{spec.title}]({spec.name}.md)", spec.question, NEEDS[spec.needs], str(len(spec.quantities))]
        for spec in DIAGNOSTICS.values()
    ]
    read_by: dict[Limit, list[str]] = {}
    for spec in DIAGNOSTICS.values():
        for threshold in spec.thresholds:
            read_by.setdefault(threshold, []).append(f"[{spec.title}]({spec.name}.md)")
    limits = [[entry.what, entry.limits(), entry.set_by(), ", ".join(pages)] for entry, pages in read_by.items()]
    return _joined(
        NOTE,
        "# Diagnostics",
        _table(["Diagnostic", "Question", "Looks at", "Quantities"], rows),
        "## Limits",
        READ_FROM,
        _table(["What is judged", "Limits", "Set by", "Read in"], limits),
    )


def loss_call(loss: LossSpec) -> str:
    """Return the lines of Python that compute a loss, with everything that it needs."""
    given = [LOSS_ARGUMENTS[need] for need in loss.needs if need in LOSS_ARGUMENTS]
    said = "; ".join(["views: tensors of shape (N, D)", *(words for _, words in given)])
    arguments = ", ".join([f'"{loss.name}"', "views", *(name for name, _ in given)])
    return f"import cl_viz\n\n# {said}\nvalue = cl_viz.losses.compute({arguments}).mean()"


def loss_page(loss: LossSpec, family: LossFamily) -> str:
    """Return the page of one loss."""
    needs = " and ".join(LOSS_NEEDS[need] for need in loss.needs) or "one view"
    rows = "unit rows" if loss.rows == "unit" else "raw rows"
    return _joined(
        NOTE,
        f"# {loss.label}",
        f"`{loss.name}`, family *{family.label}*. Needs {needs}, {rows}. Tested against {loss.peer}.",
        _code("python", loss_call(loss)),
        "## Definition",
        "One value per anchor; the loss of a batch is their mean.",
        _code("math", loss.formula),
        "## Traps, and where peers differ",
        loss.traps,
        "## Parameters",
        _parameters(loss.params),
        "## Sources",
        _sources(loss.sources),
    )


def losses_index() -> str:
    """Return the list of losses, family by family."""
    parts = [
        NOTE,
        "# Losses",
        "Every loss returns one value per anchor; the loss of a batch is their mean. `cl_viz.losses.losses()` holds "
        "them by name.",
    ]
    for family in FAMILIES.values():
        rows = [
            [f"[{loss.label}]({loss.name}.md)", f"`{loss.name}`", loss.sources[0].citation] for loss in family.losses
        ]
        parts += [f"## {family.label}", _table(["Loss", "Name", "Source"], rows)]
    return _joined(*parts)


def formats_page() -> str:
    """Return the page of the dump formats."""
    parts = [
        NOTE,
        "# Formats",
        "`cl_viz.load(path)` tells the format from the content and the suffix; `cl_viz.save(embedding_set, path)` "
        "and `cl-viz convert IN OUT` choose it by the suffix. Nothing in a file is ever executed, and sizes are "
        "checked against headers before memory is taken.",
        "`cl_viz.load` also takes what is in memory: an array or tensor (N, D), a tuple of such views, a mapping from "
        "name to arrays and columns (read as an npz file is), and a pandas, polars or arrow table (read as a Parquet "
        "file is).",
        _table(
            ["Format", "Suffixes", "Read", "Written"],
            [
                [spec.label, _suffixes(spec), "yes", "yes" if spec.write is not None else "no"]
                for spec in FORMATS.values()
            ],
        ),
    ]
    for spec in FORMATS.values():
        parts += [f"## {spec.label}", spec.description]
    return _joined(*parts)


def encoders_page() -> str:
    """Return the page of the checkpoint families."""
    parts = [
        NOTE,
        "# Encoders",
        "`cl_viz.encode(checkpoint, data)` runs a checkpoint of one of these families on data of your own, "
        "`cl_viz.encoders.recognise(checkpoint)` says which family it is: see [Your own checkpoint](checkpoints.md). "
        "`cl_viz.open_run(folder)` opens what was encoded, and the bundled runs.",
    ]
    for name, spec in ENCODERS.items():
        parts += [f"## {spec.label}", f"`{name}`", spec.description]
    return _joined(*parts)


def lessons_page() -> str:
    """Return the page of the lessons: their questions and formulas; the answers are computed where they are asked."""
    minutes = sum(lesson.minutes for lesson in lessons())
    parts = [
        NOTE,
        "# Lessons",
        f"{len(lessons())} lessons of about {minutes} minutes together, in the section Learn. Each asks for "
        "a prediction before its figure answers, and ends in an exercise that the diagnostics check. The figures and "
        'checks are also calls: `cl_viz.lessons.figure("temperature", "effective", temperature=0.2)` draws a figure, '
        '`cl_viz.lessons.check("temperature", temperature=0.3)` checks an exercise. The address of a lesson holds its '
        "step, the prediction and the controls, so that a link brings back any moment.",
    ]
    for lesson in lessons():
        parts += _lesson_parts(lesson)
    return _joined(*parts)


def _lesson_parts(lesson: LessonSpec) -> list[str]:
    parts = [
        f"## {lesson.number}. {lesson.question}",
        f"`{lesson.name}`, about {lesson.minutes} minutes. {lesson.summary}",
    ]
    for step in lesson.steps:
        parts += [f"### {step.title}", step.question, f"*{step.prediction.ask}*", _code("math", step.formula)]
    rows = [
        [f"`{name}`", ", ".join(f"`{info.name}={info.default!r}`" for info in params.describe()) or "none"]
        for name, (params, _) in lesson.drawings().items()
    ]
    return [
        *parts,
        "### Exercise",
        lesson.exercise.told(),
        _table(["Figure", "Controls and their defaults"], rows),
        _sources(lesson.sources),
    ]


def projections_page() -> str:
    """Return the page of the maps: methods, what a map keeps, what it does not show, numbers to colour it by."""
    methods = [
        [
            f"[{spec.label}](#{spec.label.lower()})",
            f"`{name}`",
            " or ".join(map(str, spec.dims)),
            f"{spec.least_rows} or more",
        ]
        for name, spec in PROJECTIONS.items()
    ]
    parts = [
        NOTE,
        "# Maps",
        _code(
            "python", 'made = cl_viz.project(cl_viz.load("dump.npz"), "umap", seed=0)\ncl_viz.render(made.as_view())'
        ),
        "In a terminal: `cl-viz project dump.npz --method umap -o map.parquet`; in the dashboard: Runs > Map.",
        reading.GEOMETRY,
        _table(["Method", "Name", "Dimensions", "Rows"], methods),
        "## What a map keeps",
        reading.KEPT,
        _code("math", reading.KEPT_FORMULA),
        "Here U_k(i) are the points that are among the k nearest of i in the map and not among its k nearest by "
        "cosine, r(i, j) is the rank of j by cosine, N the usable rows and n the rows that the sum is over.",
        "## What maps do not show",
        reading.TRAPS,
        _sources(reading.SOURCES),
        "## Maps of several runs or steps",
        reading.ALIGNED,
    ]
    for spec in PROJECTIONS.values():
        parts += [f"## {spec.label}", spec.description, _parameters(spec.params), _sources(spec.sources)]
    return _joined(*parts, *_sample_quantity_parts())


def _sample_quantity_parts() -> list[str]:
    rows = [
        [
            f"`{name}`",
            spec.label,
            spec.definition,
            spec.unit,
            "unbounded" if spec.range is None else _range(spec.range),
            ", ".join(SAMPLE_NEEDS[need] for need in spec.needs) or "nothing",
        ]
        for name, spec in SAMPLE_QUANTITIES.items()
    ]
    return [
        "## Numbers that each sample has",
        "`cl_viz.sample_quantities(data, names)` returns one number a row, NaN where it is unknown: to colour a map "
        "by, to sort and to select with.",
        _table(["Name", "Quantity", "Definition", "Unit", "Range", "Takes"], rows),
    ]


def _quantity_cells(entry: QuantitySpec) -> list[str]:
    return [entry.label, entry.definition, entry.unit, _range(entry.range), entry.better]


def _range(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return "unbounded"
    low, high = (_end(value) for value in ends)
    return f"{'(' if math.isinf(ends[0]) else '['}{low}, {high}{')' if math.isinf(ends[1]) else ']'}"


def _end(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return str(int(value)) if value == int(value) else format_number(value)


def _parameters(params: type[Params]) -> str:
    infos = params.describe()
    if not infos:
        return "No parameters."
    rows = [
        [
            f"`{info.name}`",
            f"`{info.default!r}`",
            info.allowed,
            info.unit,
            info.help + (f" Taken from the run card's `{info.card_key}` where it is there." if info.card_key else ""),
        ]
        for info in infos
    ]
    return _table(["Parameter", "Default", "Allowed", "Unit", "Meaning"], rows)


def _sources(sources: Sequence[Source]) -> str:
    return "\n".join(f"- {_source(source)}" for source in sources)


def _source(source: Source) -> str:
    return f"[{source.citation}]({source.url})" if source.url else source.citation


def _place(spec: DiagnosticSpec) -> str:
    return f"{spec.section} > {page_title(spec.page.rpartition('/')[2])}"


def _suffixes(spec: FormatSpec) -> str:
    return " ".join(f"`{suffix}`" for suffix in spec.suffixes) or "a folder"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        stale = out_of_date()
        print("\n".join(f"out of date: docs/{name}" for name in stale) or "the docs are up to date")
        sys.exit(bool(stale))
    write()
