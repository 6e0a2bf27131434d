"""The engine needs numpy and torch and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_engine_passes_its_tests_with_numpy_and_torch_alone(checkout: Path) -> None:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    options = ["-p", "tests.slim_environment", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-q", "-m", "not slow"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/engine"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "could not import 'safetensors'" in ended.stdout
    assert "passed" in ended.stdout
