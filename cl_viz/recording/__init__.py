"""Snapshots from a training loop: `Recorder`, and the callbacks of frameworks, one file each.

A callback is imported from its own module, which needs its framework:

- ``cl_viz.recording.lightning_callback.LightningRecorder``
- ``cl_viz.recording.huggingface_callback.HuggingFaceRecorder``
- ``cl_viz.recording.sentence_transformers_callback.SentenceTransformerRecorder``
- ``cl_viz.recording.lightly_callback.LightlyRecorder``
"""

from cl_viz.recording.recorder import Recorder
from cl_viz.recording.recorder import metrics_of as metrics_of

__all__ = ["Recorder", "metrics_of"]
