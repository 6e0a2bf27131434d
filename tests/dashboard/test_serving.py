"""What is seen first of a server that has just started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FRAME_UNTIL_ITS_MENU = """
import runpy, sys
import streamlit
def menu_drawn(pages, **kwargs):
    print("torch" in sys.modules, len(pages))
    raise SystemExit
streamlit.navigation = menu_drawn
runpy.run_path("app.py", run_name="__main__")
"""


def test_the_menu_is_drawn_before_torch_is_loaded(checkout: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FRAME_UNTIL_ITS_MENU]
    told = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "8"]
