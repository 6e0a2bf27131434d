"""A callback for the trainer of sentence-transformers that records a training; the probe is texts."""

from __future__ import annotations

from typing import Any

import torch

from cl_viz.recording._frameworks import missing_framework
from cl_viz.recording.recorder import Recorder

try:
    import sentence_transformers as _installed  # noqa: F401
except ImportError as error:
    raise missing_framework("sentence-transformers", "cl_viz.recording.sentence_transformers_callback") from error

from cl_viz.recording.huggingface_callback import HuggingFaceRecorder


class SentenceTransformerRecorder(HuggingFaceRecorder):
    """Records what a `SentenceTransformer` makes of the probe's texts.

    Parameters
    ----------
    recorder : Recorder
        Its probe is a list of texts a view, for example ``(questions, answers)``.

    Notes
    -----
    Texts are encoded by the model's own ``encode``, so that pooling and normalisation are those of the model.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)

    def _step(self, state: Any, control: Any, model: Any) -> None:
        def encode(batch: Any, view: str) -> torch.Tensor:
            rows: torch.Tensor = model.encode(
                list(batch), batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False
            )
            return rows

        self.encoder = encode
        super()._step(state, control, model)
