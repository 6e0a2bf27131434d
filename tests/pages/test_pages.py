"""Every page, with runs and without, with bad input and with hostile names."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import cache, long_work
from cl_viz.dashboard.navigation import SECTIONS, find_pages, menu
from cl_viz.dashboard.text import escape
from cl_viz.engine import Statistics, scanner
from cl_viz.figures.captions import together

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]
FOLDER = Path(__file__).parents[2] / "pages"
PAGES = [f"{section}/{file.stem}" for section, files in find_pages(FOLDER).items() for file in files]
WITHOUT_RUNS = {"start/checkpoint", "losses/train", *(page for page in PAGES if page.startswith("learn/"))}
"""Pages that need no run."""
OF_EVERY_RUN = [page for page in PAGES if page not in {*WITHOUT_RUNS, "losses/loss_lab", "scores/pairs", "runs/map"}]
"""Pages that answer their question for every shown run; the others look at one, and have tests of their own."""


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info, *app.error])


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label.partition(" ![")[0] == label).click().run()


def boxes(app: AppTest) -> list[str]:
    return [element.value for element in app.error]


def test_sections_and_pages_stand_in_the_order_of_the_menu() -> None:
    sections = list(dict.fromkeys(page.split("/")[0] for page in PAGES))
    assert sections == [section for section in SECTIONS if section in sections]
    for section in sections:
        pages = [page.split("/")[1] for page in PAGES if page.startswith(f"{section}/")]
        named = [page for page in SECTIONS[section] if page in pages]
        assert pages[: len(named)] == named


@pytest.mark.parametrize("page", OF_EVERY_RUN)
def test_a_page_with_two_runs_asks_its_question_and_answers_it(page: str, open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page=page)
    assert not app.exception
    assert boxes(app) == []
    assert app.title[0].value.endswith("?")
    assert "-badge[:material/" in texts(app)
    assert "first" in texts(app)
    assert "second" in texts(app)
    drawn, titles = app.get("plotly_chart"), "".join(element.proto.body for element in app.get("html"))
    for element in drawn:
        assert "N = " in element.proto.alt
        assert together(element.proto.alt) in titles


@pytest.mark.parametrize("page", [page for page in PAGES if page not in WITHOUT_RUNS])
def test_a_page_without_runs_says_what_to_do(page: str, open_app: OpenApp, tmp_path: Path) -> None:
    app = open_app(tmp_path / "missing.npz", page=page)
    assert not app.exception
    assert any("No run is open" in element.value for element in app.info)


def test_a_path_that_cannot_be_opened_is_explained_and_the_others_open(open_app: OpenApp, dump: Dump) -> None:
    broken = dump("broken.npz")
    broken.write_bytes(broken.read_bytes()[:200])
    app = open_app(broken, dump("whole.npz"))
    assert len(boxes(app)) == 1
    assert "broken" in boxes(app)[0]
    assert "whole" in texts(app)


def test_figures_follow_their_controls(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="scores/distributions")

    def drawn() -> list[str]:
        return [element.proto.spec for element in app.get("plotly_chart")]

    before = drawn()
    app.slider(key="bins").set_value(50).run()
    assert boxes(app) == []
    assert drawn()[0] != before[0]


def test_moving_a_control_never_looks_at_the_pairs_again(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[str] = []
    real = scanner.scan

    def counting(embedding_set: EmbeddingSet, *where: str, **arguments: Any) -> Statistics:
        scanned.append(embedding_set.name)
        return real(embedding_set, *where, **arguments)

    monkeypatch.setattr(scanner, "scan", counting)
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page="scores/distributions")
    assert sorted(scanned) == ["first", "second"]
    app.slider(key="bins").set_value(200).run()
    app.select_slider(key="temperature").set_value("0.5").run()
    app.toggle(key="log_density").set_value(True).run()
    app.switch_page("pages/start/checkup.py").run()
    assert boxes(app) == []
    assert sorted(scanned) == ["first", "second"]


def test_the_data_page_never_looks_at_pairs_itself(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is computed that nobody asked for: a run that was only opened was not scanned."""
    app = open_app(dump("first.npz"), page="start/data")
    scanned: list[str] = []
    monkeypatch.setattr(scanner, "scan", lambda embedding_set, *_, **__: scanned.append(embedding_set.name))
    app.text_input(key="path").set_value(str(dump("second.npz", spread=1.5))).run()
    next(button for button in app.button if button.label == "Open path").click().run()
    assert list(app.session_state["_runs"]) == ["first", "second"]
    assert scanned == []


@pytest.mark.parametrize("by_start", [False, True])
def test_a_link_restores_the_runs_and_the_controls(by_start: bool, open_app: OpenApp, dump: Dump) -> None:
    app = open_app(
        dump("first.npz"),
        dump("second.npz"),
        page="scores/distributions",
        by_start=by_start,
        run=["second"],
        bins="200",
    )
    assert app.slider(key="bins").value == 200
    assert [box.value for box in app.sidebar.checkbox] == [False, True]
    assert app.query_params["run"] == "second"


@pytest.mark.parametrize("page", ["start/data", "geometry/alignment_uniformity"])
def test_no_two_buttons_are_read_out_alike(page: str, open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz"), page=page)
    labels = [button.proto.label for button in [*app.main.button, *app.main.get("download_button")]]
    labels += [place.proto.popover.label for place in app.main.get("popover")]
    of_figures = {"CSV", "PNG", "Python"} & {label.partition(" ![")[0] for label in labels}
    assert of_figures == {"CSV", "PNG", "Python"}
    assert len(set(labels)) == len(labels)


def test_transformed_features_are_shown_of_a_run_that_is_named(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz"), page="scores/feature_transformation")
    assert any("show first, the reference run" in caption.value for caption in app.caption)


def test_a_hidden_run_is_not_shown(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz"), page="scores/distributions")
    for box in app.sidebar.checkbox:
        box.set_value(False)
    app.run()
    assert any("Tick one in the sidebar" in element.value for element in app.info)


def test_an_upload_opens_and_its_roles_can_be_overruled(open_app: OpenApp, dump: Dump) -> None:
    codes = np.arange(120) % 5
    content = dump("up.npz", label=np.zeros(120, dtype=int), kind=codes).read_bytes()
    app = open_app(dump("first.npz"), page="start/data")
    app.file_uploader(key="upload").upload("up.npz", content).run()
    assert boxes(app) == []
    assert "up" in texts(app)
    assert "Recognised in up" in texts(app)
    next(box for box in app.selectbox if box.label == "Label").set_value("kind")
    next(b for b in app.button if b.label == "Use these").click().run()
    assert boxes(app) == []
    opened = app.session_state["_runs"]["up"].run.get()
    assert dict(opened.roles)["label"] == "kind"


@pytest.mark.parametrize(
    ("name", "content"),
    [("cut.npz", b"PK\x03\x04 not an archive"), ("empty.npy", b""), ("words.npz", b"hello"), ("one.csv", b"a\n1\n")],
)
def test_a_bad_upload_is_explained_and_nothing_is_lost(
    name: str, content: bytes, open_app: OpenApp, dump: Dump
) -> None:
    app = open_app(dump("first.npz"), page="start/data")
    app.file_uploader(key="upload").upload(name, content).run()
    assert not app.exception
    assert len(boxes(app)) == 1
    assert name.split(".")[0] in boxes(app)[0]
    assert "upload" not in boxes(app)[0], "the folder it was copied to is nothing to look into"
    assert list(app.session_state["_runs"]) == ["first"]
    next(button for button in app.button if button.label == "Dismiss").click().run()
    assert boxes(app) == []


def test_a_pickle_in_an_upload_is_never_run(open_app: OpenApp, dump: Dump, tmp_path: Path) -> None:
    witness = tmp_path / "was_run"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (witness.write_text, ("x",))

    buffer = io.BytesIO()
    np.savez(buffer, view_1=np.array([Evil()], dtype=object), allow_pickle=True)
    app = open_app(dump("first.npz"), page="start/data")
    app.file_uploader(key="upload").upload("evil.npz", buffer.getvalue()).run()
    assert len(boxes(app)) == 1
    assert not witness.exists()


def test_hostile_names_are_shown_letter_by_letter(open_app: OpenApp, dump: Dump) -> None:
    label = np.array(["<script>alert(1)</script>", "**bold** :smile:"] * 60)
    path = dump("**x** <img src=a> :red[y].npz", label=label)
    for page in PAGES:
        app = open_app(path, page=page)
        assert boxes(app) == []
        for element in app.markdown:
            assert element.allow_html is False
        shown = texts(app)
        assert "<script" not in shown.replace("\\<script", "")
        assert "**x**" not in shown
        assert "<img" not in shown.replace("\\<img", "")


def test_an_unforeseen_error_is_a_calm_box_and_the_rest_goes_on(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cache.diagnose

    def failing(name: str, run: Any, **arguments: Any) -> Any:
        if run.name == "second":
            raise ZeroDivisionError("secret detail")
        return real(name, run, **arguments)

    monkeypatch.setattr(cache, "diagnose", failing)
    app = open_app(dump("first.npz"), dump("second.npz"), page="scores/distributions")
    assert not app.exception
    assert "unexpected ZeroDivisionError, number" in boxes(app)[0]
    assert "secret detail" not in texts(app)
    assert app.get("plotly_chart")


def test_long_work_is_asked_for_first(open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 0.0)
    app = open_app(dump(), page="scores/distributions")
    assert any("take about" in element.value for element in app.info)
    assert not app.get("plotly_chart")
    next(button for button in app.button if button.label == "Compute").click().run()
    assert app.get("plotly_chart")


def test_the_checkup_asks_once_for_all_runs_and_says_what_is_missing(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 0.0)
    app = open_app(dump("first.npz"), dump("second.npz"))
    assert "no problem found so far" in texts(app)
    assert "not computed yet" in texts(app)
    (asked,) = [element.value for element in app.info if "take about" in element.value]
    assert "All pairs of first" in asked
    assert "All pairs of second" in asked
    next(button for button in app.button if button.label == "Compute all").click().run()
    assert "not computed yet" not in texts(app)
    assert not any("take about" in element.value for element in app.info)


def test_a_closed_run_gives_its_colour_back(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz"), page="start/data")
    app.button(key="close first").click().run()
    assert [opened.colour for opened in app.session_state["_runs"].values()] == [1]


def test_a_path_is_opened_on_a_local_server_only(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cl_viz.dashboard import opening

    app = open_app(dump("first.npz"), page="start/data")
    app.text_input(key="path").set_value(str(dump("second.npz"))).run()
    next(button for button in app.button if button.label == "Open path").click().run()
    assert list(app.session_state["_runs"]) == ["first", "second"]
    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    app.run()
    assert next(button for button in app.button if button.label == "Open path").disabled


def test_visitors_see_names_of_files_and_not_where_they_lie(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cl_viz.dashboard import opening

    path = dump("first.npz")
    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    app = open_app(path, page="start/data")
    assert not app.exception
    shown = " ".join(str(entry.value) for entry in [*app.markdown, *app.caption, *app.code]).replace("\\", "")
    assert "first.npz" in shown
    assert str(path.parent) not in shown
    assert app.session_state["_runs"]["first"].expression == "cl_viz.open_run('first.npz')"


def test_visitors_are_not_told_where_a_file_of_the_operator_was_looked_for(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cl_viz.dashboard import opening

    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    app = open_app(tmp_path / "absent.npz", page="start/data")
    (box,) = (text.replace("\\", "") for text in boxes(app))
    assert "absent.npz" in box
    assert str(tmp_path) not in box
    assert str(Path.cwd()) not in box


@pytest.mark.parametrize("label", ["Open path", "Use these"])
def test_a_path_that_is_sent_although_no_field_is_for_it_is_not_opened(
    label: str, open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fields are drawn for this machine, the press comes from elsewhere: what is drawn guards nothing."""
    from cl_viz.dashboard import opening

    app = open_app(dump("first.npz"), page="start/data")
    press(app, "Views and roles")
    app.text_input(key="path").set_value(str(dump("second.npz")))
    next(field for field in app.text_input if field.label.startswith("Pairs file")).set_value(str(dump("pairs.npz")))
    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    press(app, label)
    assert "this machine alone" in boxes(app)[0]
    assert [opened.expression for opened in app.session_state["_runs"].values()] == [
        f"cl_viz.open_run({str(dump('first.npz'))!r})"
    ]


def test_visitors_upload_the_pairs_of_a_run_that_the_operator_opened(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cl_viz.dashboard import opening

    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    random = np.random.default_rng(0)
    path = tmp_path / "two.npz"
    np.savez(path, first=random.normal(size=(60, 4)), second=random.normal(size=(60, 4)))
    app = open_app(path, page="start/data")
    press(app, "Views and roles")
    assert not [field for field in app.text_input if field.label.startswith("Pairs file")]
    field = next(field for field in app.file_uploader if field.label.startswith("Pairs file"))
    field.upload("pairs.csv", ("first,second\n" + "".join(f"{row},{row}\n" for row in range(40))).encode())
    press(app, "Use these")
    assert boxes(app) == []
    opened = app.session_state["_runs"]["two"]
    assert opened.run.get().pairs.shape == (40, 2)
    assert opened.expression == "cl_viz.load('two.npz', pairs='pairs.csv')"


def test_paths_in_the_environment_are_opened(open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CL_VIZ_OPEN", os.pathsep.join([str(dump("first.npz")), str(dump("second.npz"))]))
    app = open_app()
    assert list(app.session_state["_runs"]) == ["first", "second"]


def test_a_sample_is_opened_by_name(open_app: OpenApp) -> None:
    app = open_app(Path("sample:mnist-healthy"), page="start/data")
    assert boxes(app) == []
    assert list(app.session_state["_runs"]) == ["mnist-healthy"]


def test_roles_that_were_guessed_wrongly_can_be_emptied(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(page="start/data", run=["none"])
    app.text_input(key="path").set_value(str(dump("second.npz"))).run()
    next(button for button in app.button if button.label == "Open path").click().run()
    next(box for box in app.selectbox if box.label == "Label").set_value("none")
    next(button for button in app.button if button.label == "Use these").click().run()
    assert boxes(app) == []
    assert "label" not in app.session_state["_runs"]["second"].run.get().roles


def test_a_run_of_the_command_line_is_given_a_role_on_its_card(open_app: OpenApp, dump: Dump) -> None:
    kinds = np.array([f"kind {row % 3}" for row in range(120)])
    app = open_app(dump("first.npz", kind=kinds), page="start/data", straight=True)
    assert "other columns" in texts(app)
    assert "Recognised in" not in texts(app)
    press(app, "Views and roles")
    assert "Recognised in first" in texts(app)
    next(box for box in app.selectbox if box.label == "Label").set_value("kind")
    press(app, "Use these")
    assert boxes(app) == []
    assert app.session_state["_runs"]["first"].run.get().roles["label"] == "kind"
    assert "other columns" not in texts(app)


def test_a_path_that_needs_choices_can_be_mended_beside_its_error(
    open_app: OpenApp, dump: Dump, tmp_path: Path
) -> None:
    """Two views of different sizes: the error comes with the form, and the form opens the file."""
    random = np.random.default_rng(0)
    one, unequal = tmp_path / "one.npy", tmp_path / "unequal.npz"
    np.save(one, random.normal(size=(60, 4)))
    np.savez(unequal, first=random.normal(size=(60, 4)), second=random.normal(size=(48, 4)))
    app = open_app(dump("first.npz"), page="start/data")
    app.text_input(key="path").set_value(str(one)).run()
    press(app, "Open path")
    assert "Recognised in one" in texts(app)
    app.text_input(key="path").set_value(str(unequal)).run()
    press(app, "Open path")
    assert len(boxes(app)) == 1
    assert "Recognised in one" not in texts(app)
    assert "Recognised in unequal" in texts(app)
    assert "unequal" not in app.session_state["_runs"]
    next(box for box in app.multiselect if box.label == "Views").set_value(["first"])
    press(app, "Use these")
    assert boxes(app) == []
    assert app.session_state["_runs"]["unequal"].run.get().n == 60


def test_a_path_typed_and_opened_at_once_is_the_one_that_is_opened(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), page="start/data")
    app.text_input(key="path").set_value(str(dump("second.npz")))
    press(app, "Open path")
    assert boxes(app) == []
    assert list(app.session_state["_runs"]) == ["first", "second"]


@pytest.mark.parametrize("origin", ["path", "upload"])
def test_views_that_are_not_aligned_open_with_a_pairs_file(
    origin: str, open_app: OpenApp, dump: Dump, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    unequal, pairs = tmp_path / "unequal.npz", tmp_path / "pairs.csv"
    label = {"first/label": np.arange(60) % 3, "second/label": np.arange(48) % 3}
    np.savez(unequal, first=random.normal(size=(60, 4)), second=random.normal(size=(48, 4)), **label)
    pairs.write_text("first,second\n" + "".join(f"{row},{row}\n" for row in range(40)))
    app = open_app(dump("first.npz"), page="start/data")
    if origin == "path":
        app.text_input(key="path").set_value(str(unequal)).run()
        press(app, "Open path")
        next(field for field in app.text_input if field.label.startswith("Pairs file")).set_value(str(pairs))
    else:
        app.file_uploader(key="upload").upload(unequal.name, unequal.read_bytes()).run()
        field = next(field for field in app.file_uploader if field.label.startswith("Pairs file"))
        field.upload(pairs.name, pairs.read_bytes())
    assert len(boxes(app)) == 1
    press(app, "Use these")
    assert boxes(app) == []
    opened = app.session_state["_runs"]["unequal"]
    assert opened.run.get().pairs.shape == (40, 2)
    assert opened.expression.endswith(f"pairs={(str(pairs) if origin == 'path' else 'pairs.csv')!r})")
    assert next(box for box in app.selectbox if box.label == "Label").value == "label"


def test_pairs_that_point_outside_the_views_are_explained(open_app: OpenApp, tmp_path: Path, dump: Dump) -> None:
    random = np.random.default_rng(0)
    unequal, pairs = tmp_path / "unequal.npz", tmp_path / "pairs.csv"
    np.savez(unequal, first=random.normal(size=(60, 4)), second=random.normal(size=(48, 4)))
    pairs.write_text("a,b\n0,0\n1,48\n")
    app = open_app(dump("first.npz"), page="start/data")
    app.text_input(key="path").set_value(str(unequal)).run()
    press(app, "Open path")
    next(field for field in app.text_input if field.label.startswith("Pairs file")).set_value(str(pairs))
    press(app, "Use these")
    assert not app.exception
    assert len(boxes(app)) == 1
    assert list(app.session_state["_runs"]) == ["first"]


def test_a_measurement_on_a_card_is_told_by_its_summary(open_app: OpenApp, checkout: Path) -> None:
    card = json.loads((checkout / "sample_models/runs/mnist-rare-4-seed-0/card.json").read_text())
    app = open_app(Path("sample:mnist-rare-4-seed-0"), page="start/data")
    assert boxes(app) == []
    assert escape(card["representation_harm"]["summary"]) in texts(app)
    assert "includes_none" not in texts(app)
    # What the run is stands in the card; how it came to be is one click away.
    folded = next(box for box in app.expander if box.label == "How it was trained and measured")
    inside = "\n".join(str(element.value) for element in folded.markdown)
    assert ":gray[learning rate]" in inside
    assert ":gray[title]" not in inside
    assert ":gray[title]" in texts(app)


def test_a_folder_whose_shard_was_overwritten_is_read_again_in_its_place(
    open_app: OpenApp, dump: Dump, tmp_path: Path
) -> None:
    """The folder's own time stays as it was: only the file inside changed."""
    folder = tmp_path / "sh"
    folder.mkdir()
    random = np.random.default_rng(0)

    def write(place: Path) -> None:
        with place.open("wb") as file:
            np.savez(file, view_1=random.normal(size=(30, 4)), view_2=random.normal(size=(30, 4)))

    write(folder / "part_0.npz")
    write(folder / "part_1.npz")
    before = folder.stat()
    app = open_app(folder, dump("second.npz"), page="start/data")
    first = app.session_state["_runs"]["sh"]
    write(folder / "part_1.npz")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    app.text_input(key="path").set_value(f"{tmp_path}/./sh")
    press(app, "Open path")
    assert boxes(app) == []
    assert list(app.session_state["_runs"]) == ["sh", "second"]
    again = app.session_state["_runs"]["sh"]
    assert again.colour == first.colour
    assert again.run.get().fingerprint != first.run.get().fingerprint


def test_a_path_that_is_open_keeps_the_name_it_had_among_its_namesakes(
    open_app: OpenApp, dump: Dump, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    first, namesake = dump("same.npz"), tmp_path / "other" / "same.npz"
    namesake.write_bytes(first.read_bytes())
    app = open_app(first, namesake, page="start/data")
    app.button(key="close same").click().run()
    app.text_input(key="path").set_value(str(namesake))
    press(app, "Open path")
    assert [(name, run.colour) for name, run in app.session_state["_runs"].items()] == [("same (2)", 1)]


def test_the_checkup_can_be_taken_away(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0))
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["Report", "Markdown", "Parquet"]


def test_the_first_page_answers_to_the_name_of_its_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    monkeypatch.setattr("streamlit.Page", lambda file, **settings: (file.stem, settings))
    monkeypatch.setattr("streamlit.navigation", lambda pages, expanded: found.update(pages))
    menu(FOLDER)
    start, *others = (page for pages in found.values() for page in pages)
    assert start[0] == "checkup"
    assert start[1]["default"]
    hidden = [(name, settings["url_path"]) for name, settings in others if settings.get("visibility") == "hidden"]
    assert hidden == [("checkup", "checkup")]
    # Two pages of one address are an error.
    assert start[1]["url_path"] not in {name for name, _ in others}


def test_one_view_without_labels_says_what_to_add(open_app: OpenApp, tmp_path: Path) -> None:
    path = tmp_path / "bare.npz"
    np.savez(path, view_1=np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32))
    app = open_app(path, page="scores/distributions")
    assert any("add" in element.value for element in app.info)
    app.switch_page("pages/geometry/neural_collapse.py").run()
    assert any("labels" in element.value and "add" in element.value for element in app.info)
    app.switch_page("pages/losses/loss_lab.py").run()
    assert any("None of the chosen losses can be computed: " in element.value for element in app.info)
    assert not app.exception
    assert boxes(app) == []
