"""A callback for Lightning (``lightning`` or ``pytorch_lightning``) that records a training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from torch import nn

from cl_viz.recording._encoding import EncodeFunction
from cl_viz.recording._frameworks import missing_framework, stop_message
from cl_viz.recording.recorder import Recorder

if TYPE_CHECKING:
    from lightning.pytorch import Callback as Callback
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError as error:
            raise missing_framework("lightning", "cl_viz.recording.lightning_callback") from error

_LOGGER = logging.getLogger("cl_viz.recording")


class LightningRecorder(Callback):  # type: ignore[misc, unused-ignore]
    """Records after every optimiser step that is due, and stops the trainer where the recorder says so.

    Parameters
    ----------
    recorder : Recorder
    encoder : function ``(batch, view) -> output``, optional
        What embeds the probe; by default the Lightning module is called with the batch.

    Notes
    -----
    Steps are ``trainer.global_step``. The metrics that the module logged in the step are kept with the snapshot.
    """

    def __init__(self, recorder: Recorder, encoder: EncodeFunction | None = None) -> None:
        super().__init__()
        self.recorder = recorder
        self.encoder = encoder
        self._last = -1

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Record the encoder as it is before the first step."""
        self._step(trainer, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Record where the step is due; with accumulated gradients, once an optimiser step."""
        self._step(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Say that the recording is finished."""
        self.recorder.close()

    def _step(self, trainer: Any, module: nn.Module) -> None:
        step = int(trainer.global_step)
        if step == self._last:
            return
        self._last = step
        # Reading a metric waits for the device, so it is done only where it is kept.
        due = self.recorder.due(step)
        values = {name: float(value) for name, value in trainer.callback_metrics.items()} if due else None
        self.recorder.step(self.encoder or module, step, model=module, values=values)
        if self.recorder.should_stop and not trainer.should_stop:
            _LOGGER.warning(stop_message(self.recorder))
            trainer.should_stop = True
