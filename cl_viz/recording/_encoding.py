"""Running a model on the probe as if nothing had happened: modes, random states and gradients are as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cl_viz.core.errors import InputError
from cl_viz.recording._probe import Probe, as_model_takes

EncodeFunction = Callable[[Any, str], Any]
Layers = dict[str, dict[str, NDArray[np.float32]]]
"""Layer -> view -> embeddings, each of shape (N, D)."""

ONLY_LAYER = "embedding"
"""Name of the layer where an encoder returns one tensor."""


def encode_probe(
    encoder: nn.Module | EncodeFunction, probe: Probe, batch_size: int, seed: int, model: nn.Module | None = None
) -> Layers:
    """Embed the probe.

    Parameters
    ----------
    encoder : Module, or function ``(batch, view) -> output``
        The output is a tensor (B, D), or a mapping from layer to such tensors; a module is called with the batch.
    probe : Probe
    batch_size : int
    seed : int
        Of the draws of an encoder that draws: the same at every snapshot.
    model : Module, optional
        What a function runs; by default the encoder itself, where it is a module.

    Raises
    ------
    InputError
        If the output is something else, differs in size, or the model is sharded over processes.
    """
    if isinstance(encoder, nn.Module):
        model, plain = encoder, _whole(encoder)
        call: EncodeFunction = lambda batch, view: plain(**batch) if isinstance(batch, Mapping) else plain(batch)  # noqa: E731
    else:
        call = encoder
    found: dict[str, dict[str, list[Tensor]]] = {}
    with as_it_was(model, seed), torch.no_grad():
        like = next(model.parameters(), None) if model is not None else None
        for view in probe.views:
            for batch in probe.batches(view, batch_size):
                for layer, output in _layers(call(as_model_takes(batch, like), view)).items():
                    found.setdefault(layer, {}).setdefault(view, []).append(output.detach().float().cpu())
    return {layer: _joined(layer, views, probe) for layer, views in found.items()}


@contextmanager
def as_it_was(model: nn.Module | None, seed: int) -> Iterator[None]:
    """Put a model into evaluation mode with seeded draws; afterwards every module and generator is as before."""
    training = [(module, module.training) for module in model.modules()] if model is not None else []
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002 - the loop's own generator
    devices = list(range(torch.cuda.device_count())) if cuda_is_used() else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            if model is not None:
                model.eval()
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
        for module, mode in training:
            module.training = mode


def cuda_is_used() -> bool:
    """Whether this process has begun to use a CUDA device."""
    return torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _whole(model: nn.Module) -> nn.Module:
    """Return the module inside a data-parallel wrapper; one process alone may call that one.

    Raises
    ------
    InputError
        If its weights are spread over processes: no process alone can run it.
    """
    if type(model).__name__ == "FullyShardedDataParallel":
        raise InputError(
            "the model's weights are spread over processes", where="Recorder.step",
            allowed="a module, a data-parallel module, or a function (batch, view) that every process calls",
            remedy="give a function that gathers the weights",
        )  # fmt: skip
    wrapped = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    return cast(nn.Module, model.module) if wrapped else model


def _layers(output: Any) -> dict[str, Tensor]:
    if isinstance(output, np.ndarray):
        output = torch.from_numpy(output)
    layers = {ONLY_LAYER: output} if isinstance(output, Tensor) else output
    pick = "[0]" if isinstance(output, (tuple, list)) else ".pooler_output"
    wrong = not isinstance(layers, Mapping) or not layers
    if wrong or not all(isinstance(entry, (Tensor, np.ndarray)) for entry in layers.values()):
        raise InputError(
            f"the encoder returns {type(output).__name__}", where="Recorder.step",
            allowed="a tensor (B, D), or a mapping from layer to such tensors",
            remedy=f"give a function, such as lambda batch, view: model(batch){pick}",
        )  # fmt: skip
    return {str(layer): torch.as_tensor(entry) for layer, entry in layers.items()}


def _joined(layer: str, views: Mapping[str, list[Tensor]], probe: Probe) -> dict[str, NDArray[np.float32]]:
    joined = {}
    width = 0
    for view in probe.views:
        parts = views.get(view, [])
        width = width or (parts[0].shape[-1] if parts and parts[0].ndim else 0)
        if any(part.ndim != 2 or part.shape[1] != width for part in parts) or sum(map(len, parts)) != probe.rows:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts[:3]) or "nothing"
            raise InputError(
                f"layer {layer!r} of view {view!r} is {shapes}", where="Recorder.step",
                allowed=f"tensors (B, D) with {probe.rows:,} rows together, of one D in every batch and view",
                remedy="give a function that pools other axes, such as lambda batch, view: model(batch).mean(dim=1)",
            )  # fmt: skip
        joined[view] = torch.cat(parts).numpy()
    return joined
