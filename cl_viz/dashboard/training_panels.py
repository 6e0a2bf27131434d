"""The Train page: how long it takes, curves while it trains, and the runs it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from cl_viz.core.errors import ClVizError
from cl_viz.core.progress import duration
from cl_viz.dashboard import errors, finding_lines, forms, loss_figures, opening, panels, state
from cl_viz.dashboard.loss_choice import Choice, explain
from cl_viz.dashboard.text import escape
from cl_viz.dashboard.training_job import Standing, TrainingJob
from cl_viz.simulate.training_course import TrainedLoss, TrainingBudget, run_name, training_seconds
from cl_viz.simulate.training_images import DIGITS, TrainingImages
from cl_viz.simulate.training_measures import MEASURES, NEIGHBOURS
from cl_viz.simulate.training_views import FIGURES, training_findings

_CURVES = {
    "knn_accuracy": "kNN accuracy",
    "loss": "Loss",
    "score_means": "Score means",
    "score_variances": "Score variances",
    "projector_rank": "Rank, projector",
    "backbone_rank": "Rank, backbone",
}
_REFRESH_SECONDS = 2.0


def budget_and_start(choices: Sequence[Choice], images: TrainingImages | None) -> None:
    """Draw what all losses share, and the button that starts, in one row."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        budget = _budget_control()
        _start_control(choices, images, budget)


def _budget_control() -> TrainingBudget | None:
    values: dict[str, Any] = {}
    for info in TrainingBudget.describe():
        if info.log:
            forms.control(info, ())
            values[info.name] = float(st.session_state.get(info.name) or info.default)
            continue
        words = info.name.replace("_", " ").replace("training ", "")
        values[info.name] = st.number_input(
            f"{words[:1].upper()}{words[1:]}",
            value=int(info.default),
            step=1,
            width=forms.SLIDER_WIDTH,
            key=info.name,
            bind="query-params",
            help=f"{escape(info.help)} Allowed: {info.allowed}.",
        )
    try:
        return TrainingBudget(**values)
    except ClVizError as error:
        errors.show(error)
        return None


def _start_control(choices: Sequence[Choice], images: TrainingImages | None, budget: TrainingBudget | None) -> None:
    job: TrainingJob | None = state.training()
    running = job is not None and job.standing().running
    ready = bool(choices) and images is not None and budget is not None and not running
    estimate = ""
    if images is not None and budget is not None and choices:
        seconds = training_seconds(images, budget, len(choices)) * (job.pace if job is not None else 1.0)
        estimate = f", about {duration(seconds)}"
    st.button(
        f"Train {len(choices)} loss{'es' if len(choices) != 1 else ''}{estimate}",
        key="_train",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not ready,
        on_click=_start,
        args=([(choice.loss, choice.parameters) for choice in choices], images, budget),
        help="One after the other, from the same weights, on the same batches and views.",
    )


def _start(choices: list[tuple[str, Mapping[str, Any]]], images: TrainingImages, budget: TrainingBudget) -> None:
    job = TrainingJob(choices, images, budget)
    state.set_training(job)
    job.start()


def course(choices: Sequence[Choice]) -> None:
    """Draw the training that was started last: its progress while it goes on, its curves, and what became of it."""
    job: TrainingJob | None = state.training()
    if job is None:
        st.info("Nothing was trained in this session yet. Choose losses and press Train.", icon=":material/school:")
        return
    every = _REFRESH_SECONDS if job.standing().running else None
    st.fragment(_course, run_every=every)(job, list(choices))


def _course(job: TrainingJob, choices: list[Choice]) -> None:
    standing = job.standing()
    new = [trained for trained in standing.trained if trained.run.name not in job.opened]
    if new or (not standing.running and "_ended" not in job.opened):
        for trained in new:
            _open(job, trained)
        if not standing.running:
            job.opened.add("_ended")
        st.rerun()
    if standing.running:
        _progress(job, standing)
    else:
        _outcome(job, standing)
    if isinstance(standing.error, ClVizError):
        errors.show(standing.error)
    elif standing.error is not None:
        errors.show_unexpected(standing.error)
    _curves(job, standing, choices)


def findings() -> None:
    """Draw what became of the losses that were trained."""
    job: TrainingJob | None = state.training()
    if job is not None:
        trained = job.standing().trained
        finding_lines.box([(finding, "train") for finding in training_findings(trained)])


def _open(job: TrainingJob, trained: TrainedLoss) -> None:
    """Open what was trained as a run, so that every other page shows it."""
    job.opened.add(trained.run.name)
    opened = state.add_run(
        trained.run, expression=_expression(job, trained), origin="trained", key=f"{id(job)} {trained.run.name}"
    )
    st.toast(f"{escape(opened.name)} is open as a run", icon=":material/add:")


def _expression(job: TrainingJob, trained: TrainedLoss) -> str:
    arguments = [repr(trained.loss)]
    if job.images.source != DIGITS:
        arguments.append(repr(_place(job.images)))
    if trained.parameters:
        arguments.append(f"parameters={dict(trained.parameters)!r}")
    arguments += [f"{name}={value!r}" for name, value in _differing(job.budget).items()]
    return f"cl_viz.train_run({', '.join(arguments)})"


def _place(images: TrainingImages) -> str:
    """Return where the images are for somebody's notebook: an uploaded folder has another place there."""
    return images.source if opening.paths_allowed() else Path(images.source).name


def _differing(budget: TrainingBudget) -> dict[str, Any]:
    defaults = {info.name: info.default for info in TrainingBudget.describe()}
    return {name: value for name, value in budget.as_dict().items() if value != defaults[name]}


def _progress(job: TrainingJob, standing: Standing) -> None:
    left = standing.seconds_left
    text = escape(standing.message) + (f", about {duration(left)} left" if left is not None else "")
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(1.0, standing.fraction), text=text)
    button.button(
        "Stopping" if job.stopping else "Stop",
        key="_stop_training",
        icon=":material/stop_circle:",
        disabled=job.stopping,
        on_click=job.stop,
        help="What was reached is kept and opens as a run.",
    )


def _outcome(job: TrainingJob, standing: Standing) -> None:
    """Say how a training that is over has ended: what was stopped or never begun, and where its runs are."""
    lines = [f"{entry.run.name}: {entry.stopped}" for entry in standing.trained if entry.stopped]
    begun = {entry.run.name for entry in standing.trained}
    left_out = [name for name in (run_name(*choice) for choice in job.choices) if name not in begun]
    if left_out:
        lines.append(f"Not trained: {', '.join(left_out)}.")
    if begun:
        one = len(begun) == 1
        runs, them = ("The run it left is", "it") if one else (f"The {len(begun)} runs it left are", "them")
        lines.append(f"{runs} open: every other page shows {them}.")
    st.caption(escape(" ".join(lines)))


def _curves(job: TrainingJob, standing: Standing, choices: list[Choice]) -> None:
    n_images = min(1000, job.images.n_evaluation)
    views = job.views(standing, n_images)
    if not views:
        st.caption("The first points are being measured.")
        return
    shown = [name for name in FIGURES if name in views]
    main = st.segmented_control(
        "Curve",
        shown,
        default=shown[0],
        required=True,
        format_func=_CURVES.__getitem__,
        key="curve",
        bind="query-params",
        help="The large figure; the others stand below it.",
    )
    main = main if main in views else shown[0]
    colours = _colours(job, choices)

    def draw(name: str, height: int) -> None:
        loss_figures.figure(
            views[name], f"train {name}", colours, _python(job, name), height=height,
            explain=partial(_explanation, choices) if name == main else None, buttons=not standing.running,
        )  # fmt: skip

    draw(main, panels.MAIN_HEIGHT)
    others = [name for name in shown if name != main]
    for first in range(0, len(others), 2):
        for column, name in zip(st.columns(2, gap="medium"), others[first : first + 2], strict=False):
            with column:
                draw(name, panels.SIDE_HEIGHT)
    _caveats(job, n_images)


def _colours(job: TrainingJob, choices: list[Choice]) -> dict[str, int]:
    """Colours of the trained losses: those they have in the choice above, and free ones for losses no longer in it."""
    found = {run_name(choice.loss, choice.parameters): choice.colour for choice in choices}
    names = [run_name(*choice) for choice in job.choices]
    taken = {found[name] for name in names if name in found}
    free = (number for number in range(len(names) + len(taken)) if number not in taken)
    return {name: found[name] if name in found else next(free) for name in names}


def _python(job: TrainingJob, view: str) -> str:
    named = [(loss, parameters) if parameters else loss for loss, parameters in job.choices]
    digits = job.images.source == DIGITS
    images = "simulate.bundled_digits()" if digits else f"simulate.read_image_folder({_place(job.images)!r})"
    budget = ", ".join(f"{name}={value!r}" for name, value in _differing(job.budget).items())
    return (
        "import cl_viz\nfrom cl_viz import simulate\n"
        f"trained = simulate.train_losses({named!r}, {images}, simulate.TrainingBudget({budget}))\n"
        f"points = {{entry.run.name: entry.points for entry in trained}}\n"
        f"cl_viz.render(simulate.training_views(points)[{view!r}])"
    )


def _explanation(choices: Sequence[Choice]) -> None:
    st.markdown(
        "Every loss trains the same small encoder (three convolutions, a projector) from the same weights, on the same "
        "batches and the same random views. The curves are measured on images that are never trained on, at one fixed "
        "pair of views each: the loss is the mean over the batches since the point before."
    )
    st.markdown("**Measures**")
    st.markdown("\n".join(f"- **{escape(label)}** ({escape(unit)})" for label, unit in MEASURES.values()))
    st.markdown(
        f"Scores are those of the projector. The rank is exp(entropy) of the singular values of the raw rows, not "
        f"centred (Roy and Vetterli 2007). Each image's {NEIGHBOURS} nearest others by cosine vote for its label with "
        "weight exp(score / 0.1) (Wu et al. 2018); an image never votes for itself."
    )
    st.markdown("**Traps**")
    st.markdown(
        "Losses have different units: compare the other curves, not the losses. A budget that suits one loss may be "
        "short for another. One seed says little: train again with another before you choose."
    )
    explain(choices)


def _caveats(job: TrainingJob, n_images: int) -> None:
    facts = [
        f"N = {n_images:,} images measured, {job.images.n_training:,} trained on ({job.images.name})",
        f"{job.budget.epochs} epochs of batches of {min(job.budget.batch_size, job.images.n_training)}, AdamW at "
        f"{job.budget.learning_rate:g}",
        f"seed {job.budget.training_seed} for every loss",
        "scores of unit rows, not centred; ranks of raw rows",
        "curves have no interval: they are one training each",
    ]
    st.caption(escape(" · ".join(facts)))
