"""Every bundled run shows what it is there to show, on embeddings of the committed checkpoints."""

import numpy as np
import pytest

from cl_viz.encoders import open_run, sample_folder
from sample_models.harm import representation_harm
from sample_models.recipes import FAMILY_SEEDS, RARE_DIGIT
from tests.sample_models import plain_measures as plain


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """Return (view 1, view 2, columns) of a run's last step."""
    opened = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL_VIZ_CACHE", str(tmp_path_factory.mktemp("cache")))

        def get(name, layer="projector", step=None):
            if name not in opened:
                opened[name] = open_run(sample_folder() / "runs" / name)
            found = opened[name].get(step, layer)
            return (*found.views.values(), found.columns())

        yield get


def _neighbours(views, name, layer="projector", column="digit"):
    first, _, columns = views(name, layer)
    return plain.neighbour_accuracy(first, columns[column])


def test_healthy_positives_stand_apart_and_digits_are_found(views):
    first, second, columns = views("mnist-healthy")
    positives = (plain.unit(first) * plain.unit(second)).sum(axis=1)
    assert np.median(positives) > np.quantile(plain.scores(first), 0.99)
    assert plain.neighbour_accuracy(first, columns["digit"]) > 0.82
    assert plain.uniformity(first) < -3.2
    assert plain.effective_rank(first) > 20


def test_training_improves_on_the_untrained_encoder(views):
    untrained, _, columns = views("mnist-healthy", step=0)
    trained, _, _ = views("mnist-healthy")
    assert plain.uniformity(untrained) > -1
    gain = plain.neighbour_accuracy(trained, columns["digit"]) - plain.neighbour_accuracy(untrained, columns["digit"])
    assert gain > 0.15


def test_temperature_sets_how_many_negatives_count(views):
    counted = {}
    for name, temperature in {"low-temperature": 0.03, "healthy": 0.2, "high-temperature": 2.0}.items():
        first, second, _ = views(f"mnist-{name}")
        counted[name] = plain.effective_negatives(first, second, temperature)
    assert counted["low-temperature"] < 20
    assert 100 < counted["healthy"] < 600
    assert counted["high-temperature"] > 900


def test_a_high_temperature_is_tolerant_and_a_low_one_uniform(views):
    low, _, columns = views("mnist-low-temperature")
    high, _, _ = views("mnist-high-temperature")
    assert plain.tolerance(low, columns["digit"]) < plain.tolerance(high, columns["digit"]) - 0.15
    assert plain.uniformity(low) < plain.uniformity(high) - 0.4


@pytest.mark.parametrize("name", ["mnist-low-temperature", "mnist-high-temperature"])
def test_both_temperatures_are_worse_than_the_healthy_one(views, name):
    healthy, _, _ = views("mnist-healthy")
    first, _, _ = views(name)
    assert plain.uniformity(first) > plain.uniformity(healthy) + 0.2
    assert _neighbours(views, name) < _neighbours(views, "mnist-healthy")


def test_decoupling_aligns_better_in_a_small_batch_and_loses_nothing(views):
    coupled, decoupled = (views(f"mnist-small-batch-{loss}") for loss in ("infonce", "dcl"))
    assert plain.alignment(*decoupled[:2]) < plain.alignment(*coupled[:2]) - 0.02
    digits = coupled[2]["digit"]
    assert plain.neighbour_accuracy(decoupled[0], digits) > plain.neighbour_accuracy(coupled[0], digits)


def test_complete_collapse_has_one_direction(views):
    first, second, _ = views("mnist-complete-collapse")
    assert plain.scores(first).mean() > 0.999
    assert plain.scores(first).min() > 0.99
    assert plain.alignment(first, second) < 1e-3
    assert plain.uniformity(first) > -1e-3


def test_dimensional_collapse_has_a_cliff_in_its_spectrum(views):
    collapsed, _, _ = views("mnist-dimensional-collapse")
    healthy, _, _ = views("mnist-healthy")
    values = plain.spectrum(collapsed)
    fall = values[2:12] / values[:10]
    assert fall.min() < 0.1
    assert 3 <= np.argmin(fall) + 1 <= 8
    assert np.square(values[:7]).sum() > 0.99 * np.square(values).sum()
    assert (plain.spectrum(healthy)[2:12] / plain.spectrum(healthy)[:10]).min() > 0.7
    assert plain.effective_rank(collapsed) < 0.4 * plain.effective_rank(healthy)
    assert plain.scores(collapsed).mean() < 0.05


def test_supervision_on_parity_runs_the_digits_together(views):
    parity, _, columns = views("mnist-supervised-parity")
    healthy, _, _ = views("mnist-healthy")
    classes, digits = columns["parity"], columns["digit"]
    assert plain.neighbour_accuracy(parity, classes) > plain.neighbour_accuracy(healthy, classes) + 0.02
    assert plain.neighbour_accuracy(parity, digits) < plain.neighbour_accuracy(healthy, digits) - 0.12
    assert plain.within_share(parity, classes, digits) < 0.3 * plain.within_share(healthy, classes, digits)


def test_parity_is_the_label_and_the_digit_its_subclass():
    run = open_run(sample_folder() / "runs" / "mnist-supervised-parity")
    assert dict(run.get().roles) == {"image": "image", "label": "parity", "subclass": "digit"}


@pytest.mark.parametrize("layer", ["projector", "backbone"])
def test_colour_hides_the_digit(views, layer):
    assert _neighbours(views, "mnist-colour-shortcut", layer, "colour") > 0.6
    assert _neighbours(views, "mnist-colour-shortcut", layer) < 0.2
    assert _neighbours(views, "mnist-healthy", layer) > 0.8


def test_colour_says_nothing_of_the_digit(views):
    _, _, columns = views("mnist-colour-shortcut")
    table = np.array([np.bincount(columns["digit"][columns["colour"] == hue], minlength=10) for hue in
                      np.unique(columns["colour"])])  # fmt: skip
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi_square = (np.square(table - expected) / expected).sum()
    assert table.shape == (6, 10)
    assert chi_square < 80  # 45 degrees of freedom: the 99.9 % quantile


def test_two_towers_match_across_a_gap(views):
    images, texts, columns = views("mnist-two-towers")
    gap = np.linalg.norm(plain.unit(images).mean(axis=0) - plain.unit(texts).mean(axis=0))
    healthy = views("mnist-healthy")
    none = np.linalg.norm(plain.unit(healthy[0]).mean(axis=0) - plain.unit(healthy[1]).mean(axis=0))
    assert gap > 0.3
    assert none < 0.05
    scores = plain.unit(images) @ plain.unit(texts).T
    digits = columns["digit"]
    assert (digits[scores.argmax(axis=1)] == digits).mean() > 0.6
    # Any image is nearer to most images than its own caption would let one think: modalities are separable.
    centre = plain.unit(images).mean(axis=0) - plain.unit(texts).mean(axis=0)
    middle = (plain.unit(images).mean(axis=0) + plain.unit(texts).mean(axis=0)) @ centre / 2
    right = np.concatenate([plain.unit(images) @ centre > middle, plain.unit(texts) @ centre < middle])
    assert right.mean() > 0.9


@pytest.mark.parametrize("name", ["mnist-vicreg", "mnist-alignment-uniformity"])
def test_other_losses_do_not_collapse_and_find_the_digits(views, name):
    first, second, columns = views(name)
    assert plain.neighbour_accuracy(first, columns["digit"]) > 0.78
    assert plain.effective_rank(first) > 10
    assert plain.alignment(first, second) < 0.5


def test_alignment_and_uniformity_is_the_more_uniform(views):
    assert plain.uniformity(views("mnist-alignment-uniformity")[0]) < plain.uniformity(views("mnist-healthy")[0])


def test_the_rare_digit_is_found_less_often(views):
    found = {"balanced": [], f"rare-{RARE_DIGIT}": []}
    for kind, recalls in found.items():
        for seed in FAMILY_SEEDS:
            first, _, columns = views(f"mnist-{kind}-seed-{seed}", "backbone")
            digits = columns["digit"]
            rows = plain.unit(first)
            similarity = rows @ rows.T
            np.fill_diagonal(similarity, -np.inf)
            nearest = digits[np.argsort(-similarity, axis=1)[:, :20]]
            recalls.append((nearest[digits == RARE_DIGIT] == RARE_DIGIT).mean())
    balanced, rare = found.values()
    assert all(lost > 0 for lost in np.subtract(balanced, rare))


def test_the_cards_state_the_harm_that_the_checkpoints_show(views):
    runs = sample_folder() / "runs"
    rare = [open_run(runs / f"mnist-rare-{RARE_DIGIT}-seed-{seed}") for seed in FAMILY_SEEDS]
    balanced = [open_run(runs / f"mnist-balanced-seed-{seed}") for seed in FAMILY_SEEDS]
    found = representation_harm(rare, balanced, RARE_DIGIT)["towards"]
    for run in rare:
        stated = run.card["representation_harm"]
        assert run.card["under_represented_class"] == str(RARE_DIGIT)
        for other, entry in stated["towards"].items():
            for end in ("value", "low", "high"):
                assert found[other][end] == pytest.approx(entry[end], abs=0.01)
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["includes_none"] == (entry["low"] <= 1 <= entry["high"])
            if entry["includes_none"]:
                assert other in stated["summary"].split("no change for")[1]


def test_harm_of_identical_twins_is_none():
    runs = [open_run(sample_folder() / "runs" / "mnist-balanced-seed-0")]
    found = representation_harm(runs, runs, RARE_DIGIT, bootstraps=50)["towards"]
    assert {entry["value"] for entry in found.values()} == {1.0}
    assert all(entry["includes_none"] for entry in found.values())
