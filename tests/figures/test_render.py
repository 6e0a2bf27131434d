"""Every kind of view becomes a figure with titles, units, ranges and colours of the theme."""

import json
from dataclasses import replace

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.result import Caveats, Quantity, Result
from cl_viz.core.view import (
    Axis,
    Bars,
    Heatmap,
    Histogram,
    Lines,
    PointMap,
    Reference,
    Scatter,
    Series,
    Table,
    View,
    overlay,
    told,
)
from cl_viz.figures import compare, csv_text, python_lines, render
from cl_viz.figures.heatmap import tallest

SCORE = Axis("Score", "cosine", (-1.0, 1.0))
EDGES = np.linspace(-1, 1, 41)
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2


def bump(centre: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-(((MIDDLES - centre) / 0.15) ** 2))


def histogram(run: str = "a", height: float = 1.0) -> Histogram:
    return Histogram(
        "Overlap 3.1 %",
        SCORE,
        Axis("Density", "per unit"),
        (
            Series("positives", EDGES, bump(0.8, height), "positive", run),
            Series("negatives", EDGES, bump(0.0, 0.8 * height), "negative", run),
            Series("random directions", EDGES, bump(0.1, 0.5), "reference", run),
        ),
        (Reference("threshold", 0.5),),
    )


X = np.arange(5.0)
VIEWS: dict[str, View] = {
    "histogram": histogram(),
    "lines": Lines("Up", Axis("Step", "steps"), SCORE, (Series("mean", X, X / 5, "positive", "a", X / 6, X / 4, n=9),)),
    "bars": Bars("Ten", Axis("Class"), Axis("Rows"), (Series("rows", np.array(["x", "y"]), np.array([1, 2])),)),
    "scatter": Scatter("Cloud", Axis("x"), Axis("y"), (Series("points", X, X),)),
    "heatmap": Heatmap("C", Axis("to"), Axis("from"), np.eye(2), ("r1", "r2"), ("c1", "c2"), SCORE, centre=0.0),
    "map": PointMap("Near", np.eye(3)[:, :2], np.arange(3), np.array(["a", "b", "a"]), Axis("label")),
    "table": Table("Rows", {"row": np.arange(3), "text": np.array(["a", "b", "c"])}),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", list(VIEWS))
def test_every_kind_is_drawn_with_its_title(kind: str, theme: str) -> None:
    view = VIEWS[kind]
    figure = json.loads(render(view, theme).to_json())  # type: ignore[arg-type]
    assert figure["layout"]["title"]["text"] == view.title
    assert figure["data"]
    if not isinstance(view, Table | PointMap):
        assert figure["layout"]["xaxis"]["title"]["text"] == view.x.title
        assert figure["layout"]["yaxis"]["title"]["text"] == view.y.title


def test_axes_keep_their_fixed_range() -> None:
    assert tuple(render(histogram()).layout.xaxis.range) == (-1.0, 1.0)


def test_numbers_travel_as_compact_arrays_not_as_lists() -> None:
    figure = render(VIEWS["histogram"])
    assert {trace.x.dtype for trace in figure.data} == {np.dtype(np.float32)}
    sent = json.loads(figure.to_json())
    assert all(set(trace["y"]) == {"dtype", "bdata"} for trace in sent["data"])


def test_one_run_is_coloured_by_meaning_and_labelled_on_the_curves() -> None:
    figure = render(histogram())
    by_name = {trace.name: trace.line for trace in figure.data}
    assert by_name["positives"].color == "#0072b2"
    assert by_name["random directions"].dash == "dash"
    assert figure.layout.showlegend is False
    assert {"positives", "negatives", "random directions"} <= {note.text for note in figure.layout.annotations}


def test_labels_do_not_touch_each_other() -> None:
    figure = render(histogram())
    notes = [note for note in figure.layout.annotations if note.text != "threshold"]
    spots = {(round(note.x, 3), round(note.y, 3), note.xanchor) for note in notes}
    assert len(spots) == len(notes)


def test_curves_on_top_of_each_other_get_a_legend() -> None:
    same = tuple(Series(f"a rather long name {i}", EDGES, bump(0.0), "other", "a") for i in range(4))
    many = Histogram("t", SCORE, Axis("Density"), same + same)
    assert render(many).layout.showlegend is not False


def test_several_runs_are_coloured_by_run_and_styled_by_meaning() -> None:
    view = overlay([histogram("a"), histogram("b")], "Both")
    figure = render(view, run_colours={"a": 3, "b": 0})
    positives = [trace for trace in figure.data if "positives" in (trace.hovertemplate or "")]
    assert [trace.line.color for trace in positives] == ["#c56fa0", "#0072b2"]
    assert {trace.line.dash for trace in positives} == {"solid"}
    named = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert named.count("a") == 1
    assert named.count("b") == 1
    assert {"positives", "negatives"} <= set(named)


def test_colour_of_a_run_does_not_depend_on_its_place() -> None:
    view = overlay([histogram("a"), histogram("b")], "Both")
    turned = overlay([histogram("b"), histogram("a")], "Both")
    colours = {"a": 0, "b": 1}

    def colour_of(shown: View, run: str) -> str:
        return next(t.line.color for t in render(shown, run_colours=colours).data if t.name == run)

    assert colour_of(view, "b") == colour_of(turned, "b")


def test_a_run_that_towers_over_the_others_does_not_flatten_them_and_says_so() -> None:
    view = overlay([histogram("a"), histogram("b", 1.2), histogram("tower", 60)], "Three")
    figure = render(view)
    assert figure.layout.yaxis.range[1] < 2
    assert any("tower goes up to" in note.text for note in figure.layout.annotations)


LEVELS = (("one", 0.2), ("two", 0.8))


def test_a_logarithmic_axis_leaves_empty_bins_out() -> None:
    figure = render(histogram(), log_y=True)
    assert figure.layout.yaxis.type == "log"
    assert not any((trace.y == 0).any() for trace in figure.data)


def test_texts_stand_at_their_value_on_a_logarithmic_axis() -> None:
    x = Axis("Temperature", log=True, range=(0.01, 10.0))
    series = tuple(Series(name, np.array([0.01, 1.0]), np.array([low, low]), "other", "a") for name, low in LEVELS)
    view = Lines("Curves", x, Axis("Share", range=(0.0, 1.0)), series, (Reference("here", 0.1),))
    figure = render(view)
    assert {note.text: note.x for note in figure.layout.annotations} == {"one": 0.0, "two": 0.0, "here": -1.0}
    assert figure.layout.shapes[0].x0 == 0.1


def test_a_number_in_a_cell_that_rounds_to_zero_has_no_sign() -> None:
    values = np.array([[-0.001, 0.001], [-0.006, 1.0]])
    view = Heatmap("C", Axis("to"), Axis("from"), values, ("r1", "r2"), ("c1", "c2"), SCORE, centre=0.0)
    texts = [text for trace in render(view).data[1:] for text in trace.text]
    assert sorted(texts) == ["-0.01", "0.00", "0.00", "1.00"]


def test_few_rows_are_not_stretched() -> None:
    one_row = Heatmap("C", Axis("to"), Axis("from"), np.eye(1, 3), ("r",), ("a", "b", "c"), SCORE, centre=0.0)
    view = VIEWS["heatmap"]
    assert isinstance(view, Heatmap)
    assert tallest(one_row) < tallest(view) < 370


def test_a_diverging_scale_is_symmetric_around_its_centre() -> None:
    heatmap = render(VIEWS["heatmap"]).data[0]
    assert heatmap.zmin == -heatmap.zmax


def test_many_points_are_drawn_by_the_graphics_card() -> None:
    x = np.linspace(0, 1, 5000)
    cloud = Scatter("Cloud", Axis("x"), Axis("y"), (Series("points", x, x),))
    assert render(cloud).data[0].type == "scattergl"
    assert render(VIEWS["scatter"]).data[0].type == "scatter"


def test_markup_in_names_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script><b>x</b>"
    view = Lines(
        evil, Axis(evil), Axis(evil), (Series(evil, X, X, "other", evil), Series("b", X, X + 1, "other", evil))
    )
    sent = render(view).to_json()
    assert "<script" not in sent.replace("\\u003c", "<")
    assert "<b>" not in sent.replace("\\u003c", "<")
    assert "&lt;b&gt;" in sent.replace("\\u0026", "&")


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(InputError, match="light, dark"):
        render(histogram(), "sepia")  # type: ignore[arg-type]


def result(run: str, auc: float) -> Result:
    quantity = Quantity("auc", "AUC", auc, n=10)
    return Result(
        "d", run, {"auc": quantity}, {"h": histogram(run), "t": VIEWS["table"]}, (), Caveats(10, 0, 3, ("v",))
    )


def test_a_comparison_says_how_far_the_runs_are_apart() -> None:
    view = compare([result("a", 0.9), result("b", 0.7), result("c", 0.8)], "h", "auc")
    assert view.title == "AUC from 0.700 (b) to 0.900 (a), N = 10"
    unlike = [result("a", 0.9), replace(result("b", 0.7), quantities={"auc": Quantity("auc", "AUC", 0.7, n=1200)})]
    assert compare(unlike, "h", "auc").title == "AUC from 0.700 (b, N = 1,200) to 0.900 (a, N = 10)"
    assert compare([result("a", 0.9), result("b", 0.9)], "h", "auc").title == "AUC: 0.900 in both runs, N = 10"


def test_a_figure_of_one_run_tells_its_n_once() -> None:
    found = result("a", 0.9)
    for view in found.views.values():
        assert render(view).layout.title.text == f"{view.title}, N = 10"
    own = replace(found.views["h"], title="Overlap 3 % (N = 12 anchors)")
    assert render(own).layout.title.text == own.title
    few = replace(histogram(), series=tuple(replace(entry, n=4) for entry in histogram().series))
    assert told(replace(found, views={"h": few}).views["h"]) == f"{few.title}, N = 4"


def test_a_comparison_of_no_number_says_what_the_figure_found_on_each_run() -> None:
    runs = [result(name, 0.5) for name in "abcd"]
    for found in runs:
        found.views["h"] = replace(found.views["h"], title=f"what {found.run} found")  # type: ignore[index]
    for quantity in ("", "not there"):
        assert compare(runs[:2], "h", quantity).title == "a: what a found; b: what b found; N = 10"
    fewer = replace(runs[1], views={"h": replace(runs[1].views["h"], n=7)})
    assert compare([runs[0], fewer], "h").title == "a: what a found, N = 10; b: what b found, N = 7"
    first = runs[0].views["h"]
    assert compare(runs, "h").title == f"{first.y.label} against {first.x.label} in all 4 runs, N = 10"  # type: ignore[union-attr]
    alike = [replace(found, views={"h": first}) for found in runs[:2]]
    assert compare(alike, "h").title == "what a found in both runs, N = 10"


def test_a_comparison_of_one_run_is_its_own_view() -> None:
    only = result("a", 0.9)
    assert compare([only], "h") is only.views["h"]


def test_a_shared_reference_is_drawn_once() -> None:
    view = compare([result("a", 0.9), result("b", 0.7)], "h", "auc")
    assert isinstance(view, Histogram)
    assert [series.name for series in view.series].count("random directions") == 1


def test_a_view_that_no_run_has_is_said_to_be_missing() -> None:
    with pytest.raises(MissingInputError, match="no run has"):
        compare([result("a", 0.9)], "nothing")


def test_csv_holds_every_bin_of_every_series() -> None:
    lines = csv_text(histogram()).splitlines()
    assert lines[0] == "run,series,x_low,x_high,y,low,high"
    assert len(lines) == 1 + 3 * 40
    assert csv_text(VIEWS["table"]).splitlines()[:2] == ["row,text", "0,a"]
    assert csv_text(VIEWS["heatmap"]).splitlines()[1] == "r1,c1,1.0"


@pytest.mark.parametrize("count", [1, 2])
def test_the_python_lines_make_the_same_figure(count: int) -> None:
    """What the page shows and what a notebook makes from its three lines are the same JSON."""
    random = np.random.default_rng(0)
    sets = [
        cl_viz.EmbeddingSet.from_arrays(
            {"one": random.normal(size=(30, 4)), "two": random.normal(size=(30, 4))}, name=f"set-{index}"
        )
        for index in range(count)
    ]
    params = {"bins": 50}
    results = [cl_viz.diagnose("score_distribution", one, params=params) for one in sets]
    colours = {one.name: 2 - index for index, one in enumerate(sets)}
    on_page = render(compare(results, "distribution", "auc"), "dark", run_colours=colours, log_y=True)
    lines = python_lines(
        "score_distribution",
        [f"sets[{index}]" for index in range(count)],
        "distribution",
        quantity="auc",
        params=params,
        theme="dark",
        run_colours=colours,
        log_y=True,
    )
    setup, middle, last = lines.splitlines()
    names: dict[str, object] = {"sets": sets}
    exec(f"{setup}\n{middle}\nfigure = {last}", names)
    assert names["figure"].to_json() == on_page.to_json()  # type: ignore[attr-defined]
