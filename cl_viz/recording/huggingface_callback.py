"""A callback for the Trainer of Hugging Face transformers that records a training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cl_viz.recording._encoding import EncodeFunction
from cl_viz.recording._frameworks import missing_framework, stop_message
from cl_viz.recording.recorder import Recorder

if TYPE_CHECKING:
    from transformers import TrainerCallback as TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise missing_framework("transformers", "cl_viz.recording.huggingface_callback") from error

_LOGGER = logging.getLogger("cl_viz.recording")


class HuggingFaceRecorder(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Records after every optimiser step that is due, and ends the training where the recorder says so.

    Parameters
    ----------
    recorder : Recorder
    encoder : function ``(batch, view) -> output``, optional
        What embeds the probe, for example ``lambda batch, view: model(**batch).pooler_output``; by default the model
        is called with the batch, and must return a tensor or a mapping of tensors.

    Notes
    -----
    Steps are ``state.global_step``; the trainer's last logged loss is kept with the snapshot.
    """

    def __init__(self, recorder: Recorder, encoder: EncodeFunction | None = None) -> None:
        self.recorder = recorder
        self.encoder = encoder

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the encoder as it is before the first step."""
        self._step(state, control, kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record where the step is due."""
        self._step(state, control, kwargs["model"])

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say that the recording is finished."""
        self.recorder.close()

    def _step(self, state: Any, control: Any, model: Any) -> None:
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), None)
        values = None if loss is None else {"loss": float(loss)}
        self.recorder.step(self.encoder or model, int(state.global_step), model=model, values=values)
        if self.recorder.should_stop and not control.should_training_stop:
            _LOGGER.warning(stop_message(self.recorder))
            control.should_training_stop = True
