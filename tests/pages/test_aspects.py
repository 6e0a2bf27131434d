"""Pages of several questions: each has its aspect, links open it, and the findings of all are said once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.core.result import Finding
from cl_viz.dashboard import aspects, finding_lines
from cl_viz.diagnostics import DIAGNOSTICS

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]


def test_every_diagnostic_of_a_page_with_aspects_is_in_one_of_them() -> None:
    for spec in DIAGNOSTICS.values():
        if spec.page in aspects.PAGES:
            found = aspects.PAGES[spec.page]
            assert found.of(spec.name), f"{spec.name} is in no aspect of {spec.page}"
            assert aspects.place_in_address(spec) == {found.key: found.of(spec.name)}
        else:
            assert aspects.place_in_address(spec) == {}


@pytest.mark.parametrize("name", ["run_similarity", "step_similarity", "batch_size", "isotropy"])
def test_the_checkup_links_to_the_aspect_that_holds_the_figure(name: str, open_app: OpenApp, dump: Dump) -> None:
    spec = DIAGNOSTICS[name]
    (key, title), *_ = aspects.place_in_address(spec).items()
    app = open_app(dump(), page=spec.page, **{key: title})
    assert not app.exception
    assert app.segmented_control(key=key).value == title


def test_a_finding_of_the_checkup_links_to_the_page_and_the_aspect_that_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links: list[tuple[str, str, dict[str, object]]] = []
    monkeypatch.setattr(
        "streamlit.page_link",
        lambda page, *, label, query_params, **_: links.append((page, label, query_params)),
    )
    monkeypatch.setattr("cl_viz.dashboard.checkup.chip_image", lambda _: "")

    def draw() -> None:
        from cl_viz.core.result import Caveats, Finding, Result
        from cl_viz.dashboard import checkup

        found = [
            Result(name, "a", {}, {}, (Finding(name, "bad", f"{name} (N = 10)"),), Caveats(10, 0, 3, ("v",)))
            for name in ("isotropy", "modality_gap", "spectrum", "lidar", "hubness")
        ]
        checkup.paragraphs({"a": {result.diagnostic: result for result in found}})

    assert not AppTest.from_function(draw).run().exception
    place = ("pages/geometry/alignment_uniformity.py", "Alignment & uniformity")
    collapse = ("pages/geometry/collapse.py", "Collapse")
    assert links == [
        ("pages/geometry/modality_gap.py", "Modality gap", {"run": ["a"]}),
        (*collapse, {"run": ["a"], "collapse": "Spectrum"}),
        (*place, {"run": ["a"], "alignment_uniformity": "Isotropy"}),
        (*collapse, {"run": ["a"], "collapse": "LiDAR"}),
        (*place, {"run": ["a"], "alignment_uniformity": "Hubs"}),
    ]


def test_findings_that_runs_share_are_said_once_and_cut_to_their_line() -> None:
    def draw() -> None:
        from cl_viz.core.result import Finding
        from cl_viz.dashboard import finding_lines

        shared = Finding("d", "unknown", "Unknown: the card names no class")
        own = Finding("d", "bad", "Own of one (N = 10)")
        found = [(shared, run) for run in ("a", "b", "c")] + [(own, "b")]
        finding_lines.box(found, lambda finding: "Batch size" if finding.level == "bad" else "")

    app = AppTest.from_function(draw).run()
    lines = [element.value for element in app.markdown]
    assert sum("All 3 runs" in line for line in lines[:2]) == 1
    assert ":gray[Batch size:] **b**" in lines[0]
    long = Finding("d", "bad", f"The first part {'is long ' * 20}; the second (N = 1,000)")
    assert finding_lines.brief(long.message, 100).endswith("long  (N = 1,000)")
