"""The Checkpoint page: what was recognised, which layer and views, how long it takes, and the run that comes out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from cl_viz.core.encoder import Recognised
from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.normalisation import LABELS
from cl_viz.core.progress import duration
from cl_viz.core.run import Run
from cl_viz.dashboard import checkpoint_sources as chosen
from cl_viz.dashboard import errors, navigation, opening, state
from cl_viz.dashboard.encoding_job import EncodingJob, Recipe, Standing
from cl_viz.dashboard.text import escape
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._data import SAMPLE_DIGITS, EncodingData
from cl_viz.encoders._encoding import ALL_LAYERS
from cl_viz.encoders._encoding_views import ViewPlan, plan_views

_GUESSED, _COLUMNS, _RECOGNISED = "guessed", "columns", "recognised"
_VIEWS = {
    _GUESSED: "As the data suggests", "augmented": "Two random views", "plain": "Plain", "dropout": "Two passes",
    _COLUMNS: "Columns",
}  # fmt: skip
_REFRESH_SECONDS = 1.0
_KEYS_SHOWN = 200


def sources() -> tuple[tuple[str, Recognised | None], tuple[str, EncodingData | None]]:
    """Draw the choice of checkpoint and data; return each with what it turned out to be, None where it is none."""
    left, right = st.columns(2, gap="medium")
    known, data = None, None
    with left:
        checkpoint = chosen.checkpoint_source()
        if checkpoint:
            with errors.boundary("checkpoint"):
                known = chosen.known(checkpoint, chosen.stamp(checkpoint))
    with right:
        source = chosen.data_source()
        if source:
            with errors.boundary("data"):
                data = chosen.opened_data(source, chosen.stamp(source))
    return (checkpoint, known), (source, data)


def recognised(checkpoint: tuple[str, Recognised | None], data: tuple[str, EncodingData | None]) -> None:
    """Draw what the checkpoint and the data turned out to be."""
    left, right = st.columns(2, gap="medium")
    with left:
        if checkpoint[1] is not None:
            _show_checkpoint(checkpoint[1])
        elif not checkpoint[0]:
            st.info("No checkpoint yet: give its path or upload it.", icon=":material/memory:")
    with right:
        if data[1] is not None:
            _show_data(data[1])
        elif not data[0]:
            st.info("No data yet: give its path or upload it.", icon=":material/folder_open:")


def _show_checkpoint(known: Recognised) -> None:
    label = ENCODERS[known.family].label if known.family in ENCODERS else known.family
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{escape(_capital(known.architecture))}**")
        facts = [
            ("family", label),
            ("embeds", ", ".join(f"{modality}s" for modality in known.modalities)),
            ("layers", ", ".join(known.layers)),
            ("parameters", f"{known.parameters:,}"),
        ]
        if known.image is not None:
            height, width = known.image.size
            facts.append(("images", f"{height} × {width}, {'grey' if known.image.channels == 1 else 'colour'}"))
        st.caption("  \n".join(f"{name}: {escape(value)}" for name, value in facts))
        for note in known.notes:
            st.caption(f":material/info: {escape(note)}")
        if known.unmatched:
            with st.expander(f"{len(known.unmatched):,} keys of the file are not used"):
                frame = pd.DataFrame({"Key": list(known.unmatched[:_KEYS_SHOWN])})
                st.dataframe(frame, hide_index=True, width="stretch", height="content")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _show_data(data: EncodingData) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{escape(_capital(data.kind))}, {data.n:,} rows**")
        roles = ", ".join(f"{role}: {column}" for role, column in data.roles.items())
        facts = [("can be embedded", ", ".join(data.inputs)), ("roles", roles or "none")]
        st.caption("  \n".join(f"{name}: {escape(value)}" for name, value in facts))
        if "label" not in data.roles:
            st.caption(":material/info: no labels: class folders, or a column called label, would give them")
        for note in data.notes:
            st.caption(f":material/info: {escape(note)}")


def controls_and_start(checkpoint: tuple[str, Recognised | None], data: tuple[str, EncodingData | None]) -> None:
    """Draw layer, views, seed, batch size and folder, the button that starts, and what became of it."""
    known, rows = checkpoint[1], data[1]
    if known is None or rows is None:
        _draw_course()
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        options = _options(known, rows)
    recipe = Recipe(checkpoint[0], data[0], options)
    planned: tuple[ViewPlan, ...] = ()
    with errors.boundary("views"):
        planned = plan_views(rows, known, options.get("views"))
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        folder = _folder_control()
        _start_button(recipe, rows.n, folder, ready=bool(planned))
    _draw_course()
    _explain(planned, data[0])
    with st.expander("The same in Python", icon=":material/code:"):
        st.code(f"import cl_viz\nembeddings = {recipe.expression(folder)}", language="python")


def _explain(planned: tuple[ViewPlan, ...], source: str) -> None:
    """Say which views are made, and what to expect of random views of the bundled digits."""
    said = "; ".join(f"**{escape(view.name)}**: {escape(_words(view.column, view.change))}" for view in planned)
    if said:
        st.caption(f"Views: {said}.")
    if source == SAMPLE_DIGITS and any(view.change == "augmented" for view in planned):
        st.caption(
            "SimCLR's random views are made for photographs: crops and mirrored digits are harder than the shifts and "
            "rotations that the bundled encoders were trained with. Their positives look worse here than in the "
            "bundled runs."
        )


def _words(column: str, change: str) -> str:
    return {
        "augmented": f"a random view of {column}", "dropout": f"a pass of {column} with dropout", "plain": column,
    }[change]  # fmt: skip


def _options(known: Recognised, data: EncodingData) -> dict[str, Any]:
    """Draw the controls; return the arguments of `cl_viz.encode` that differ from its defaults."""
    options: dict[str, Any] = {}
    layers = [*known.layers, *([ALL_LAYERS] if len(known.layers) > 1 else [])]
    layer = st.selectbox("Layer", layers, key="encode_layer", width=160,
                         help="The output that is kept; the first is shown by default.")  # fmt: skip
    if layer != layers[0]:
        options["layer"] = layer
    kinds = [_GUESSED, *(["augmented"] if "image" in known.modalities and data.of("image") else []), "plain",
             *(["dropout"] if _drops(known) and data.of("text") else []), _COLUMNS]  # fmt: skip
    kind = st.selectbox(
        "Views", kinds, format_func=_VIEWS.__getitem__, key="encode_views", width=210,
        help="Random views: SimCLR's crop, flip, colour, grey and blur. Plain: as the checkpoint's own evaluation. "
        "Two passes: each text twice, with dropout.",
    )  # fmt: skip
    if kind == _COLUMNS:
        usable = [column for modality in known.modalities for column in data.of(modality)]
        columns = st.multiselect("Columns", usable, default=usable[:2], key=f"encode_columns {data.source}", width=300)
        options["views"] = tuple(columns)
    elif kind != _GUESSED:
        options["views"] = kind
    options |= _image_options(known)
    seed = st.number_input("Seed", min_value=0, value=0, step=1, key="encode_seed", width=100,
                           help="Of random views and of dropout.")  # fmt: skip
    if seed:
        options["seed"] = int(seed)
    size = st.number_input("Batch size", min_value=1, max_value=65536, value=None, step=1, key="encode_batch",
                           width=150, placeholder="automatic", help="Smaller where memory is short.")  # fmt: skip
    if size:
        options["batch_size"] = int(size)
    return options


def _image_options(known: Recognised) -> dict[str, Any]:
    """Draw how images are prepared, for checkpoints that take some; return what differs from what was recognised."""
    if known.image is None:
        return {}
    options: dict[str, Any] = {}
    pixels = st.selectbox("Pixels", [_RECOGNISED, *LABELS], format_func=lambda name: LABELS.get(name, "as recognised"),
                          key="encode_pixels", width=190, help="How pixels in 0..1 are normalised, where you know it "
                          "and the checkpoint does not say: what is guessed is noted with the checkpoint.")  # fmt: skip
    if pixels != _RECOGNISED:
        options["pixels"] = pixels
    size = st.number_input("Image size", min_value=1, max_value=4096, value=None, step=1, key="encode_size", width=150,
                           placeholder=f"{known.image.size[0]}", help="Height and width that enter the network, in "
                           "pixels.")  # fmt: skip
    if size:
        options["size"] = int(size)
    return options


def _drops(known: Recognised) -> bool:
    """Whether two passes of a text can differ; where that shows only once it is built, they are offered."""
    return "text" in known.modalities and known.dropout is not False


def _folder_control() -> str:
    if not opening.paths_allowed():
        return ""
    typed = st.text_input(
        "Keep in folder (optional)", key="encode_out", placeholder="/data/runs/my-encoder", width=420,
        help="A new or empty folder. What was encoded stays there; an encoding that was stopped goes on.",
    ).strip()  # fmt: skip
    return opening.whole_path(typed) if typed else ""


def _start_button(recipe: Recipe, n: int, folder: str, *, ready: bool) -> None:
    job: EncodingJob | None = state.encoding()
    # One that was asked to stop holds nobody up: it ends by itself, and what comes of it is not opened.
    running = job is not None and job.standing().running and not job.stopping
    st.button(
        f"Encode {n:,} rows", key="_encode", type="primary", icon=":material/play_arrow:",
        disabled=running or not ready, on_click=_start, args=(recipe, folder),
        help="The first batch is measured; what would take long asks first.",
    )  # fmt: skip


def _start(recipe: Recipe, folder: str) -> None:
    name = hashlib.blake2b(recipe.key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    job = EncodingJob(recipe, Path(folder) if folder else chosen.session_folder() / f"run-{name}")
    state.set_encoding(job)
    chosen.encodings().append(job)
    job.start()


def _draw_course() -> None:
    """Draw how far the encoding is, and what came out."""
    job: EncodingJob | None = state.encoding()
    if job is not None:
        every = _REFRESH_SECONDS if job.standing().running else None
        st.fragment(_course, run_every=every)(job)


def _course(job: EncodingJob) -> None:
    standing = job.standing()
    if not standing.running and job.opened == "":
        job.opened = "-"  # whatever happens, it is opened once
        if standing.run is not None:
            try:
                job.opened = _open(job, standing.run)
            except Exception as error:
                job.fail(error)
        st.rerun()
    if standing.running:
        _progress(job, standing)
    elif isinstance(standing.error, Cancelled):
        st.info(f"Stopped after {100 * standing.fraction:.0f} % of the rows. They are kept: encode again to go on.",
                icon=":material/stop_circle:")  # fmt: skip
    elif isinstance(standing.error, ClVizError):
        errors.show(standing.error)
    elif standing.error is not None:
        errors.show_unexpected(standing.error)
    elif standing.run is not None:
        _result(job, standing.run)


def _progress(job: EncodingJob, standing: Standing) -> None:
    if standing.phase == "asking" and standing.estimate is not None and not job.stopping:
        st.info(f"Encoding takes about {duration(standing.estimate)}, as the first batch says.",
                icon=":material/hourglass:")  # fmt: skip
        with st.container(horizontal=True):
            st.button("Start", key="_confirm_encoding", icon=":material/play_arrow:", on_click=job.confirm)
            st.button("Do not", key="_decline_encoding", on_click=job.stop)
        return
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(1.0, standing.fraction), text=escape(standing.told))
    button.button(
        "Stopping" if job.stopping else "Stop", key="_stop_encoding", icon=":material/stop_circle:",
        disabled=job.stopping, on_click=job.stop, help="What was embedded is kept; encode again to go on.",
    )  # fmt: skip


def _open(job: EncodingJob, run: Run) -> str:
    """Open what came out as a run, and let the pictures that it was made from be shown."""
    source = Path(job.recipe.data)
    if job.recipe.data != SAMPLE_DIGITS and source.is_dir():
        state.add_media_folder(source)
    session = chosen.session_folder()
    if job.folder.is_relative_to(session):
        former = state.find_run("upload", str(job.folder))
        opened = state.add_run(
            run, expression=job.recipe.expression(), origin="upload", key=str(job.folder),
            replaces=former.name if former is not None else "",
        )  # fmt: skip
    else:
        opened = opening.open_path(str(job.folder))
    st.toast(f"{escape(opened.name)} is open as a run", icon=":material/add:")
    return opened.name


def _result(job: EncodingJob, run: Run) -> None:
    found = run.get()
    skipped = run.card.get("skipped", ())
    layers = ", ".join(str(layer) for layer in run.layers)
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            f":material/check_circle: **{escape(job.opened)}** is open as a run: N = {found.n:,}, D = {found.dim}, "
            f"views {escape(', '.join(found.view_names))}, layer {escape(layers)}."
        )
        st.page_link(navigation.page_path("start/checkup"), label="Is anything wrong with it?",
                     icon=":material/checklist:")  # fmt: skip
        if skipped:
            count = int(run.card.get("skipped_rows", len(skipped)))
            with st.expander(f"{count:,} row{'s' if count != 1 else ''} could not be read", icon=":material/warning:"):
                frame = pd.DataFrame(list(skipped), columns=["Row", "File", "Reason"])
                st.dataframe(frame, hide_index=True, width="stretch", height="content")
