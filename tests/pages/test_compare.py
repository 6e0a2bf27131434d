"""The page that compares runs, steps and layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import aspects, checkup, run_numbers

Dump = Callable[..., Path]
OpenApp = Callable[..., AppTest]
PAGE = "runs/compare"


@pytest.fixture(autouse=True)
def _quiet_checkup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app opens on the checkup, which would answer every question of every run first."""
    monkeypatch.setattr(checkup, "show", lambda runs: {})


def boxes(app: AppTest) -> list[str]:
    return [element.value for element in app.error]


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption, *app.info])


def titles(app: AppTest) -> list[str]:
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    return [spec["layout"]["title"]["text"].replace("<br>", " ") for spec in specs]


def test_every_other_run_is_compared_with_the_reference(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page=PAGE, compared="How alike")
    assert boxes(app) == []
    assert titles(app)[0].startswith("second and first: CKA")
    app.selectbox(key="reference_run").set_value("second").run()
    assert boxes(app) == []
    assert titles(app)[0].startswith("first and second: CKA")


def test_the_reference_alone_says_what_to_add(open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_numbers, "compared_diagnostics", lambda: ("dimension_ranks",))
    app = open_app(dump("first.npz"), page=PAGE)
    assert boxes(app) == []
    assert "Show or open a second run" in texts(app)
    assert list(app.dataframe[0].value.columns) == ["quantity", "diagnostic", "first"]
    assert not app.toggle
    assert "cl_viz.check(run" in app.code[0].value
    app.segmented_control(key="compared").set_value("How alike").run()
    assert boxes(app) == []
    assert "there is no second run to compare with" in texts(app)
    assert titles(app) == []
    app.segmented_control(key="compared").set_value("Steps and layers").run()
    assert boxes(app) == []
    assert "one training step each" in texts(app)
    assert "one layer each" in texts(app)


def test_other_samples_are_refused_in_words(open_app: OpenApp, dump: Dump, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    with other.open("wb") as file:
        np.savez(file, view_1=np.random.default_rng(0).normal(size=(50, 12)))
    app = open_app(dump("first.npz"), other, page=PAGE, compared="How alike")
    assert boxes(app) == []
    assert "other has 50 samples in view" in texts(app)
    assert "same order" in texts(app)


def test_steps_and_layers_of_sample_runs_are_compared(open_app: OpenApp) -> None:
    app = open_app(Path("sample:mnist-healthy"), Path("sample:mnist-vicreg"), page=PAGE, compared="Steps and layers")
    assert boxes(app) == []
    shown = titles(app)
    assert any("CKA, first with last step" in title for title in shown)
    assert any(title.startswith("Least alike: projector and backbone") for title in shown)
    assert "The matrices show mnist-healthy" in texts(app)


def test_findings_stand_above_the_choice_of_an_aspect(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump("first.npz"), dump("second.npz", spread=2.0), page=PAGE, compared="How alike")
    for title in aspects.PAGES[PAGE].titles:
        app.segmented_control(key="compared").set_value(title).run()
        assert boxes(app) == []
        kinds = [(element.type, getattr(element, "key", None)) for element in app.main]
        drawn = [str(getattr(element, "value", "")) for element in app.main]
        first = next(place for place, value in enumerate(drawn) if "-badge[:material/" in value)
        assert first < next(place for place, kind in enumerate(kinds) if kind[1] == "compared"), title
        assert "CKA with first is" in "\n".join(drawn[: first + 3]), title


def three(dump: Dump) -> list[Path]:
    """Three runs on the same samples; the last moves the samples in both views."""
    paths = [dump("first.npz"), dump("second.npz", spread=2.0), dump("third<b>.npz")]
    with np.load(paths[0]) as found:
        arrays = dict(found)
    noise = np.random.default_rng(3)
    for view in ("view_1", "view_2"):
        arrays[view] = arrays[view] + 0.5 * noise.normal(size=arrays[view].shape).astype(np.float32)
    with paths[2].open("wb") as file:
        np.savez(file, **arrays)
    return paths


def test_all_numbers_of_all_runs_stand_in_a_table_with_what_is_beyond_noise(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the rest would be asked for.
    monkeypatch.setattr(run_numbers, "_UNASKED_SECONDS", 600.0)
    app = open_app(*three(dump), page=PAGE)
    assert boxes(app) == []
    frame = app.dataframe[0].value
    assert list(frame.columns)[:5] == ["quantity", "diagnostic", "first (reference)", "second", "third<b>"]
    assert len(frame) > 100
    alignment = frame[(frame["diagnostic"] == "Alignment and uniformity") & frame["quantity"].str.startswith("Align")]
    cells = alignment.iloc[0]
    assert cells["second"].startswith("differs · ")
    assert cells["first (reference)"].startswith("best · ")
    assert cells["noise by"] == "paired"
    judged = frame["times noise"].dropna()
    assert judged.is_monotonic_decreasing
    assert any("differences from first are beyond noise" in str(entry.value) for entry in app.markdown)
    assert "paired, same samples" in texts(app)
    app.toggle(key="only_beyond").set_value(True).run()
    app.segmented_control(key="cells").set_value("differences").run()
    cut = app.dataframe[0].value
    assert 0 < len(cut) < len(judged) + 1
    assert set(cut["first (reference)"]) == {""}
    assert cut["second"].str.contains("differs · [+-]", regex=True).any()


def test_resamples_judge_more_numbers_and_a_link_asks_for_them(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("class_cosines", "data_quality", "label_retrieval", "spectrum")
    monkeypatch.setattr(run_numbers, "compared_diagnostics", lambda: quick)
    monkeypatch.setattr(run_numbers, "NOISE", {"influences": 0, "20 resamples": 20})
    app = open_app(*three(dump), page=PAGE)
    assert boxes(app) == []
    before = app.dataframe[0].value
    assert "resample" in before[before["noise by"] == "no interval"]["why"].str.cat()
    app.selectbox(key="noise").set_value("20 resamples").run()
    assert boxes(app) == []
    after = app.dataframe[0].value
    assert after["times noise"].notna().sum() > before["times noise"].notna().sum()
    assert {"bootstrap", "half-samples"} <= {words.rpartition(", ")[2] for words in after["noise by"]}
    assert "20 resamples, seed 0" in texts(app)
    assert any("resamples=20, seed=0" in element.value for element in app.code)
    again = open_app(*three(dump), page=PAGE, noise="20 resamples")
    assert again.selectbox(key="noise").value == "20 resamples"
    assert again.dataframe[0].value["times noise"].equals(after["times noise"])


def test_long_resampling_asks_first(open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_numbers, "compared_diagnostics", lambda: ("class_cosines", "spectrum"))
    monkeypatch.setattr(run_numbers, "resample_seconds", lambda *about: 90.0)
    app = open_app(*three(dump), page=PAGE, noise="200 resamples")
    assert boxes(app) == []
    assert "200 resamples takes about 90 s" in texts(app)
    assert len(app.dataframe[0].value) > 5


def test_a_number_is_drawn_against_another_and_a_link_restores_the_choice(open_app: OpenApp, dump: Dump) -> None:
    chosen = {"across": "Card: N", "upwards": "Label retrieval: Precision at 1"}
    app = open_app(*three(dump), page=PAGE, compared="One against another", cells="differences")
    assert boxes(app) == []
    assert titles(app)[0].endswith("N = 3 runs: a rank correlation needs 4")
    labels = app.selectbox(key="upwards").options
    assert len(labels) == len(set(labels))
    again = open_app(
        *three(dump), page=PAGE, compared="One against another", across=chosen["across"], upwards=labels[-1],
        reference_run="second",
    )  # fmt: skip
    assert boxes(again) == []
    assert again.segmented_control(key="compared").value == "One against another"
    assert again.selectbox(key="across").value == "card.N"
    assert again.selectbox(key="reference_run").value == "second"
    assert "against N" in titles(again)[0]


def test_every_pair_of_runs_and_the_samples_that_moved_are_shown(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(*three(dump), page=PAGE, compared="How alike", measure="Procrustes similarity", moved_in="third<b>",
                   moved_place="2")  # fmt: skip
    assert boxes(app) == []
    assert any(title.startswith("Procrustes similarity: least ") for title in titles(app))
    assert app.selectbox(key="moved_in").value == "third<b>"
    assert app.number_input(key="moved_place").value == 2
    assert "nearest neighbours**" in texts(app)
    assert "Near in first only" in texts(app)
    assert "Row " in texts(app)


def test_columns_of_long_names_are_headed_by_what_tells_them_apart(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_numbers, "compared_diagnostics", lambda: ("dimension_ranks",))
    names = [f"simclr-resnet50-imagenet100-temperature-0.{digit}-strong" for digit in (1, 5)]
    app = open_app(*(dump(f"{name}.npz") for name in names), page=PAGE)
    assert boxes(app) == []
    columns = json.loads(app.dataframe[0].proto.columns)
    assert columns[f"{names[0]} (reference)"]["label"] == "…0.1… (reference)"
    assert columns[names[1]] | {"label": "…0.5…"} == columns[names[1]]
    assert columns[names[1]]["help"] == names[1]
