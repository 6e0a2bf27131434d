"""A callback for lightly's models, which are Lightning modules with a backbone and a projection head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cl_viz.core.errors import InputError
from cl_viz.recording.lightning_callback import LightningRecorder
from cl_viz.recording.recorder import Recorder


class LightlyRecorder(LightningRecorder):
    """Records projector and backbone of a Lightning module written as lightly's examples are.

    Parameters
    ----------
    recorder : Recorder
    backbone, projection_head : str
        Names of the module's parts. The backbone's output is flattened; an output of more axes is pooled by the
        backbone itself in lightly's examples.

    Notes
    -----
    lightly needs no import here: its losses, heads and transforms stay in the module. For a model with a momentum
    encoder give the names of the part to look at, such as ``backbone_momentum``.
    """

    def __init__(
        self, recorder: Recorder, backbone: str = "backbone", projection_head: str = "projection_head"
    ) -> None:
        super().__init__(recorder)
        self._names = {"backbone": backbone, "projection_head": projection_head}

    def _step(self, trainer: Any, module: nn.Module) -> None:
        parts = {role: getattr(module, name, None) for role, name in self._names.items()}
        for role, name in self._names.items():
            if not isinstance(parts[role], nn.Module):
                raise InputError(
                    f"the module has no part {name!r}", where=type(module).__name__,
                    allowed=", ".join(name for name, _ in module.named_children()),
                    remedy=f"say which it is: LightlyRecorder(recorder, {role}=...)",
                )  # fmt: skip

        def encode(batch: Any, view: str) -> Mapping[str, Tensor]:
            features: Tensor = parts["backbone"](batch).flatten(start_dim=1)  # type: ignore[misc]
            return {"projector": parts["projection_head"](features), "backbone": features}  # type: ignore[misc]

        self.encoder = encode
        super()._step(trainer, module)
