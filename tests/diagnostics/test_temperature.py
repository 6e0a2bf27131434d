"""Diagnostics of temperature on sets whose answers are known, and what they find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.result import Finding, Result
from cl_viz.diagnostics._dense import temperature as dense
from cl_viz.diagnostics._running import _with_assumptions
from cl_viz.diagnostics._temperature import batch_draws
from cl_viz.diagnostics._temperature.best_temperatures import DivergenceCurves
from cl_viz.diagnostics._temperature.fewer_anchors import at_most
from cl_viz.diagnostics._temperature.random_directions import effective_negatives
from cl_viz.diagnostics._temperature.row_temperatures import grid
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere
from cl_viz.testing.temperatures import orthogonal_pairs, planted_false_negatives

NAMES = (
    "hardness", "suggested_temperature", "batch_size", "negative_reweighting", "adaptive_temperature",
    "uniformity_tolerance", "individual_temperatures",
)  # fmt: skip


def ask(name: str, target: cl_viz.EmbeddingSet | cl_viz.Run, **params: object) -> Result:
    return cl_viz.diagnose(name, target, params=params)


def levels(target: cl_viz.EmbeddingSet | cl_viz.Run, **card: object) -> dict[str, str]:
    run = target if isinstance(target, cl_viz.Run) else cl_viz.Run.from_set(target, card=card)
    scanner = Scanner()
    return {name: cl_viz.diagnose(name, run, scanner=scanner).level for name in NAMES}


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize(("negatives", "count"), [("cross", 39), ("all", 78)])
def test_known_answers_where_all_negatives_score_alike(temperature: float, negatives: str, count: int) -> None:
    target = orthogonal_pairs(40, 0.6)
    found = ask("hardness", target, temperature=temperature, negative_views=negatives)
    assert found["effective_negatives"].value == pytest.approx(count)
    assert found["effective_sample_size"].value == pytest.approx(count)
    assert found["entropy"].value == pytest.approx(math.log(count))
    assert found["hardest_share"].value == pytest.approx(1 / count)
    signal = count / (count + math.exp(0.6 / temperature))
    assert found["loss"].value == pytest.approx(-math.log(1 - signal))
    assert found["positive_slope"].value == pytest.approx(signal / temperature)
    batch = ask("batch_size", target, temperature=temperature, negative_views=negatives, batch_size=11)
    per_sample = 2 if negatives == "all" else 1
    of_eleven = 10 * per_sample / (10 * per_sample + math.exp(0.6 / temperature))
    assert batch["multiplier"].value == pytest.approx(of_eleven, rel=1e-6)
    assert batch["variation"].value == pytest.approx(0.0, abs=1e-5)
    assert batch["multiplier_of_all"].value == pytest.approx(signal)
    own = ask("individual_temperatures", target, negative_views=negatives, temperature=temperature, rho=0.4)
    assert own["at_smallest"].value == 1.0
    assert own["mean_slope"].value == pytest.approx(0.4)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_known_answers_of_planted_false_negatives(temperature: float) -> None:
    target = planted_false_negatives(6, 10, 0.5)
    own, others = 9 * math.exp(0.5 / temperature), 50
    found = ask("hardness", target, temperature=temperature, negative_views="cross")
    assert found["false_negative_push"].value == pytest.approx(own / (own + others), rel=1e-6)
    assert found["false_negative_push"].reference == pytest.approx(9 / 59)
    tolerance = ask("uniformity_tolerance", target)
    assert tolerance["tolerance"].value == pytest.approx(0.5, rel=1e-9)
    assert tolerance["tolerance_literal"].value == pytest.approx((6 * 90 * 0.5 + 60) / 3600, rel=1e-9)


def test_the_entropy_rises_with_the_temperature_at_the_rate_of_the_variance() -> None:
    """dH / dtau = Var_r(s) / tau^3."""
    target = clusters(200, 16, 4, 0.7)
    _, negative = dense.two_view_negatives(*target.views.values())
    penalty = dense.relative_penalty(negative, 0.2)
    finite = np.where(np.isfinite(negative), negative, 0.0)
    mean = (penalty * finite).sum(axis=1, keepdims=True)
    rate = (penalty * (finite - mean) ** 2).sum(axis=1).mean() / 0.2**3
    low, high = (ask("hardness", target, negative_views="all", temperature=t)["entropy"].value for t in (0.199, 0.201))
    assert (high - low) / 0.002 == pytest.approx(rate, rel=0.01)
    assert high > low


@pytest.mark.parametrize(("dim", "count"), [(8, 200), (64, 1000)])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_the_null_is_that_of_drawn_directions(dim: int, count: int, temperature: float) -> None:
    anchor = np.eye(1, dim)[0]
    drawn = []
    for seed in range(200):
        penalty = dense.relative_penalty((sphere(count, dim, seed) @ anchor)[None], temperature)
        drawn.append(float(np.exp(dense.entropy(penalty))[0]))
    null = float(effective_negatives(dim, count, np.array([temperature]))[0])
    # Where a handful of negatives takes the push, the typical anchor has fewer than the mean of all.
    assert null == pytest.approx(np.mean(drawn), rel=0.25 if null < 10 else 0.05)


@pytest.mark.parametrize(("n", "dim"), [(40, 4), (200, 8), (300, 64), (150, 512), (600, 3)])
def test_nothing_is_bad_on_uniform_spheres(n: int, dim: int) -> None:
    for target in (paired_sphere(n, dim, 0.9, classes=5), paired_sphere(n, dim, 0.3, classes=2)):
        found = levels(target, temperature=0.2, batch_size=64)
        assert "bad" not in found.values(), found
        assert found["uniformity_tolerance"] == "good"


def test_a_temperature_too_low_or_too_high_is_found_and_one_between_is_not() -> None:
    target = clusters(400, 32, 8, 1.2, seed=1)
    suggestion = ask("suggested_temperature", target)
    low, high = suggestion["low"].value, suggestion["high"].value
    assert low is not None
    assert high is not None
    assert low < high
    between = math.sqrt(low * high)
    for temperature, level in ((low / 2, "watch"), (between, "good"), (high * 2, "watch")):
        run = cl_viz.Run.from_set(target, card={"temperature": temperature})
        found = cl_viz.diagnose("suggested_temperature", run)
        assert found.level == level, temperature
        if level == "watch":
            side = "below" if temperature < low else "above"
            assert side in found.findings[0].message
    assert suggestion["for_labels"].value is not None
    assert low == max(suggestion[name].value for name in ("for_negatives", "for_labels", "for_signal"))
    assert high == suggestion["for_hardness"].value


def test_each_limit_is_where_the_dense_curve_crosses_it() -> None:
    target = clusters(200, 32, 8, 1.2, seed=1)
    found = ask("suggested_temperature", target, negative_views="all", fewest_negatives=20.0, most_even=0.8)
    positive, negative = dense.two_view_negatives(*target.views.values())
    at = found["for_negatives"].value
    size = dense.effective_sample_size(dense.relative_penalty(negative, at)).mean()
    assert size == pytest.approx(20, rel=1e-3)
    penalty = dense.relative_penalty(negative, found["for_hardness"].value)
    assert (np.exp(dense.entropy(penalty)) / 398).mean() == pytest.approx(0.8, rel=1e-3)
    labels = np.tile(target.role("label"), 2)
    same = labels[:, None] == labels[None]
    push = (dense.relative_penalty(negative, found["for_labels"].value) * same).sum(axis=1).mean()
    chance = (same & np.isfinite(negative)).sum() / np.isfinite(negative).sum()
    assert (push - chance) / (1 - chance) == pytest.approx(0.5, rel=1e-3)
    signal = dense.npc_multiplier(positive, negative, found["for_signal"].value).mean()
    assert signal == pytest.approx(0.5, rel=1e-3)


def test_a_collapsed_run_is_told_to_mend_the_collapse() -> None:
    target = collapsed(200, 16, 1e-4)
    found = ask("hardness", target)
    assert found.level == "watch"
    assert "collapse" in found.findings[0].advice
    assert "collapse" in ask("suggested_temperature", target).findings[0].advice
    labelled = cl_viz.EmbeddingSet.from_arrays(dict(target.views), label=np.arange(200) % 4)
    assert ask("uniformity_tolerance", labelled).level == "bad"


def test_a_small_batch_at_a_low_temperature_is_found() -> None:
    target = paired_sphere(400, 32, 0.9)
    small = ask("batch_size", target, temperature=0.2, batch_size=4)
    assert small.level == "watch"
    large = ask("batch_size", target, temperature=0.2, batch_size=400)
    assert large.level == "good"
    assert small["multiplier"].value < small["multiplier_of_twice"].value < large["multiplier"].value


@pytest.mark.parametrize(("negatives", "mean", "variation"), [("cross", 2e-3, 0.02), ("all", 5e-3, 0.2)])
def test_batches_too_large_to_draw_are_what_drawn_ones_come_to(
    negatives: str, mean: float, variation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly across views; where both views of a sample come together, the variation is a little larger."""
    target, generator = clusters(300, 16, 6, 0.3), np.random.default_rng(4)
    monkeypatch.setattr(batch_draws, "POOL", 40)
    first, second = (view / np.linalg.norm(view, axis=1, keepdims=True) for view in target.views.values())
    for temperature in (0.05, 0.2):
        found = ask("batch_size", target, temperature=temperature, negative_views=negatives, batch_size=100)
        drawn = []
        for own, other in ((first, second), (second, first)):
            mass = np.exp(own @ other.T / temperature) + (negatives == "all") * np.exp(own @ own.T / temperature)
            positive = np.exp((own * other).sum(axis=1) / temperature)
            np.fill_diagonal(mass, 0.0)
            for _ in range(60):
                keys = generator.random(mass.shape)
                np.fill_diagonal(keys, 2.0)
                others = np.argpartition(keys, 98, axis=1)[:, :99]
                rest = np.take_along_axis(mass, others, axis=1).sum(axis=1)
                drawn.append(rest / (rest + positive))
        assert found["multiplier"].value == pytest.approx(np.mean(drawn), rel=mean)
        assert found["variation"].value == pytest.approx(np.std(drawn) / np.mean(drawn), rel=variation)
    told = next(note for note in found.caveats.notes if note.startswith("batches between 40"))
    assert ("one by one" in told) == (negatives == "all")


def test_a_batch_of_all_samples_is_not_said_to_be_doubled() -> None:
    target = paired_sphere(60, 16, 0.99)
    (told,) = ask("batch_size", target, temperature=0.1, batch_size=256).findings
    assert told.level == "watch"
    assert "At batch size 60 " in told.message
    assert "in one of" not in told.message
    assert "oubling" not in told.advice
    (told,) = ask("batch_size", target, temperature=0.1, batch_size=30).findings
    assert "in one of 60" in told.message


def test_clamping_is_a_what_if_unless_the_loss_has_a_class_prior() -> None:
    target = paired_sphere(200, 32, 0.9)

    def told(loss: str, prior: float) -> Finding:
        run = cl_viz.Run.from_set(target, card={"loss": loss})
        params = {"temperature": 0.05, "class_prior": prior}
        (finding,) = cl_viz.diagnose("negative_reweighting", run, params=params).findings
        return finding

    assert told("debiased", 0.5).level == "bad"
    assert told("debiased", 0.5).message.startswith("With class prior 0.5")
    for prior, level in ((0.5, "watch"), (0.0, "good")):
        what_if = told("ntxent", prior)
        assert what_if.level == level
        assert what_if.message.startswith(f"If trained with class prior {prior:g}")
        assert "would be clamped at" in what_if.message


def test_the_push_on_false_negatives_says_among_which_negatives() -> None:
    target = clusters(60, 8, 3, 0.5)
    for negatives, where in (("cross", "negatives across views"), ("all", "negatives across and within views")):
        hardness = ask("hardness", target, negative_views=negatives)
        assert where in hardness.views["false_negatives"].title
        scores = ask("score_distribution", target, negatives=negatives)
        assert where in scores.views["false_negatives"].title
        (told,) = [finding for finding in scores.findings if finding.quantity == "false_negative_push"]
        assert where in told.message
    assert hardness["false_negative_push"].label != scores["false_negative_push"].label


def test_the_run_card_chooses_temperature_batch_size_and_negatives() -> None:
    target = clusters(80, 8, 4, 0.5)
    run = cl_viz.Run.from_set(target, card={"temperature": 0.3, "batch_size": 16, "loss": "clip"})
    found = cl_viz.diagnose("batch_size", run)
    assert (found.params["temperature"], found.params["batch_size"]) == (0.3, 16)
    assert any("79 an anchor" in line for line in found.caveats.lines())
    known = cl_viz.Run.from_set(target, card={"loss": "ntxent"})
    assert any("158 an anchor" in line for line in cl_viz.diagnose("hardness", known).caveats.lines())


def test_captions_have_negatives_across_views_and_one_partner_in_a_batch() -> None:
    image, text = sphere(60, 16, 1), np.repeat(sphere(60, 16, 1), 2, axis=0)
    pairs = np.stack([np.repeat(np.arange(60), 2), np.arange(120)], axis=1)
    target = cl_viz.EmbeddingSet.from_arrays({"image": image, "text": text}, pairs=pairs)
    found = ask("batch_size", target, temperature=0.2, batch_size=8)
    generator, means = np.random.default_rng(0), []
    for _ in range(400):
        rows = generator.permutation(60)[:8]
        means.append(dense.npc_multiplier(*dense.cross_negatives(image[rows], image[rows]), 0.2).mean())
    assert found["multiplier"].value == pytest.approx(np.mean(means), abs=0.01)
    assert any("across views" in line for line in found.caveats.lines())


def test_one_view_answers_what_needs_no_positive_and_says_what_to_add() -> None:
    target = cl_viz.EmbeddingSet.from_arrays(sphere(50, 8), label=np.arange(50) % 5)
    found = ask("hardness", target)
    assert found["effective_negatives"].value is not None
    assert "second view" in found["loss"].missing
    assert "loss" not in found.views
    for name in ("batch_size", "negative_reweighting", "adaptive_temperature"):
        missing = ask(name, target)
        assert missing.level == "unknown"
        assert "second view" in missing.findings[0].advice
    unlabelled = cl_viz.EmbeddingSet.from_arrays(sphere(50, 8))
    assert "label" in ask("hardness", unlabelled)["false_negative_push"].missing
    assert "label" in ask("uniformity_tolerance", unlabelled).findings[0].advice


@pytest.mark.parametrize("every_row", [False, True])
def test_every_row_and_the_anchors_agree(every_row: bool) -> None:
    target = clusters(150, 16, 5, 0.6, seed=3)
    _, negative = dense.two_view_negatives(*target.views.values())
    expected = dense.individual_temperatures(negative, 0.5, 0.05, 1.0)
    params = {"rho": 0.5, "negative_views": "all", "every_row": every_row}
    scanner = Scanner(anchors=40)
    found = cl_viz.diagnose("individual_temperatures", target, params=params, scanner=scanner)
    assert found["median_temperature"].n == (300 if every_row else 80)
    tolerance = 1e-3 if every_row else 0.06
    assert found["median_temperature"].value == pytest.approx(np.median(expected), rel=tolerance)
    table = found.views["lowest"].columns
    np.testing.assert_allclose(table["temperature"], expected[table["row"]], rtol=1e-3 if every_row else 6e-3)


def test_a_rho_beyond_the_logarithm_of_the_negatives_sends_all_to_the_lower_end() -> None:
    target = clusters(60, 8, 3, 0.5)
    found = ask("individual_temperatures", target, rho=6.0)
    assert found["log_negatives"].value < 6.0
    assert found["at_smallest"].value == 1.0
    assert "log M" in found.findings[0].advice
    run = cl_viz.Run.from_set(target, card={"loss": "sogclr"})
    assert cl_viz.diagnose("individual_temperatures", run, params={"rho": 6.0}).level == "watch"


def test_frequent_kinds_choose_higher_temperatures_than_outliers() -> None:
    crowd = clusters(180, 16, 1, 0.4, seed=1).views["view_1"]
    rows = np.concatenate([crowd, sphere(20, 16, seed=2)])
    label = np.repeat(["crowd", "outlier"], [180, 20])
    target = cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows + 0.01 * sphere(200, 16, 3)}, label=label)
    found = ask("individual_temperatures", target, rho=0.2)
    bars = found.views["by_label"].series[0]
    assert list(bars.x) != []
    assert dict(zip(bars.x, bars.y, strict=True))["crowd"] != dict(zip(bars.x, bars.y, strict=True))["outlier"]


def test_a_range_turned_round_is_refused() -> None:
    with pytest.raises(InputError, match="not below"):
        ask("individual_temperatures", paired_sphere(20, 5, 0.5), smallest=1.0, largest=0.5)


@pytest.mark.parametrize(("smallest", "largest"), [(0.005, 5.0), (0.05, 1.0), (0.005, 0.1), (1.0, 5.0)])
def test_the_grid_holds_the_range(smallest: float, largest: float) -> None:
    found = grid(smallest, largest)
    assert found[0] <= smallest
    assert found[-1] >= largest
    assert len(found) >= 4


def test_rows_without_negatives_have_no_temperature() -> None:
    temperatures = grid(0.05, 1.0)
    divergences = np.stack([0.02 / temperatures**2, np.full(len(temperatures), np.nan), 0 * temperatures], axis=1)
    found = DivergenceCurves(temperatures, divergences).best(0.5, 0.05, 1.0)
    assert found[0] == pytest.approx(0.2, rel=1e-6)
    assert math.isnan(found[1])
    assert found[2] == 0.05


def test_fewer_anchors_answer_as_they_did_among_all() -> None:
    target = clusters(90, 8, 3, 0.5)
    whole = Scanner().statistics(target).anchors["view_1"]
    few = at_most(whole, 17)
    assert at_most(whole, 90) is whole
    roles = PairRoles("views", "all")
    kept = np.searchsorted(whole.rows, few.rows)
    for question in (AnchorQueries.entropy, AnchorQueries.loss, AnchorQueries.false_negative_mass):
        every, some = (question(AnchorQueries.of(sketch, roles), [0.1])[0] for sketch in (whole, few))
        # Sums over the grid are products of matrices in float32, rounded as their shape has it.
        np.testing.assert_allclose(some, every[kept], rtol=1e-6)
    np.testing.assert_array_equal(few.positive_rank(roles), whole.positive_rank(roles)[kept])


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100.0))
def test_order_rotation_and_scale_do_not_matter(seed: int, scale: float) -> None:
    target = clusters(40, 6, 4, 0.6, seed=2)
    generator = np.random.default_rng(seed)
    order, rotation = generator.permutation(40), np.linalg.qr(generator.normal(size=(6, 6)))[0]
    moved = cl_viz.EmbeddingSet.from_arrays(
        {view: scale * array[order] @ rotation for view, array in target.views.items()},
        label=target.role("label")[order],
    )
    for name in NAMES:
        if name == "batch_size":
            continue  # Its batches are drawn in the order of the rows.
        first, second = ask(name, target), ask(name, moved)
        for key, quantity in first.quantities.items():
            expected = quantity.value if quantity.value is None else pytest.approx(quantity.value, rel=5e-3, abs=2e-3)
            assert second[key].value == expected, (name, key)


@pytest.mark.slow
def test_the_interval_of_the_tolerance_covers_as_often_as_it_says() -> None:
    def draw(n: int, seed: int) -> Result:
        generator = np.random.default_rng(seed)
        label = generator.integers(0, 4, n)
        rows = np.eye(4, 8)[label] + 0.4 * generator.normal(size=(n, 8))
        views = {"a": rows, "b": rows + 0.2 * generator.normal(size=rows.shape)}
        return ask("uniformity_tolerance", cl_viz.EmbeddingSet.from_arrays(views, label=label))

    truth = np.mean([draw(2000, 9000 + seed)["tolerance"].value for seed in range(5)])
    covered = 0
    for seed in range(200):
        interval = draw(80, seed)["tolerance"].interval
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / 200 < 0.995


def test_uniformity_and_tolerance_over_training() -> None:
    label = np.arange(60) % 3
    steps = {}
    for step, spread in ((0, 0.02), (10, 0.5), (100, 2.0)):
        rows = 1.0 + spread * clusters(60, 8, 3, 0.3).views["view_1"]
        steps[cl_viz.Snapshot(step, "projector")] = cl_viz.EmbeddingSet.from_arrays(
            {"a": rows, "b": rows + 0.01}, label=label
        )
    found = cl_viz.diagnose("uniformity_tolerance_curves", cl_viz.Run("trained", steps))
    uniformity = found.views["uniformity"].series[0].y
    assert list(found.views["path"].series[0].x) == list(uniformity)
    assert uniformity[0] < uniformity[1] < uniformity[2]
    assert found["uniformity"].value == pytest.approx(-uniformity[-1])
    assert found.level == "watch"
    backwards = dict(zip(steps, reversed(steps.values()), strict=True))
    (told,) = cl_viz.diagnose("uniformity_tolerance_curves", cl_viz.Run("collapsing", backwards)).findings
    assert told.level == "bad"
    assert "uniformity first" in told.advice


@pytest.mark.parametrize("name", ["score_distribution", "hardness", "modality_gap"])
def test_a_temperature_that_no_card_gives_is_the_same_everywhere_and_called_assumed(
    name: str, labelled_set: cl_viz.EmbeddingSet
) -> None:
    said = "temperature 0.1 is assumed: the run's card has none"
    found = cl_viz.diagnose(name, labelled_set)
    assert said in found.caveats.notes
    named = [finding.message for finding in found.findings if "temperature 0.1" in finding.message]
    assert all("temperature 0.1 (assumed) " in message for message in named)
    assert named or name == "modality_gap"
    for card in ({"temperature": 0.1}, {"temperature": 0.15}):
        own = cl_viz.diagnose(name, cl_viz.Run.from_set(labelled_set, card=card))
        assert said not in own.caveats.notes
        assert not any("assumed" in finding.message for finding in own.findings)


def test_figures_say_the_n_that_their_findings_say(labelled_set: cl_viz.EmbeddingSet) -> None:
    for name in ("batch_size", "hardness", "negative_reweighting", "individual_temperatures"):
        found = cl_viz.diagnose(name, labelled_set)
        stated = {quantity.n for quantity in found.quantities.values()} | {found.caveats.n_used}
        assert {view.n for view in found.views.values()} <= stated


@pytest.mark.parametrize(
    ("message", "marked"),
    [
        ("At batch size 256 and so on.", "At batch size 256 (assumed) and so on."),
        ("At batch size 256.", "At batch size 256 (assumed)."),
        ("At batch size 256,000.", "At batch size 256,000."),
        ("At batch size 2560 or 256.5.", "At batch size 2560 or 256.5."),
    ],
)
def test_only_the_very_number_is_marked_as_assumed(message: str, marked: str) -> None:
    assert _with_assumptions(Finding("batch_size", "good", message), ["batch size 256"]).message == marked
