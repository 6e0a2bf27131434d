"""Where what is computed once is kept on disk; each room has a folder of its own below."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "CL_VIZ_CACHE"
"""Environment variable that names another folder."""


def cache_root() -> Path:
    """Return the folder that `CACHE_VARIABLE` names, else the user's cache folder; it need not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        from platformdirs import user_cache_dir
    except ImportError:
        return Path.home() / ".cache" / "cl_viz"
    return Path(user_cache_dir("cl_viz"))
