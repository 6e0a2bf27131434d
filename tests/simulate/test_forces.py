"""Weights of pairs are the slopes in their scores, for every loss that is a function of scores; shares add up."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cl_viz.core.errors import Cancelled, InputError, MissingInputError
from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses
from cl_viz.simulate._pair_forces import pair_forces
from cl_viz.simulate.flow_start import FlowStart, unit_rows
from cl_viz.simulate.forces import gradient_alignment, loss_forces

N = 7


def _made(n=N, dim=4, n_views=2, seed=0, **extras):
    generator = np.random.default_rng(seed)
    views = tuple(generator.normal(size=(n, dim)).astype(np.float32) for _ in range(n_views))
    return FlowStart("made", views, labels=np.arange(n) % 3, **extras)


def _weights(name, start=None, **parameters):
    start = _made() if start is None else start
    spec = losses()[name]
    return pair_forces(spec, spec.params(**parameters), start, np.arange(start.n)).weights


def _unit(start=None):
    start = _made() if start is None else start
    return unit_rows(torch.from_numpy(np.concatenate(start.views)).double())


def _close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


def test_weights_of_infonce_are_shares_over_the_temperature():
    points = _unit()
    share = (points[:N] @ points[N:].T / 0.2).softmax(dim=1)
    found = _weights("infonce_one_sided", temperature=0.2)
    expected = torch.zeros(2 * N, 2 * N, dtype=torch.float64)
    expected[:N, N:] = (share - torch.eye(N)) / 0.2
    # A pair pulls at both its ends, whichever is the anchor.
    _close(found, expected + expected.T)


def test_weights_of_ntxent_and_dcl_are_those_of_both_anchors():
    points = _unit()
    scores = points @ points.T / 0.3
    partner = torch.eye(N, dtype=torch.float64).repeat(2, 2) - torch.eye(2 * N)
    itself = torch.eye(2 * N, dtype=torch.bool)
    off = ~itself
    share = scores.masked_fill(itself, -torch.inf).softmax(dim=1) - partner
    _close(_weights("ntxent", temperature=0.3)[off], ((share + share.T) / 2 / 0.3)[off])
    share = scores.masked_fill(itself | (partner > 0), -torch.inf).softmax(dim=1) - partner
    found = _weights("dcl", temperature=0.3)
    _close(found[off], ((share + share.T) / 2 / 0.3)[off])
    # Decoupled: each positive is pulled with the same weight, whatever its score.
    _close(found[partner > 0], torch.full((2 * N,), -1 / 0.3, dtype=torch.float64))


def test_weights_of_energies_are_their_kernels():
    points = _unit()[:N]
    kernel = torch.exp(-2.0 * (2 - 2 * points @ points.T)).fill_diagonal_(0)
    found = _weights("uniformity", t=2.0)[:N, :N].fill_diagonal_(0)
    _close(found, N * 4 * kernel / (kernel.sum() / 2))
    pulled = _weights("alignment")
    _close(pulled[:N, N:], -2 * torch.eye(N, dtype=torch.float64))
    # Rows of length 1/2, which the norm bound leaves alone: products are a quarter of the cosines.
    scores = _unit()[:N] @ _unit()[N:].T
    half = tuple(view / np.linalg.norm(view, axis=1, keepdims=True) / 2 for view in _made().views)
    expected = 2 * scores / 16 / (N - 1)
    expected.fill_diagonal_(-0.5)
    torch.testing.assert_close(
        _weights("spectral", replace(_made(), views=half), mu=1.0)[:N, N:], expected, rtol=1e-5, atol=1e-6
    )


def test_raw_rows_have_slopes_in_their_cosines():
    # A negative cosine has slope -1 in each cosine, however long the rows are.
    found = _weights("negative_cosine")
    _close(found[:N, N:], -torch.eye(N, dtype=torch.float64))


def test_a_queue_and_prototypes_have_weights_too():
    queue = np.random.default_rng(5).normal(size=(5, 4)).astype(np.float32)
    start = _made(queue=queue, prototypes=queue[:3])
    found = _weights("ascl", start, temperature=0.2, targets="none")
    points, keys = _unit(start), unit_rows(torch.from_numpy(queue).double())
    own = (points[:N] * points[N:]).sum(dim=1, keepdim=True)
    share = (torch.cat([own, points[:N] @ keys.T], dim=1) / 0.2).softmax(dim=1)
    assert found.shape == (2 * N, 2 * N + 5)
    _close(found[:N, 2 * N :], share[:, 1:] / 0.2)
    found = _weights("label_softmax", start, temperature=0.2)
    share = (points[:N] @ keys[:3].T / 0.2).softmax(dim=1) - torch.nn.functional.one_hot(torch.arange(N) % 3)
    _close(found[:N, 2 * N :], share / 0.2)


OF_COORDINATES = {"barlow_twins", "vicreg", "w_mse", "kernel_infonce_product"}


@pytest.mark.parametrize("name", sorted(losses()))
def test_a_loss_of_scores_is_told_from_one_of_coordinates(name):
    queue = np.random.default_rng(5).normal(size=(9, 4)).astype(np.float32)
    start = _made(n=24, n_views=3, queue=queue, prototypes=queue[:3])
    spec = losses()[name]
    two = replace(start, views=start.views[:2]) if "three_views" not in spec.needs else start
    # At its default temperature this one is so steep that single-precision rows turn it by more than is asked here.
    parameters = spec.params(temperature=0.5) if name == "soft_top_k" else spec.params()
    forces = pair_forces(spec, parameters, two, np.arange(24))
    assert (forces.weights is None) == (name in OF_COORDINATES)
    # Turning all rows alike changes a loss of scores by nothing, and its gradient turns with them.
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0].astype(np.float32)
    turned = replace(
        two, views=tuple(view @ turn for view in two.views), queue=queue @ turn, prototypes=queue[:3] @ turn
    )
    other = pair_forces(spec, parameters, turned, np.arange(24))
    same = np.allclose(other.gradients.numpy(), forces.gradients.numpy() @ turn.astype(float), rtol=1e-3, atol=1e-4)
    assert same == (name not in OF_COORDINATES)
    if forces.weights is not None:
        assert abs(other.loss - forces.loss) < 1e-5 * (1 + abs(forces.loss))


def test_three_modalities_act_on_coordinates():
    assert loss_forces("symile_tuples", _made(n_views=3)).acts_on == "embeddings"
    assert loss_forces("symile_tuples", _made()).acts_on == "scores"


def test_shares_are_sums_of_weights_by_role():
    start = _made(n=40, dim=5)
    found = loss_forces("ntxent", start, parameters={"temperature": 0.1}, bins=20)
    forces = pair_forces(losses()["ntxent"], losses()["ntxent"].params(temperature=0.1), start, np.arange(40))
    weights, scores = forces.weights.abs().fill_diagonal_(0).numpy(), forces.scores.numpy()
    sample, label = np.tile(np.arange(40), 2), np.tile(start.labels, 2)
    itself = np.eye(80, dtype=bool)
    positive = (sample[:, None] == sample) & ~itself
    negative = sample[:, None] != sample
    false = negative & (label[:, None] == label)
    # Rounded up: 63 of 6,240, so one pair counts from one end only; both its ends have the same weight.
    hardest = np.zeros_like(negative)
    order = np.argsort(np.where(negative, scores, -2), axis=None)[::-1]
    hardest.flat[order[: math.ceil(0.01 * negative.sum())]] = True
    for name, mask in (
        ("positives", positive),
        ("negatives", negative),
        ("false_negatives", false),
        ("hardest", hardest),
    ):
        assert found.shares[name] == pytest.approx([weights[mask].sum() / weights.sum()], rel=1e-6)
    assert found.positive_pairs.sum() == 80
    assert found.negative_pairs.sum() == 80 * 78
    assert found.false_negative_pairs.sum() == false.sum()
    place = np.clip(np.digitize(scores, found.bin_edges) - 1, 0, 19)
    for number in range(20):
        inside = negative & (place == number)
        expected = weights[inside].mean() if inside.any() else math.nan
        assert found.negative_weight[number] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert found.acts_on == "scores"
    assert (found.n_rows, found.batch_size, found.n_batches) == (40, 40, 1)


def test_positives_and_negatives_share_the_gradient_of_a_softmax_alike():
    found = loss_forces("ntxent", _made(n=60), batches=3, batch_size=20)
    for kind in ("positives", "negatives"):
        assert found.shares[kind] == pytest.approx([0.5] * 3)
    assert found.values.shape == (3,)
    assert found.values.std() > 0


def test_a_lower_temperature_spends_more_on_the_hardest():
    found = [loss_forces("ntxent", _made(n=60), parameters={"temperature": tau}) for tau in (1.0, 0.1, 0.02)]
    shares = [entry.shares["hardest"][0] for entry in found]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.01, abs=0.01)
    assert shares[2] > 0.05


def test_only_views_that_a_loss_looks_at_count():
    found = loss_forces("clip", _made(n=20))
    assert found.negative_pairs.sum() == 2 * 20 * 19
    energies = loss_forces("dhel", _made(n=20))
    # Same-view negatives, and the cross-view block of the positives.
    assert energies.negative_pairs.sum() == 40 * 38


def test_what_is_unknown_is_left_out():
    start = _made(n=20, prototypes=np.eye(4, dtype=np.float32))
    supervised = loss_forces("supcon_out", start)
    assert set(supervised.shares) == {"positives", "negatives", "hardest"}
    assert supervised.false_negative_weight is None
    assert supervised.positive_pairs.sum() == 40 * 39 - supervised.negative_pairs.sum()
    assert "false_negatives" not in loss_forces("ntxent", replace(start, labels=None)).shares
    assert "false_negatives" not in loss_forces("swav", start).shares
    coordinates = loss_forces("barlow_twins", start)
    assert coordinates.shares == {}
    assert coordinates.negative_weight is None
    assert "coordinates" in coordinates.said
    solved = loss_forces("triplet", replace(start, views=(np.eye(20, dtype=np.float32),) * 2, labels=np.arange(20)))
    assert np.isnan(solved.shares["positives"]).all()


def test_given_triplets_have_their_negatives_in_the_third_view():
    found = loss_forces("triplet_explicit", _made(n=10, n_views=3), parameters={"margin": 50.0})
    assert found.shares["positives"][0] > 0.2
    assert found.positive_pairs.sum() == 20
    weights = _weights("triplet_explicit", _made(n=10, n_views=3), margin=50.0)
    assert (weights[:10, 10:20].diagonal() < 0).all()
    assert (weights[:10, 20:30].diagonal() > 0).all()


def test_batches_are_those_of_the_seed():
    start = _made(n=50)
    one, again, other = (loss_forces("clip", start, batches=2, batch_size=10, seed=seed).values for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    queue = np.random.default_rng(5).normal(size=(9, 4)).astype(np.float32)
    drawn = loss_forces("mochi", replace(start, queue=queue), batches=2, batch_size=50, seed=0)
    assert drawn.n_batches == 1


def test_gradients_of_one_loss_under_two_names_agree():
    choices = [
        ("ntxent", {"temperature": 0.3}), ("debiased", {"temperature": 0.3, "class_prior": 0.0}), ("uniformity", {}),
        ("negative_cosine", {}), ("vicreg", {}),
    ]  # fmt: skip
    found = gradient_alignment(choices, _made(n=60), batches=4, batch_size=20)
    assert found.names == ("ntxent", "debiased", "uniformity", "negative_cosine", "vicreg")
    np.testing.assert_allclose(np.diag(found.cosine), 1)
    np.testing.assert_allclose(found.cosine, found.cosine.T)
    assert found.cosine[0, 1] == pytest.approx(1)
    assert found.spread[0, 1] == pytest.approx(0, abs=1e-9)
    assert abs(found.cosine[0, 2]) < 1
    assert found.spread[0, 3] > 0
    assert (found.n_rows, found.batch_size, found.n_batches) == (60, 20, 4)


def test_the_cosine_is_that_of_the_gradients_in_raw_rows():
    start = _made(n=12)
    gradients = []
    for name in ("clip", "barlow_twins"):
        rows = [torch.from_numpy(view).double().requires_grad_() for view in start.views]
        spec = losses()[name]
        views = [torch.nn.functional.normalize(row, dim=1) if spec.rows == "unit" else row for row in rows]
        spec.compute(LossInputs(tuple(views)), spec.params()).mean().backward()
        gradients.append(torch.cat([row.grad for row in rows]).flatten())
    found = gradient_alignment([("clip", {}), ("barlow_twins", {})], start)
    expected = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert found.cosine[0, 1] == pytest.approx(float(expected), rel=1e-6)
    assert np.isnan(found.spread).all()


def test_a_loss_that_pushes_nowhere_agrees_with_none():
    start = replace(_made(n=6), labels=np.arange(6))
    start = replace(start, views=(start.views[0],) * 2)
    found = gradient_alignment([("ntxent", {}), ("alignment", {})], start)
    assert np.isnan(found.cosine[0, 1])


def test_bad_input_is_refused_and_work_can_be_stopped():
    start = _made(n=20)
    for wrong in ({"batches": 0}, {"batch_size": 1}, {"bins": 1}, {"parameters": {"temperature": 0.0}}):
        with pytest.raises(InputError, match="Allowed"):
            loss_forces("ntxent", start, **wrong)
    with pytest.raises(MissingInputError, match="a third view"):
        loss_forces("triplet_explicit", start)
    with pytest.raises(MissingInputError, match="a queue"):
        gradient_alignment([("ntxent", {}), ("mochi", {})], start)

    told = []

    def stop(fraction, message):
        told.append((fraction, message))
        raise Cancelled("stopped")

    for work in (loss_forces, gradient_alignment):
        with pytest.raises(Cancelled):
            work("ntxent" if work is loss_forces else [("ntxent", {})], start, batches=2, batch_size=10, progress=stop)
    assert told == [(0.5, "batch 1 of 2")] * 2
