"""The page of pairs: each question, links that arrive with a range or two classes, marks, and hostile data."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from streamlit.testing.v1 import AppTest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import pair_marks

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]
PAGE = "scores/pairs"
HOSTILE = "<b onclick='x()'>rare</b> [a](javascript:alert(1)) **x**"


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info, *app.error])


def title(app: AppTest) -> str:
    """Return what the first figure says, its title on one line."""
    return str(app.get("plotly_chart")[0].proto.spec).replace(r"\u003cbr\u003e", " ")


def test_each_question_shows_its_pairs(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page=PAGE)
    for question, words, n_pairs in (
        ("hardest-negatives", "The highest 100 of 14,280 negatives", 12),
        ("false-negatives", "The highest 100 of 3,480 negatives of the same label", 12),
        ("weakest-positives", "The lowest 100 of 120 positives", 12),
        ("duplicates", "There are no pairs of samples within a view with scores from 0.999 to 1", 0),
    ):
        app.segmented_control(key="question").set_value(question).run()
        assert not app.exception
        assert words in title(app)
        assert len(app.main.checkbox) == n_pairs
    app.sidebar.checkbox[0].uncheck().run()
    assert "No run is shown" in texts(app)


def test_a_link_with_a_range_opens_that_bin_with_its_exact_count(open_app: OpenApp, dump: Dump) -> None:
    path = dump()
    app = open_app(path, page=PAGE, question="A range of scores", kind="Negatives", low="0.2", high="0.22")
    found = cl_viz.find_pairs(cl_viz.load(path), "interval", low=0.2, high=0.22)
    assert f"of {found.count:,} negatives" in title(app)
    app.number_input(key="high").set_value(0.1).run()
    assert "the scores from 0.2 to 0.1" in texts(app).replace("\\", "")
    assert not app.exception


def test_a_link_with_two_classes_opens_their_cell(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page=PAGE, question="Two classes", class_a="1", class_b="3", within="Within view_2")
    # 30 samples of each class: all pairs of the cell, in the view that the matrix is of.
    assert "of 900 pairs of samples within view_2 between 1 and 3" in title(app)
    assert app.selectbox(key="class_b").value == "3"
    app.selectbox(key="class_b").select("1").run()
    assert "of 435 pairs of samples within view_2 between 1 and 1" in title(app)
    app.selectbox(key="within").select("").run()
    assert "of 870 negatives between 1 and 1" in title(app)
    assert not app.exception


def test_marks_stay_when_the_page_is_left_and_make_a_mining_list(open_app: OpenApp, dump: Dump) -> None:
    path = dump()
    app = open_app(path, page=PAGE)
    assert [box.label for box in app.main.checkbox[:12]] == [f"Mark pair {number}" for number in range(1, 13)]
    app.main.checkbox[0].check().run()
    assert "**1** pair marked" in texts(app)
    app.button(key="mark all").click().run()
    assert "**12** pairs marked" in texts(app)
    app.main.checkbox[3].uncheck().run()
    assert "**11** pairs marked" in texts(app)
    app.switch_page("pages/start/data.py").run()
    app.switch_page(f"pages/{PAGE}.py").run()
    assert [box.value for box in app.main.checkbox[:12]].count(True) == 11
    marks = next(iter(app.session_state["_marked_pairs"].values()))
    found = cl_viz.find_pairs(cl_viz.load(path))
    first = {(int(row), int(other)) for row, other in zip(found.first[:12], found.second[:12], strict=True)}
    assert {(mark["row"], mark["other_row"]) for mark in marks.values()} < first
    app.button(key="clear marks").click().run()
    assert "**0** pairs marked" in texts(app)
    assert not any(box.value for box in app.main.checkbox)
    # Sorting and pages go through all pairs.
    first = [box.key for box in app.main.checkbox]
    app.selectbox(key="sort").select("Lowest score").run()
    assert [box.key for box in app.main.checkbox] != first
    pages = next(entry for entry in app.number_input if entry.label.startswith("Page"))
    assert pages.max == 9
    pages.set_value(9).run()
    assert len(app.main.checkbox) == 4
    assert app.main.checkbox[-1].key == first[0]


def test_a_mining_list_is_read_again_as_it_was(labelled_set: EmbeddingSet) -> None:
    found = cl_viz.find_pairs(labelled_set, m=5)
    frame = found.table(labelled_set)
    files = pair_marks.exports(frame)
    for again in (
        pd.read_csv(io.BytesIO(files["csv"][0])),
        pd.read_parquet(io.BytesIO(files["parquet"][0])),
        pd.read_json(io.BytesIO(files["jsonl"][0]), lines=True),
    ):
        assert again["row"].tolist() == found.first.tolist()
        assert again["question"].tolist() == ["hardest-negatives"] * 5
        np.testing.assert_allclose(again["score"], found.score, atol=1e-9)


def test_labels_texts_and_image_columns_of_a_hostile_file_do_no_harm(
    open_app: OpenApp, labelled_set: EmbeddingSet, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "own.png").write_bytes(picture())
    entries = ["own.png", "../secret.png", "/etc/passwd", "link.png", "", "http://x/y.png", str(folder / "own.png")]
    rows = np.arange(120)
    columns = {
        "label": np.array([HOSTILE if row % 4 == 0 else "common" for row in rows]),
        "caption": np.array([HOSTILE * (row % 50) for row in rows]),
        "image": np.array([entries[row % len(entries)] for row in rows]),
    }
    path = folder / "hostile.npz"
    np.savez(path, **labelled_set.views, **columns)  # type: ignore[arg-type]
    app = open_app(path, page=PAGE, m="500")
    assert not app.exception
    seen = texts(app)
    for text in seen.splitlines():
        assert "<b onclick" not in text.replace("\\<", "")
        assert "](javascript" not in text
    assert "leads out of the folder" in seen
    assert app.get("image"), "the run's own picture is shown"


def picture() -> bytes:
    target = io.BytesIO()
    Image.new("L", (30, 30)).save(target, "PNG")
    return target.getvalue()


def test_pictures_in_the_file_itself_are_shown(open_app: OpenApp, dump: Dump) -> None:
    address = "data:image/png;base64," + base64.b64encode(picture()).decode()
    app = open_app(dump(label=np.arange(120) % 3, image=np.full(120, address)), page=PAGE)
    assert not app.exception
    assert len(app.get("image")) == 24


def test_one_view_without_labels_says_what_it_lacks(open_app: OpenApp, tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, embeddings=np.random.default_rng(0).normal(size=(60, 8)))
    app = open_app(path, page=PAGE)
    assert "100 of 1,770 negatives" in title(app)
    for question, words in (
        ("weakest-positives", "no positive pairs"),
        ("classes", "no classes"),
        ("false-negatives", "likely false negatives"),
    ):
        app.segmented_control(key="question").set_value(question).run()
        assert not app.exception
        assert words in texts(app) or words in title(app)
