"""Golden records: values that peers' own code returned, read from a folder, and the functions of cl_viz that meet them.

A folder holds `diagnostics.json`, `losses.json` and their `*_inputs.npz`. Any folder of that form can be tested; what a
record's metric needs is read from the record (inputs, parameters, slices such as ``view1[:64]``), never from its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.losses import losses

COMMENTS = {"formula", "note"}
Record = dict[str, Any]


@dataclass(frozen=True)
class Goldens:
    """One folder of golden records."""

    folder: Path

    def records(self, kind: str) -> list[Record]:
        """Return the records of ``diagnostics`` or ``losses``; none where the file is missing."""
        path = self.folder / f"{kind}.json"
        return json.loads(path.read_text()) if path.exists() else []

    def arrays(self, kind: str) -> dict[str, np.ndarray]:
        """Return the input arrays by name."""
        with np.load(self.folder / f"{kind}_inputs.npz", allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def gradients(self) -> dict[str, np.ndarray]:
        """Return the losses' gradients, keyed ``<id>__<array>``."""
        path = self.folder / "losses_grads.npz"
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def tolerance(record: Record, arrays: dict[str, np.ndarray] | None = None) -> dict[str, float]:
    """Read ``rtol 1e-9`` or ``atol 0.02`` (followed by a comment) as keywords of `numpy.testing.assert_allclose`.

    ``atol 1/N per flipped sample`` allows one: of all samples in an accuracy, of the smallest class or group elsewhere.
    """
    if record["tolerance"].startswith("exact"):
        return {"rtol": 1e-12, "atol": 1e-12}
    if record["tolerance"].startswith("atol 1/N"):
        assert arrays is not None
        rows, *codes = inputs(record, arrays)
        counts = [np.unique(column, return_counts=True)[1].min() for column in codes]
        return {"rtol": 0.0, "atol": 1.001 / (len(rows) if record["metric"].endswith("cv_accuracy") else min(counts))}
    match = re.match(r"(rtol|atol) ([0-9.e+-]+)", record["tolerance"])
    assert match is not None, record["tolerance"]
    value = float(match[2])
    # A relative tolerance alone asks for equality of values that are 0 up to rounding.
    return {"rtol": value, "atol": 1e-12} if match[1] == "rtol" else {"rtol": 0.0, "atol": value}


def resolve(text: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the array that ``view1`` or ``view1[:64]`` names."""
    match = re.fullmatch(r"(\w+)(?:\[([-\d]*):([-\d]*)\])?", text.strip())
    assert match is not None, text
    low, high = (int(end) if end else None for end in (match[2], match[3]))
    return arrays[match[1]][low:high]


def inputs(record: Record, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the arrays that a record's input_name lists."""
    return [resolve(name, arrays) for name in record["input_name"].split(",")]


Metric = Callable[[Record, dict[str, np.ndarray], list[Record]], Any]
"""From a record, the folder's arrays and all its records to our value."""


# -- losses --------------------------------------------------------------------------------------------------------
Arrays = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Leaves:
    """The tensors of one loss record.

    Attributes
    ----------
    own : dict of Tensor
        The record's input arrays by name, the gradient's leaves or their normalised rows.
    stored : dict of Tensor
        All arrays of the folder, by ``<input_name>/<array>``.
    """

    own: Arrays
    stored: Arrays

    def group(self, file: str) -> Arrays:
        """Return the arrays of the file that a text such as ``draws_ft.npz`` or ``inputs_swav.npz [0]`` names."""
        match = re.match(r"(?:inputs_)?(\w+)\.npz", file)
        assert match is not None, file
        prefix = match[1] + "/"
        return {name.removeprefix(prefix): array for name, array in self.stored.items() if name.startswith(prefix)}

    def views(self) -> tuple[torch.Tensor, ...]:
        """Return the views: each matrix that is no queue, and each layer of a stack of views."""
        rows = [array for name, array in self.own.items() if not name.startswith("queue")]
        return tuple(view for array in rows for view in (array.unbind() if array.ndim == 3 else (array,)))

    def queue(self) -> torch.Tensor | None:
        """Return the queue, where there is one."""
        return next((array for name, array in self.own.items() if name.startswith("queue")), None)


def _plain(record: Record, leaves: Leaves) -> LossInputs:
    return LossInputs(leaves.views(), queue=leaves.queue())


def _mean(spec: LossSpec, made: LossInputs, hyper_parameters: dict[str, Any]) -> torch.Tensor:
    return spec.compute(made, spec.params(**hyper_parameters)).mean()


@dataclass(frozen=True)
class GoldenLoss:
    """How a golden name maps to a loss of cl_viz.

    Attributes
    ----------
    spec : str
    translate : callable
        A record's hyper-parameters under our names.
    build : callable
        The loss's inputs from the record's arrays.
    measure : callable
        The number the record holds; the loss where nothing else is said.
    factor : callable
        What a peer multiplies the definition by.
    """

    spec: str
    translate: Callable[[Record], dict[str, Any]]
    build: Callable[[Record, Leaves], LossInputs] = _plain
    measure: Callable[[LossSpec, LossInputs, dict[str, Any]], torch.Tensor] = _mean
    factor: Callable[[Record, LossInputs], float] = lambda record, made: 1.0


def _temperature(record: Record) -> dict[str, Any]:
    given = record["hyperparameters"]
    for key in ("temperature", "tau", "tau_0", "T", "temp"):
        if key in given:
            return {"temperature": float(given[key])}
    return {"temperature": 1 / float(given.get("logit_scale", given.get("scale")))}


def _renamed(*, scored: bool = False, fixed: dict[str, Any] | None = None, **names: str) -> Any:
    """Return a translation: ``ours="theirs"``; with `scored` the temperature too; `fixed` under our names."""

    def translate(record: Record) -> dict[str, Any]:
        given = record["hyperparameters"]
        found = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
        numbers = {
            ours: value if isinstance(value, bool | str) or ours in INTEGERS else float(value)
            for ours, value in found.items()
        }
        return {**(_temperature(record) if scored else {}), **numbers, **(fixed or {})}

    return translate


INTEGERS = {"neighbours", "count", "negatives", "sinkhorn_iterations", "iterations", "hardest", "pairs", "with_query"}


def _vicreg(record: Record) -> dict[str, Any]:
    given = record["hyperparameters"]
    theirs = ("lambda_param", "mu_param", "nu_param")
    if "lambda_param" not in given:
        theirs = ("invariance_lambda", "variance_mu", "covariance_v")
    ours = ("invariance_weight", "variance_weight", "covariance_weight")
    weights = {mine: float(given[name]) for mine, name in zip(ours, theirs, strict=True)}
    return {**weights, "epsilon": float(given["eps"])}


def _align_uniform(record: Record) -> dict[str, Any]:
    given = record["hyperparameters"]
    weight = float(given.get("lam", given.get("w_unif", 1.0))) / given.get("w_align", 1)
    return {"alpha": float(given["alpha"]), "t": float(given["t"]), "uniformity_weight": weight}


# Labels: stored beside the views, or written out as ``[0,1,1,2]+[3]*60``.
def _labels(record: Record, leaves: Leaves) -> torch.Tensor:
    written = str(record["hyperparameters"].get("labels", ""))
    if not re.fullmatch(r"\[[-\d, ]*\](\*\d+)?(\+\[[-\d, ]*\](\*\d+)?)*", written.replace(" ", "")):
        return leaves.stored[f"{record['input_name']}/labels"]
    parts = re.findall(r"\[([-\d, ]*)\](?:\*(\d+))?", written.replace(" ", ""))
    return torch.tensor([int(label) for listed, times in parts for label in listed.split(",") * int(times or 1)])


def _labelled(record: Record, leaves: Leaves) -> LossInputs:
    return LossInputs(leaves.views(), labels=_labels(record, leaves))


def _supcon(record: Record) -> dict[str, Any]:
    # pytorch-metric-learning drops anchors without positives from the mean, SupContrast counts them 0.
    alone = "drop" if record["peer"].startswith("pytorch-metric-learning") else "zero"
    anchors = "first_view" if record["hyperparameters"].get("contrast_mode") == "one" else "all"
    return {**_temperature(record), "without_positive": alone, "anchors": anchors}


def _base_temperature(record: Record, made: LossInputs) -> float:
    # SupContrast multiplies by temperature / base temperature; a definition does not.
    given = record["hyperparameters"]
    return given["temperature"] / given["base_temperature"] if "base_temperature" in given else 1.0


def _supervised(spec: str = "supcon_out") -> GoldenLoss:
    return GoldenLoss(spec, _supcon, _labelled, factor=_base_temperature)


def _triplet(mining: str) -> GoldenLoss:
    return GoldenLoss(
        "triplet", _renamed(margin="margin", miner_margin="miner_margin", fixed={"mining": mining}), _labelled
    )


def _rolled_negatives(record: Record, leaves: Leaves) -> LossInputs:
    anchor, positive = leaves.views()
    return LossInputs((anchor, positive, positive.roll(1, dims=0)))


def _kernel(name: str) -> GoldenLoss:
    return GoldenLoss("kernel_contrastive", _renamed(t="t", energy_weight="gamma", fixed={"kernel": name}))


def _dhel(second_view: bool) -> GoldenLoss:
    return GoldenLoss("dhel", _renamed(scored=True, fixed={"second_view": second_view}))


def _cacr(spec: str, weighting: str = "conditional") -> GoldenLoss:
    names = {
        "attraction_weight": "alpha", "repulsion_weight": "beta",
        "positive_sharpness": "tau_pos", "negative_sharpness": "tau_neg",
    }  # fmt: skip
    return GoldenLoss(spec, _renamed(**names, fixed={"weighting": weighting}))


def _kernel_infonce(spec: str) -> GoldenLoss:
    share = {} if spec == "kernel_infonce" else {"share": "gamma_lambd"}
    return GoldenLoss(spec, _renamed(scored=True, gamma="gamma", norm="distance_p", **share))


def _ascl(targets: str) -> GoldenLoss:
    names = {"temperature": "t1", "teacher_temperature": "t2", "neighbours": "K"}
    return GoldenLoss("ascl", _renamed(**names, fixed={"targets": targets}))


def _first_modalities(record: Record, leaves: Leaves) -> LossInputs:
    given = record["hyperparameters"]
    draws = leaves.group(given["permutations"]) if "permutations" in given else {}
    named = {"permutations": draws["perms"]} if draws else {}
    return LossInputs(leaves.views()[: given["modalities"]], draws=named)


def _temperature_slope(spec: LossSpec, made: LossInputs, hyper_parameters: dict[str, Any]) -> torch.Tensor:
    """Return the mean over samples of the slope in their temperature, the mean of both directions."""
    temperature = hyper_parameters["temperature"]
    each = torch.full((len(made.views[0]),), temperature, dtype=made.views[0].dtype, requires_grad=True)
    value = _mean(spec, replace(made, temperatures=each), hyper_parameters)
    return torch.autograd.grad(value, each)[0].sum()


def _many_labels(record: Record, leaves: Leaves) -> LossInputs:
    given = record["hyperparameters"]
    prefix, name = given["queries"].split()
    queries = leaves.own[name] if prefix == record["input_name"] else leaves.stored[f"{prefix}/{name}"]
    embeddings = re.fullmatch(r"(\w+) (\w+)(?:\[:(\d+)\])?", given["labels_emb"])
    assert embeddings is not None, given["labels_emb"]
    prototypes = leaves.stored[f"{embeddings[1]}/{embeddings[2]}"][: int(embeddings[3]) if embeddings[3] else None]
    return LossInputs((queries,), prototypes=prototypes, label_matrix=leaves.group(given["targets"])["label_matrix"])


def _soft_top_k(record: Record) -> dict[str, Any]:
    wanted = record["hyperparameters"]["K"]
    return {
        **_renamed(scored=True, alpha="alpha", iterations="n_iter")(record),
        "k": 0 if str(wanted).startswith("num_pos") else int(wanted),
    }


def _given_scores(record: Record, leaves: Leaves) -> LossInputs:
    # The scores themselves are given: they are the scores of views equal to them with the unit vectors as prototypes.
    scores = leaves.group(record["hyperparameters"]["scores"])["scores"]
    return LossInputs(tuple(scores.unbind()), prototypes=torch.eye(scores.shape[-1], dtype=scores.dtype))


def _clusters(record: Record, leaves: Leaves) -> LossInputs:
    given = record["hyperparameters"]
    draws = leaves.group(given["draws"])
    rows = re.search(r"first (\d+) rows", given["anchors"])
    n_anchors = int(rows[1]) if rows else None
    own = draws["assign"][:n_anchors]
    further = sorted(set(range(int(draws["assign"].max()) + 1)) - set(own.tolist()))
    wanted = int(re.match(r"\d+", str(given["r"]))[0])  # type: ignore[index]
    return LossInputs(
        tuple(view[:n_anchors] for view in leaves.views()),
        queue=leaves.queue(),
        prototypes=draws["centroids"],
        assignments=own,
        densities=draws["density"],
        draws={"negatives": torch.tensor(further[:wanted], dtype=torch.int64)},
    )


def _mixco(record: Record, leaves: Leaves) -> LossInputs:
    draws = leaves.group(record["hyperparameters"]["perm_betas"])
    return LossInputs(leaves.views(), draws={"permutation": draws["perm"], "share": draws["betas"]})


def _mochi(record: Record, leaves: Leaves) -> LossInputs:
    given = record["hyperparameters"]
    draws, pairs, singles = leaves.group(given["draws"]), given["s1"], given["s2"]
    return LossInputs(
        leaves.views(),
        queue=leaves.queue(),
        draws={
            "pairs": draws["idx12"][:, :, :pairs],
            "pair_share": draws["alpha"][:, :pairs],
            "singles": draws["idx_q"][:, :singles],
            "query_share": 0.5 * draws["beta_unit"][:, :singles],
        },
    )


def _per_coordinate(record: Record) -> str:
    # With one side alone the peer always draws for every coordinate.
    given = record["hyperparameters"]
    return "both" if given["mix_target"] in ("pos", "neg") else given["dim_mask"]


def _transformed(record: Record, leaves: Leaves) -> LossInputs:
    draws, each = leaves.group(record["hyperparameters"]["draws"]), _per_coordinate(record)
    return LossInputs(
        leaves.views(),
        queue=leaves.queue(),
        draws={
            "positive": draws["pos_mask" if each in ("both", "pos") else "pos_scalar"],
            "negative": draws["neg_mask" if each in ("both", "neg") else "neg_scalar"],
            "permutation": draws["perm"],
        },
    )


def _transformation(record: Record) -> dict[str, Any]:
    names = {
        "target": "mix_target", "extrapolate": "expolation_mask", "normalise": "postmix_norm",
        "positive_alpha": "pos_alpha", "negative_alpha": "neg_alpha",
    }  # fmt: skip
    return {**_renamed(scored=True, **names)(record), "per_coordinate": _per_coordinate(record)}


_MARGIN = _renamed(scored=True, margin="margin", symmetric="symmetric")
_FIRST_STEP = GoldenLoss("sogclr", _temperature)
_TRANSFORMED = GoldenLoss("feature_transformation", _transformation, _transformed)
_SLOPE = GoldenLoss("rgcl", _renamed(scored=True, rho="rho"), measure=_temperature_slope)

LOSS_METRICS: dict[str, GoldenLoss] = {
    "ntxent": GoldenLoss("ntxent", _temperature, factor=_base_temperature),
    "ntxent_one_sided": GoldenLoss("infonce_one_sided", _temperature),
    "infonce_one_sided": GoldenLoss("infonce_one_sided", _temperature),
    "infonce_explicit_negatives": GoldenLoss("infonce_one_sided", _temperature),
    "clip": GoldenLoss("clip", _temperature),
    "siglip": GoldenLoss("siglip", _renamed(logit_scale="logit_scale", logit_bias="logit_bias")),
    "dcl": GoldenLoss("dcl", _temperature),
    "dcl_one_way": GoldenLoss("dcl_one_way", _temperature),
    "dclw": GoldenLoss("dclw", _renamed(scored=True, sigma="sigma")),
    "dclw_one_way": GoldenLoss("dclw_one_way", _renamed(scored=True, sigma="sigma", fixed={"stop_gradient": False})),
    "supcon_out": _supervised(),
    "supcon_out_single_view": _supervised(),
    "supcon_out_anchor_one": _supervised(),
    "supcon_out_missing_positive_edge": _supervised(),
    "ntxent_labels_per_positive": GoldenLoss("supcon_per_positive", _temperature, _labelled),
    "core_tuning_focal_supcon": GoldenLoss("focal_supcon", _temperature, _labelled),
    "triplet_all": _triplet("all"),
    "triplet_all_mined": _triplet("mined"),
    "triplet_hard_mined": _triplet("hard"),
    "triplet_semihard_mined": _triplet("semihard"),
    "triplet_easy_mined": _triplet("easy"),
    "triplet_batch_hard": _triplet("batch_hard"),
    "triplet_explicit": GoldenLoss("triplet_explicit", _renamed(margin="margin", power="p"), _rolled_negatives),
    "npairs": GoldenLoss("npairs", lambda record: {"normalise": True, "norm_weight": 0.0}),
    "ntxent_additive_margin": GoldenLoss("ntxent_additive_margin", _MARGIN),
    "ntxent_additive_margin_one_sided": GoldenLoss("ntxent_additive_margin", _MARGIN),
    "ntxent_additive_angular_margin": GoldenLoss("ntxent_angular_margin", _MARGIN),
    "ntxent_additive_angular_margin_one_sided": GoldenLoss("ntxent_angular_margin", _MARGIN),
    "debiased": GoldenLoss("debiased", _renamed(scored=True, class_prior="tau_plus")),
    "hard_negative_reweighting": GoldenLoss(
        "hard_negative_reweighting", _renamed(scored=True, class_prior="tau_plus", concentration="beta")
    ),
    "ntxent_topk_negatives": GoldenLoss("top_negatives", _renamed(scored=True, count="topk_neg")),
    "xmc_softmax": GoldenLoss("label_softmax", _temperature, _many_labels),
    "xmc_decoupled-softmax": GoldenLoss("label_decoupled_softmax", _temperature, _many_labels),
    "xmc_bce": GoldenLoss("label_binary", _temperature, _many_labels),
    "xmc_topk": GoldenLoss("soft_top_k", _soft_top_k, _many_labels),
    "ascl_ascl": _ascl("soft"),
    "ascl_ahcl": _ascl("confident"),
    "ascl_hard": _ascl("hard"),
    "ascl_normal": _ascl("none"),
    "macl": GoldenLoss("macl", lambda record: _renamed(
        scored=True, alpha="alpha", epsilon="eps", reference="A_0" if "A_0" in record["hyperparameters"] else "A0"
    )(record)),
    "mean_shifted": GoldenLoss("mean_shifted", _temperature),
    "mean_shifted_angular": GoldenLoss("mean_shifted", _renamed(scored=True, angular="angular")),
    "sogclr_surrogate": _FIRST_STEP,
    "isogclr_surrogate": _FIRST_STEP,
    "sogclr_bimodal_surrogate": GoldenLoss(
        # The peer sums over negatives where the definition has their mean.
        "sogclr_bimodal", _temperature, factor=lambda record, made: len(made.views[0]) - 1
    ),
    "isogclr_tau_gradient_mean": _SLOPE,
    "align_uniform": GoldenLoss(
        "align_uniform", _align_uniform, factor=lambda record, made: record["hyperparameters"].get("w_align", 1)
    ),
    "alignment": GoldenLoss("alignment", _renamed(alpha="alpha")),
    "uniformity": GoldenLoss("uniformity", _renamed(t="t")),
    "decoupled_uniformity": GoldenLoss("decoupled_uniformity", _renamed(t="t")),
    "dhel": _dhel(True),
    "dhel_anchor_only": _dhel(False),
    "dhel_pairwise_views": GoldenLoss("dhel_pairwise_views", _temperature),
    "kcl_gaussian": _kernel("gaussian"),
    "kcl_log": _kernel("log"),
    "kcl_imq": _kernel("imq"),
    "kcl_riesz": _kernel("riesz"),
    "cacr": _cacr("cacr"),
    "cacr_attraction": _cacr("cacr_attraction"),
    "cacr_repulsion": _cacr("cacr_repulsion"),
    "cacr_uniform_baseline": _cacr("cacr", "uniform"),
    "spectral": GoldenLoss("spectral", _renamed(mu="mu")),
    "kernel_infonce_origin": _kernel_infonce("kernel_infonce"),
    "kernel_infonce_sum": _kernel_infonce("kernel_infonce_sum"),
    "kernel_infonce_product": _kernel_infonce("kernel_infonce_product"),
    "kernel_infonce_spectral": GoldenLoss("kernel_spectral", lambda record: {}),
    "barlow_twins": GoldenLoss("barlow_twins", _renamed(redundancy_weight="lambda_param", epsilon="bn_eps")),
    "vicreg": GoldenLoss("vicreg", _vicreg),
    "w_mse": GoldenLoss("w_mse", _renamed(shrinkage="eps")),
    "negative_cosine": GoldenLoss("negative_cosine", lambda record: {}),
    "swav": GoldenLoss(
        "swav",
        _renamed(scored=True, sinkhorn_temperature="sinkhorn_epsilon", sinkhorn_iterations="sinkhorn_iterations"),
        _given_scores,
    ),
    "protonce": GoldenLoss("protonce", _temperature, _clusters),
    "protonce_instance_part": GoldenLoss("protonce_instance_part", _temperature, _clusters),
    "protonce_proto_part": GoldenLoss("protonce_prototype_part", _temperature, _clusters),
    "mv_infonce": GoldenLoss("mv_infonce", _temperature),
    "mv_dhel": GoldenLoss("mv_dhel", _temperature),
    "mv_cl1_variant": GoldenLoss("mv_cross_view", _temperature),
    "mv_cl2_variant": GoldenLoss("mv_all_energies", _temperature),
    "ntxent_pairwise_views": GoldenLoss("ntxent_pairwise_views", _temperature),
    "ntxent_one_vs_rest_average": GoldenLoss("ntxent_one_vs_rest", _temperature),
    "ntxent_multi_positive": GoldenLoss("ntxent_multi_positive", _temperature),
    "poly_view_geometric": GoldenLoss("poly_view_geometric", _temperature),
    "poly_view_geometric_AS_IMPLEMENTED": GoldenLoss("poly_view_geometric", _temperature),
    "symile_n_squared": GoldenLoss("symile_tuples", _renamed(logit_scale="logit_scale"), _first_modalities),
    "symile_n": GoldenLoss("symile_drawn", _renamed(logit_scale="logit_scale"), _first_modalities),
    "groco": GoldenLoss(
        "groco", _renamed(steepness="steepness", negatives="topk_neg", stop_gradient="stop_grad")
    ),
    "mochi": GoldenLoss(
        "mochi", _renamed(scored=True, hardest="n_hard", pairs="s1", with_query="s2"), _mochi
    ),
    "feature_transformation_pos": _TRANSFORMED,
    "feature_transformation_neg": _TRANSFORMED,
    "feature_transformation_posneg": _TRANSFORMED,
    "m3col_mixco": GoldenLoss(
        "mixco",
        _renamed(scored=True, both_directions="bidirectional", fixed={"fixed_points": "overwritten"}),
        _mixco,
    ),
    "soft_clip": GoldenLoss("soft_clip", _temperature),
}  # fmt: skip


def loss_spec(golden: GoldenLoss) -> LossSpec:
    """Return the spec a golden name maps to."""
    return losses()[golden.spec]


def loss_value(record: Record, golden: GoldenLoss, leaves: Arrays, stored: Arrays, unit: bool) -> torch.Tensor:
    """Return what the record measures, from tensors of its input arrays; `unit` normalises rows, as some peers do."""
    if unit:
        leaves = {name: torch.nn.functional.normalize(rows, dim=-1) for name, rows in leaves.items()}
    made = golden.build(record, Leaves(leaves, stored))
    return golden.measure(loss_spec(golden), made, golden.translate(record)) * golden.factor(record, made)


def loss_tolerance(record: Record) -> float:
    """Return the tolerance of a record's value: some peers work in single precision, in whole or in part.

    It is relative; where only parts of the peer are in single precision (its margin, its targets), relative to 1 for
    values below 1, as the parts are of that size.
    """
    if record["dtype"] == "torch.float32":
        return 3e-6
    parts = record["loss"].startswith("ascl") or "angular_margin" in record["loss"]
    return 5e-8 if parts or (record["loss"] == "macl" and record["peer"].startswith("lightly")) else 1e-9
