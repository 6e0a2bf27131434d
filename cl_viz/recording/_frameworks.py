"""What the frameworks' callbacks share: a library that is missing, and how a stop is told."""

from __future__ import annotations

from cl_viz.core.errors import MissingDependencyError
from cl_viz.recording.recorder import Recorder


def missing_framework(library: str, callback: str) -> MissingDependencyError:
    """Return the error for a callback whose framework is not installed."""
    return MissingDependencyError(
        f"the library {library!r} is needed for this callback and is not installed",
        where=callback,
        remedy=f"pip install {library}",
    )


def stop_message(recorder: Recorder) -> str:
    """Return the sentence that a callback says when it ends a training."""
    return f"cl_viz stops the training: {recorder.reason}"
