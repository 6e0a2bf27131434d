"""The losses that are timed: ours by name, and the same loss in other packages, where they are installed."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cl_viz.losses import compute

N_CLASSES = 64
N_PROTOTYPES = 300
Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes two views, raw rows, and returns the mean loss."""

PACKAGES = {"lightly": "lightly", "pml": "pytorch-metric-learning", "info_nce": "info-nce-pytorch"}


@dataclass
class Case:
    """One loss.

    `share` of the rows of the peers' batch; `scale` and `shift` bring the peer's value to ours.
    """

    label: str
    ours: Loss
    peers: dict[str, Loss] = field(default_factory=dict)
    scale: float = 1.0


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(PACKAGES[package])
    except importlib.metadata.PackageNotFoundError:
        return None


def cases(n: int, dim: int) -> dict[str, Case]:
    """Return the cases for batches of n samples; peers that are not installed are left out."""
    labels = torch.arange(n) % N_CLASSES
    prototypes = normalize(torch.randn(N_PROTOTYPES, dim, generator=torch.Generator().manual_seed(3)), dim=1)

    def ours(name: str, *, labelled: bool = False, **parameters: Any) -> Loss:
        if labelled:
            return lambda x, y: compute(name, x, labels, **parameters).mean()
        return lambda x, y: compute(name, (x, y), **parameters).mean()

    found = {
        "infonce": Case("InfoNCE, one side", ours("infonce_one_sided", temperature=0.1)),
        "ntxent": Case("NT-Xent", ours("ntxent", temperature=0.5)),
        "dcl": Case("DCL", ours("dcl", temperature=0.1)),
        "dclw": Case("DCLW", ours("dclw", temperature=0.1)),
        "supcon": Case("SupCon (out), 64 classes", ours("supcon_out", labelled=True, temperature=0.1)),
        "triplet": Case("Triplet, all, 64 classes", ours("triplet", labelled=True)),
        "triplet_hard": Case("Triplet, batch-hard", ours("triplet", labelled=True, mining="batch_hard")),
        "triplet_semihard": Case("Triplet, semi-hard", ours("triplet", labelled=True, mining="semihard")),
        "npairs": Case("N-pairs", ours("npairs", normalise=True, norm_weight=0.0)),
        "macl": Case("MACL", ours("macl", temperature=0.1, epsilon=1e-8)),
        "align_uniform": Case("Alignment + uniformity", ours("align_uniform", t=1.0)),
        "vicreg": Case("VICReg", ours("vicreg")),
        "barlow": Case("Barlow Twins", ours("barlow_twins")),
        "w_mse": Case("W-MSE", ours("w_mse")),
        "swav": Case("SwAV, 300 prototypes", ours("swav", prototypes=prototypes)),
        "negative_cosine": Case("Negative cosine", ours("negative_cosine")),
    }
    if version_of("info_nce"):
        _add_info_nce(found)
    if version_of("lightly"):
        _add_lightly(found, n, prototypes)
    if version_of("pml"):
        _add_metric_learning(found, n, labels)
    return found


def _add_info_nce(found: dict[str, Case]) -> None:
    found["infonce"].peers["info_nce"] = importlib.import_module("info_nce").InfoNCE(temperature=0.1)


def _add_lightly(found: dict[str, Case], n: int, prototypes: Tensor) -> None:
    def loss(module: str, name: str, **options: Any) -> Any:
        return getattr(importlib.import_module(f"lightly.loss.{module}"), name)(**options)

    _without_images()
    peers: dict[str, Loss] = {
        "ntxent": loss("ntx_ent_loss", "NTXentLoss", temperature=0.5),
        "dcl": loss("dcl_loss", "DCLLoss", temperature=0.1),
        "dclw": loss("dcl_loss", "DCLWLoss", temperature=0.1),
        "macl": loss("macl_loss", "MACLLoss"),
        "align_uniform": loss("hypersphere_loss", "HypersphereLoss"),
        "vicreg": loss("vicreg_loss", "VICRegLoss"),
        "barlow": loss("barlow_twins_loss", "BarlowTwinsLoss"),
        "negative_cosine": loss("negative_cosine_similarity", "NegativeCosineSimilarity"),
    }
    whitening = loss("wmse_loss", "WMSELoss", w_size=n, w_iter=1)
    peers["w_mse"] = lambda x, y: whitening(torch.cat([x, y]))
    swav = loss("swav_loss", "SwaVLoss")
    peers["swav"] = lambda x, y: swav([normalize(x, dim=1) @ prototypes.T, normalize(y, dim=1) @ prototypes.T], [])
    for name, peer in peers.items():
        found[name].peers["lightly"] = peer


def _without_images() -> None:
    """Let lightly's losses be imported where torchvision is not installed: its package files ask for it.

    Only names that no loss uses on one machine are stood in for.
    """
    if importlib.util.find_spec("torchvision") is not None:
        return
    folder = Path(importlib.util.find_spec("lightly").origin).parent  # type: ignore[union-attr, arg-type]
    for name in ("loss", "models", "models.modules"):
        package = types.ModuleType(f"lightly.{name}")
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[package.__name__] = package
    helpers: Any = types.ModuleType("lightly.models.utils")
    helpers.concat_all_gather = lambda tensor: tensor
    sys.modules["lightly.models.utils"] = helpers
    sys.modules["lightly.models"].utils = helpers  # type: ignore[attr-defined]


def _add_metric_learning(found: dict[str, Case], n: int, labels: Tensor) -> None:
    losses = importlib.import_module("pytorch_metric_learning.losses")
    miners = importlib.import_module("pytorch_metric_learning.miners")
    supcon, triplet = losses.SupConLoss(temperature=0.1), losses.TripletMarginLoss()
    hard, semihard = miners.BatchHardMiner(), miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
    npairs, pairs = losses.NPairsLoss(), torch.arange(n).repeat(2)
    vicreg = losses.VICRegLoss()
    peers: dict[str, Loss] = {
        "supcon": lambda x, y: supcon(x, labels),
        "triplet": lambda x, y: triplet(x, labels),
        "triplet_hard": lambda x, y: triplet(x, labels, hard(x, labels)),
        "triplet_semihard": lambda x, y: triplet(x, labels, semihard(x, labels)),
        "npairs": lambda x, y: npairs(torch.cat([x, y]), pairs),
        "vicreg": lambda x, y: vicreg(x, ref_emb=y),
    }
    for name, peer in peers.items():
        found[name].peers["pml"] = peer
