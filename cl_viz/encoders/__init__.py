"""Checkpoints: one file per family; recognise, build, encode.

`recognise` says what a checkpoint is, `encode` runs one on data; `open_run` opens a run folder or a dump,
`sample_runs` the bundled ones. They are imported at first use, because running an encoder needs torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cl_viz.core.encoder import EncoderSpec
from cl_viz.core.registry import Registry

if TYPE_CHECKING:
    from cl_viz.encoders._encoding import encode as encode
    from cl_viz.encoders._open import Target as Target
    from cl_viz.encoders._open import open_run as open_run
    from cl_viz.encoders._open import sample_folder as sample_folder
    from cl_viz.encoders._open import sample_run_names as sample_run_names
    from cl_viz.encoders._open import sample_runs as sample_runs
    from cl_viz.encoders._recognising import recognise as recognise

ENCODERS: Registry[EncoderSpec] = Registry("cl_viz.encoders", EncoderSpec)

# name -> module that defines it
_EXPORTS = {
    "encode": "cl_viz.encoders._encoding",
    "Target": "cl_viz.encoders._open",
    "open_run": "cl_viz.encoders._open",
    "recognise": "cl_viz.encoders._recognising",
    "sample_folder": "cl_viz.encoders._open",
    "sample_run_names": "cl_viz.encoders._open",
    "sample_runs": "cl_viz.encoders._open",
}

__all__ = ["ENCODERS", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'cl_viz.encoders' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
