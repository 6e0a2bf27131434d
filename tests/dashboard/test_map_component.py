"""What goes to the browser as bytes, and where plotly.js comes from."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from cl_viz.dashboard.map_component import pack, routes, script_address
from cl_viz.figures.map_scene import Scene
from cl_viz.figures.plotly_script import plotly_script


@pytest.mark.parametrize("filler", ["", "ä", "x" * 7])
def test_arrays_come_back_from_the_bytes_at_multiples_of_eight(filler: str) -> None:
    arrays = {
        "x": np.arange(5, dtype=np.float32),
        "code": np.array([1, 2, 3], dtype=np.uint8),
        "row": np.arange(0, dtype=np.int32),
    }
    content = pack(Scene({"kind": "points", "filler": filler}, arrays), {"status": "fine"})
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    assert header["filler"] == filler
    assert header["status"] == "fine"
    assert len(header["revision"]) == 24
    for name, array in arrays.items():
        entry = header["arrays"][name]
        assert entry["at"] % 8 == 0
        assert entry["at"] >= 4 + length
        found = np.frombuffer(content[entry["at"] : entry["at"] + entry["bytes"]], dtype=entry["type"])
        assert np.array_equal(found, array)


def test_plotly_is_served_from_the_installed_package() -> None:
    (route,) = routes()
    answer = route.endpoint(None)
    assert route.path == f"/{script_address()}"
    assert answer.path == plotly_script().path
    assert b"plotly.js v" in answer.path.read_bytes()[:200]
    assert answer.media_type == "text/javascript"
    assert "immutable" in answer.headers["cache-control"]
    assert plotly_script().version in script_address()
