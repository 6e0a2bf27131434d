"""What one loss is in terms of another, or in closed form."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses
from cl_viz.losses.sorting import soft_permutation
from tests.losses.loss_cases import call, inputs_of, raw_rows, unit_rows

PAIR = LossInputs((unit_rows(10, 6, 1), unit_rows(10, 6, 2)))
LABELLED = replace(PAIR, labels=torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 3, 4]))
VIEWS = LossInputs(tuple(unit_rows(9, 6, seed) for seed in range(4)))
CLUSTERED = LossInputs(
    (unit_rows(10, 6, 1), unit_rows(10, 6, 2)), queue=unit_rows(7, 6, 3), prototypes=unit_rows(5, 6, 4)
)


def equal(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("debiased", {"class_prior": 0.0}),
        ("hard_negative_reweighting", {"class_prior": 0.0, "concentration": 0.0}),
        ("top_negatives", {"share": 1.0}),
        ("top_negatives", {"count": 18}),
        ("ntxent_additive_margin", {"margin": 0.0}),
        ("ntxent_angular_margin", {"margin": 0.0}),
        ("poly_view_geometric", {}),
        ("poly_view_arithmetic", {}),
        ("ntxent_pairwise_views", {}),
        ("ntxent_one_vs_rest", {}),
        ("ntxent_multi_positive", {}),
    ],
)
def test_is_ntxent(name, parameters, temperature):
    equal(
        call(name, PAIR, temperature=temperature, **parameters).mean(),
        call("ntxent", PAIR, temperature=temperature).mean(),
    )


@pytest.mark.parametrize("name", ["supcon_out", "supcon_in", "supcon_per_positive"])
def test_without_shared_labels_supervised_is_ntxent(name):
    alone = replace(PAIR, labels=torch.arange(10))
    equal(call(name, alone, temperature=0.3), call("ntxent", alone, temperature=0.3))


def test_reweighting_without_concentration_is_debiased():
    given = {"class_prior": 0.1, "temperature": 0.5}
    equal(call("hard_negative_reweighting", PAIR, concentration=0.0, **given), call("debiased", PAIR, **given))


def test_the_corrected_sum_is_held_where_it_would_fall_too_low():
    near = unit_rows(1, 6, 0)
    both = torch.cat([near, -near, -near])
    value = call("debiased", LossInputs((both, both)), temperature=0.5, class_prior=0.5)[0]
    equal(value, torch.tensor(math.log1p(4 * math.exp(-2 - 2)), dtype=torch.float64))


def test_concentration_moves_weight_to_hard_negatives():
    values = [call("hard_negative_reweighting", PAIR, concentration=beta).mean() for beta in (0.0, 0.5, 1.0, 4.0)]
    assert values == sorted(values)


def test_from_one_side_with_no_margin_is_infonce():
    equal(
        call("ntxent_additive_margin", PAIR, margin=0.0, symmetric=False, temperature=0.2),
        call("infonce_one_sided", PAIR, temperature=0.2),
    )


def test_gaussian_kernel_is_ntxent_at_half_the_temperature():
    for name, parameters in (("kernel_infonce", {}), ("kernel_infonce_sum", {"share": 0.3})):
        value = call(name, PAIR, gamma=2.0, temperature=0.4, epsilon=0.0, **parameters)
        equal(value, call("ntxent", PAIR, temperature=0.2))


def test_supcon_in_is_at_most_out():
    inside, outside = (call(name, LABELLED, temperature=0.2) for name in ("supcon_in", "supcon_out"))
    assert (inside <= outside + 1e-12).all()
    assert (inside < outside - 1e-3).any()


def test_anchors_without_positives_are_zero_or_dropped():
    alone = LossInputs((unit_rows(6, 4, 0),), labels=torch.tensor([0, 1, 1, 2, 3, 3]))
    for name in ("supcon_out", "supcon_in"):
        kept, dropped = call(name, alone), call(name, alone, without_positive="drop")
        assert kept.shape == (6,)
        assert dropped.shape == (4,)
        assert kept[0] == 0
        equal(kept.sum(), dropped.sum())
    nobody = replace(alone, labels=torch.arange(6))
    for name in ("supcon_per_positive", "focal_supcon", "triplet", "supcon_in"):
        assert call(name, nobody).abs().max() == 0
    # Nobody is dropped where nobody would be left: the mean of no values is none.
    for name in ("supcon_out", "supcon_in"):
        assert call(name, nobody, without_positive="drop").mean() == 0


def test_focal_supcon_is_its_definition():
    points = torch.cat(LABELLED.views)
    labels = LABELLED.labels.repeat(2)
    scores = (points @ points.T / 0.1).fill_diagonal_(-torch.inf)
    share = scores.softmax(dim=1)
    positive = (labels[:, None] == labels[None]) & ~torch.eye(20, dtype=torch.bool)
    terms = torch.where(positive, -(1 - share) * share.log(), torch.zeros_like(share))
    equal(call("focal_supcon", LABELLED, temperature=0.1).mean(), terms.sum() / 20 / positive.any(dim=1).sum())


@pytest.mark.parametrize("mining", ["all", "mined", "hard", "semihard", "easy"])
def test_triplets_are_those_counted_one_by_one(mining):
    margin, miner_margin = 0.3, 0.15
    points, labels = torch.cat(LABELLED.views), LABELLED.labels.repeat(2)
    distances = torch.cdist(points, points)
    losses_found = []
    for a in range(20):
        for p in range(20):
            for n in range(20):
                if a == p or labels[a] != labels[p] or labels[a] == labels[n]:
                    continue
                gap = float(distances[a, n] - distances[a, p])
                kinds = {"all": True, "hard": gap <= 0, "semihard": 0 < gap <= miner_margin}
                kinds |= {"mined": gap <= miner_margin, "easy": gap > miner_margin}
                if kinds[mining] and margin - gap > 0:
                    losses_found.append(margin - gap)
    value = call("triplet", LABELLED, mining=mining, margin=margin, miner_margin=miner_margin).mean()
    torch.testing.assert_close(value.item(), float(np.mean(losses_found)), rtol=1e-9, atol=0)


def test_two_views_of_mv_dhel_are_dhel():
    two = call("dhel", PAIR, temperature=0.3)
    equal(call("mv_dhel", PAIR, temperature=0.3), two)
    equal(call("dhel_pairwise_views", PAIR, temperature=0.3), two)
    equal(call("mv_all_energies", PAIR, temperature=0.3), two.repeat(2))


def test_mv_infonce_counts_candidates_at_collapse():
    point = unit_rows(1, 4, 0).repeat(9, 1)
    expected = math.log(4 * 35) - math.log(4 * 3)
    torch.testing.assert_close(call("mv_infonce", LossInputs((point,) * 4)).mean().item(), expected)


def test_arithmetic_poly_view_is_the_papers_form():
    arithmetic, geometric = (call(f"poly_view_{kind}", VIEWS, temperature=0.3) for kind in ("arithmetic", "geometric"))
    assert (arithmetic <= geometric + 1e-12).all()
    views = torch.stack(VIEWS.views)
    shares = torch.zeros(4, 9, 3, dtype=torch.float64)
    for a in range(4):
        scores = torch.einsum("nd,bmd->nbm", views[a], views) / 0.3
        for i in range(9):
            others = scores[i].exp().sum() - scores[i, :, i].exp().sum()
            kept = [scores[i, b, i].exp() for b in range(4) if b != a]
            shares[a, i] = torch.stack([share / (share + others) for share in kept])
    equal(arithmetic, -shares.mean(dim=2).log().flatten())
    equal(geometric, -shares.log().mean(dim=2).flatten())


def test_known_values_of_the_arithmetic_form(goldens_of_the_project):
    views = LossInputs(tuple(torch.from_numpy(goldens_of_the_project["views4/views"]).unbind()))
    for temperature, expected in ((0.1, 1.35232), (0.2, 1.94638), (0.5, 2.95344), (1.0, 3.47568)):
        value = call("poly_view_arithmetic", views, temperature=temperature).mean().item()
        assert value == pytest.approx(expected, abs=1e-5)


def test_symile_of_two_modalities_is_clip():
    both = call("symile_tuples", PAIR, logit_scale=10.0)
    scores = PAIR.views[0] @ PAIR.views[1].T * 10
    rows, columns = scores.logsumexp(dim=1), scores.logsumexp(dim=0)
    equal(both, (rows + columns) / 2 - scores.diagonal())
    equal(both.mean(), call("clip", PAIR, temperature=0.1).mean())


def test_symile_with_every_row_in_place_counts_pairs_of_one_sample():
    three = LossInputs(VIEWS.views[:3])
    identity = torch.arange(9).repeat(6, 1)
    value = call("symile_drawn", replace(three, draws={"permutations": identity}), logit_scale=5.0)
    u, v, w = three.views
    expected = [
        (anchor @ (first * second).T * 5).logsumexp(dim=1) - 5 * (u * v * w).sum(dim=1)
        for anchor, first, second in ((u, v, w), (v, u, w), (w, u, v))
    ]
    equal(value, torch.stack(expected).mean(dim=0))


def test_gcl_is_dcl_with_a_mean_times_the_temperature():
    expected = 0.2 * (call("dcl", PAIR, temperature=0.2) - math.log(18))
    equal(call("gcl", PAIR, temperature=0.2), expected)
    equal(call("rgcl", PAIR, temperature=0.2, rho=0.7), expected + 0.2 * 0.7)


def test_the_slope_in_the_temperature_is_rho_minus_a_divergence():
    each = torch.full((10,), 0.3, dtype=torch.float64, requires_grad=True)
    call("rgcl", replace(PAIR, temperatures=each), rho=0.4).sum().backward()
    points = torch.cat(PAIR.views)
    positive = (PAIR.views[0] * PAIR.views[1]).sum(dim=1).repeat(2)
    scores = (points @ points.T - positive[:, None]) / 0.3
    share = scores.masked_fill(torch.eye(10, dtype=torch.bool).repeat(2, 2), -torch.inf).softmax(dim=1)
    divergence = torch.special.entr(share).sum(dim=1).neg() + math.log(18)
    equal(each.grad, (2 * 0.4 - divergence[:10] - divergence[10:]))


def test_alignment_of_two_views_whatever_the_sharpness():
    for sharpness in (0.0, 3.0):
        attraction = call("cacr_attraction", PAIR, positive_sharpness=sharpness)
        equal(attraction, call("alignment", PAIR, alpha=2.0))


def test_no_sharpness_is_the_uniform_baseline():
    flat = call("cacr", VIEWS, positive_sharpness=0.0, negative_sharpness=0.0)
    equal(flat, call("cacr", VIEWS, weighting="uniform"))


def test_centroids_of_equal_views_have_the_uniformity_of_a_view():
    first = PAIR.views[0]
    same = LossInputs((first, first, first))
    equal(call("decoupled_uniformity", same), call("uniformity", LossInputs((first,))))


def test_ascl_without_neighbours_is_infonce_with_a_queue():
    equal(
        call("ascl", CLUSTERED, targets="none", temperature=0.1),
        call("infonce_one_sided", replace(CLUSTERED, prototypes=None), temperature=0.1),
    )


def test_a_flat_teacher_has_no_confidence():
    far = replace(CLUSTERED, queue=CLUSTERED.queue[:1].repeat(5, 1))
    equal(call("ascl", far, targets="soft", neighbours=3), call("ascl", far, targets="none"))


def test_macl_is_its_definition():
    alignment = (PAIR.views[0] * PAIR.views[1]).sum(dim=1).mean().item()
    log_share = -call("ntxent", PAIR, temperature=0.2 * (1 + 0.5 * (alignment - 0.1)))
    value = call("macl", PAIR, temperature=0.2, alpha=0.5, reference=0.1)
    equal(value, -log_share / (1 - log_share.exp()))
    assert (value >= 1).all()


def test_macl_of_perfect_anchors_is_one():
    first = torch.eye(4, dtype=torch.float32)
    value = call("macl", LossInputs((first, first)), temperature=0.001)
    torch.testing.assert_close(value, torch.ones(8))


def test_mean_shifted_at_the_origin_is_ntxent():
    origin = replace(PAIR, center=torch.zeros(6, dtype=torch.float64))
    equal(call("mean_shifted", origin, temperature=0.25), call("ntxent", PAIR, temperature=0.25))
    moved = call("mean_shifted", replace(PAIR, center=raw_rows(1, 6, 8)[0]), angular=True)
    assert (moved > 0).all()


def test_soft_top_k_memberships_sum_to_k():
    given = inputs_of(losses()["soft_top_k"])
    everything = replace(given, label_matrix=torch.ones(12, 4))
    total = 0.0
    for column in range(4):
        one = torch.zeros(12, 4)
        one[:, column] = 1
        total = total + torch.exp(-call("soft_top_k", replace(given, label_matrix=one), k=2, temperature=0.5))
    torch.testing.assert_close(total, torch.full((12,), 2.0, dtype=torch.float64), rtol=1e-6, atol=0)
    assert (call("label_softmax", everything) > call("label_decoupled_softmax", everything)).all()


def test_one_label_each_is_the_same_by_index_and_by_matrix():
    given = inputs_of(losses()["label_softmax"])
    matrix = torch.nn.functional.one_hot(given.labels, 4)
    for name in ("label_softmax", "label_decoupled_softmax", "label_binary", "soft_top_k"):
        equal(call(name, given), call(name, replace(given, labels=None, label_matrix=matrix)))
    equal(call("label_softmax", given), call("label_decoupled_softmax", given))


def test_a_sharp_network_sorts():
    scores = raw_rows(5, 7, 3)
    ranks = soft_permutation(scores, 1e12)
    equal((ranks * scores[:, :, None]).sum(dim=1), scores.sort(dim=1).values)
    soft = soft_permutation(scores, 1.0)
    for axis in (1, 2):
        equal(soft.sum(dim=axis), torch.ones(5, 7, dtype=torch.float64))


def test_whitening_is_blind_to_linear_maps_of_a_view():
    first, second = raw_rows(20, 4, 1), raw_rows(20, 4, 2)
    lower = torch.tril(raw_rows(4, 4, 3)) + 3 * torch.eye(4, dtype=torch.float64)
    mapped = LossInputs((first @ lower.T + 5, second))
    equal(call("w_mse", mapped), call("w_mse", LossInputs((first, second))))


def test_decorrelated_equal_views_have_no_barlow_loss():
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    equal(call("barlow_twins", LossInputs((signs, signs)), epsilon=0.0), torch.tensor(0.0, dtype=torch.float64))


def test_short_rows_keep_their_length_in_the_spectral_loss():
    first, second = 0.5 * PAIR.views[0], 0.5 * PAIR.views[1]
    scores = first @ second.T
    expected = -2 * scores.diagonal().mean() + (scores.square().sum() - scores.diagonal().square().sum()) / 90
    equal(call("spectral", LossInputs((first, second)), mu=1.0).mean(), expected)
    long = call("spectral", LossInputs((7 * first, 9 * second)), mu=1.0).mean()
    equal(long, call("spectral", PAIR, mu=1.0).mean())


def test_protonce_is_the_sum_of_its_parts():
    whole = call("protonce", CLUSTERED)
    parts = call("protonce_instance_part", CLUSTERED) + call("protonce_prototype_part", CLUSTERED)
    equal(whole, parts)


def test_feature_transformation_of_positives_is_the_formula_of_scores():
    given = replace(CLUSTERED, draws={"positive": torch.tensor(0.4, dtype=torch.float64)})
    value = call("feature_transformation", given, target="pos", temperature=0.5)
    first, second = given.views
    share = 1.4
    score = 2 * share * (1 - share) + (share**2 + (1 - share) ** 2) * (first * second).sum(dim=1)
    moved = share * first + (1 - share) * second
    logits = torch.cat([score[:, None], moved @ given.queue.T], dim=1) / 0.5
    equal(value, logits.logsumexp(dim=1) - logits[:, 0])


def test_no_mixing_is_infonce_with_a_queue():
    plain = call("infonce_one_sided", CLUSTERED, temperature=0.2)
    equal(call("mochi", CLUSTERED, pairs=0, with_query=0, temperature=0.2), plain)
    whole = {"positive": torch.tensor(0.0), "negative": torch.tensor(1.0), "permutation": torch.arange(7).flip(0)}
    equal(call("feature_transformation", replace(CLUSTERED, draws=whole), temperature=0.2), plain)


def test_whole_shares_mix_nothing():
    draws = {"permutation": torch.arange(10).roll(1), "share": torch.ones(10)}
    value = call("mixco", replace(PAIR, draws=draws), temperature=0.1)
    equal(value.mean(), call("clip", PAIR, temperature=0.1).mean())
    # A sample mixed with itself is itself, whatever its share.
    itself = {"permutation": torch.arange(10), "share": torch.full((10,), 0.3, dtype=torch.float64)}
    equal(call("mixco", replace(PAIR, draws=itself), temperature=0.1), value)
    overwritten = call("mixco", replace(PAIR, draws=itself), temperature=0.1, fixed_points="overwritten")
    equal(overwritten, 0.7 * value)


def test_at_complete_collapse_losses_count_candidates():
    point = unit_rows(1, 4, 0).repeat(8, 1)
    both = LossInputs((point, point), labels=torch.zeros(8, dtype=torch.int64))
    for name, expected in (
        ("ntxent", math.log(15)), ("dcl", math.log(14)), ("uniformity", 0.0), ("negative_cosine", -1.0),
        ("supcon_out", math.log(15)), ("supcon_in", math.log(15)), ("gcl", 0.0), ("clip", math.log(8)),
        ("siglip", math.log(2) + 7 * math.log(2)), ("soft_clip", math.log(8)), ("cacr", 0.0), ("byol", 0.0),
    ):  # fmt: skip
        parameters = {"logit_bias": -10.0, "logit_scale": 10.0} if name == "siglip" else {}
        value = call(name, both, **parameters).mean().item()
        assert value == pytest.approx(expected, abs=1e-9), name


@pytest.fixture(scope="module")
def goldens_of_the_project():
    with np.load(Path(__file__).parents[1] / "goldens" / "losses_inputs.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
