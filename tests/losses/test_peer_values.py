"""Values and gradients of peers' own code."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses

# The values travel with the project.
GOLDENS = Path(__file__).parents[1] / "goldens"

# Golden name -> our loss; golden hyper-parameter -> ours.
OURS = {
    "ntxent": "ntxent",
    "infonce_one_sided": "infonce_one_sided",
    "infonce_explicit_negatives": "infonce_one_sided",
    "ntxent_one_sided": "infonce_one_sided",
    "clip": "clip",
    "dcl": "dcl",
    "supcon_out": "supcon_out",
    "supcon_out_single_view": "supcon_out",
    "supcon_out_anchor_one": "supcon_out",
    "supcon_out_missing_positive_edge": "supcon_out",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "align_uniform": "align_uniform",
    "vicreg": "vicreg",
    "negative_cosine": "negative_cosine",
}
RENAMED = {
    "temperature": "temperature",
    "tau": "temperature",
    "lambda_param": "invariance_weight",
    "invariance_lambda": "invariance_weight",
    "mu_param": "variance_weight",
    "variance_mu": "variance_weight",
    "nu_param": "covariance_weight",
    "covariance_v": "covariance_weight",
    "eps": "epsilon",
    "lam": "uniformity_weight",
    "w_unif": "uniformity_weight",
    "alpha": "alpha",
    "t": "t",
}
# These peers expect unit rows; the others normalise, so that their gradient has no radial part.
TAKE_UNIT_ROWS = ("HCL", "SupContrast", "open_clip", "SsnL", "learning_by_sorting none")


def _records():
    records = json.loads((GOLDENS / "losses.json").read_text())
    return [record for record in records if record["loss"] in OURS and record.get("use_as_test", True)]


def _parameters(record):
    given = record["hyperparameters"]
    parameters = {RENAMED[name]: value for name, value in given.items() if name in RENAMED}
    if "logit_scale" in given or "scale" in given:
        parameters["temperature"] = 1 / given.get("logit_scale", given.get("scale"))
    if record["loss"] == "supcon_out_anchor_one":
        parameters["anchors"] = "first_view"
    return {name: float(value) if isinstance(value, int | float) else value for name, value in parameters.items()}


def _labels(record, stored):
    if record["loss"] == "supcon_out_missing_positive_edge":
        return torch.tensor([0, 1, 1, 2] + [3] * 60)
    return torch.from_numpy(stored["pair64/labels"]) if record["input_name"] == "pair64" else None


def test_every_golden_of_these_losses_is_used():
    assert len(_records()) >= 30


@pytest.mark.parametrize("record", _records(), ids=lambda record: f"{record['id']}-{record['loss']}")
def test_value_and_gradient_equal_the_peers(record):
    spec = losses()[OURS[record["loss"]]]
    with np.load(GOLDENS / "losses_inputs.npz", allow_pickle=False) as stored:
        arrays = {
            name: torch.from_numpy(stored[f"{record['input_name']}/{name}"]).requires_grad_()
            for name in record["input_arrays"]
        }
        labels = _labels(record, stored)
    single = record["dtype"] == "torch.float32"
    tolerance = {"rtol": 3e-6, "atol": 1e-7} if single else {"rtol": 1e-9, "atol": 1e-10}
    peer_normalises = not any(name in record["peer"] for name in TAKE_UNIT_ROWS)
    rows = {
        name: torch.nn.functional.normalize(array, dim=1) if peer_normalises and spec.rows == "unit" else array
        for name, array in arrays.items()
    }
    queue = rows.pop("queue", None)
    inputs = LossInputs(views=tuple(rows.values()), labels=labels, queue=queue)
    loss = spec.compute(inputs, spec.params(**_parameters(record))).mean()
    np.testing.assert_allclose(loss.item(), record["value"], **tolerance)
    loss.backward()
    with np.load(GOLDENS / "losses_grads.npz", allow_pickle=False) as gradients:
        for name, array in arrays.items():
            key = f"{record['id']}__{name}"
            wanted = gradients[key] if key in gradients.files else None
            norm = record["grad_fro"][name]
            np.testing.assert_allclose(array.grad.norm().item(), norm, rtol=3e-6 if single else 1e-7)
            if wanted is not None:
                np.testing.assert_allclose(array.grad.numpy(), wanted, rtol=1e-6, atol=3e-7 if single else 1e-9)
