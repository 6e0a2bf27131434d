"""What the quick diagnostics find on every bundled run: the page docs/findings.md, and what must be found.

``python -m sample_models.findings`` writes the page; a test makes it again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cl_viz
from cl_viz.core.result import LEVELS, Level
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.engine.scanner import Scanner

PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
SHOWN: Mapping[Level, str] = {"bad": "**bad**", "watch": "watch", "unknown": "·", "good": ""}
Levels = dict[str, dict[str, Level]]
"""Run -> diagnostic -> level."""
EXPECTED: dict[str, dict[str, Level]] = {
    "mnist-low-temperature": {"score_distribution": "bad", "hardness": "watch", "suggested_temperature": "watch"},
    "mnist-high-temperature": {"hardness": "watch", "suggested_temperature": "watch"},
    "mnist-small-batch-infonce": {"batch_size": "watch"},
    "mnist-complete-collapse": {
        "spectrum": "bad",
        "dimension_ranks": "bad",
        "isotropy": "bad",
        "alignment_uniformity": "bad",
        "neural_collapse": "bad",
        "score_distribution": "bad",
        "score_curves": "bad",
        "rank_curves": "bad",
    },
    "mnist-dimensional-collapse": {"spectrum": "bad", "dimension_ranks": "watch", "rank_curves": "watch"},
    "mnist-supervised-parity": {"spectrum": "bad", "dimension_ranks": "bad", "score_distribution": "bad"},
    "mnist-two-towers": {"modality_gap": "watch"},
    "mnist-rare-4-seed-0": {"representation_harm": "bad"},
}
"""Run -> the diagnostics that must find what was trained in, and the level that they must say at least."""


def missed(run: str, found: Mapping[str, Level]) -> list[str]:
    """Return the diagnostics that say less of a run than they must."""
    expected = EXPECTED.get(run, {})
    return [name for name, level in expected.items() if LEVELS.index(found[name]) > LEVELS.index(level)]


def levels() -> Levels:
    """Check every bundled run, all of them at hand for the diagnostics that compare runs."""
    runs = cl_viz.sample_runs(cl_viz.sample_run_names())
    scanner = Scanner()
    return {
        run.name: {result.diagnostic: result.level for result in cl_viz.check(run, others=runs, scanner=scanner)}
        for run in runs
    }


def page(found: Levels) -> str:
    """Return the page: a column a run, a row a diagnostic that found anything in any run."""
    cards = {run.name: run.card for run in cl_viz.sample_runs(cl_viz.sample_run_names())}
    asked = [name for name in DIAGNOSTICS if any(own.get(name) in ("bad", "watch") for own in found.values())]
    silent = [name for name in DIAGNOSTICS if DIAGNOSTICS[name].quick and name not in asked]
    shown = {run: run.removeprefix("mnist-") for run in found}
    lines = [
        "<!-- Made by `python -m sample_models.findings`; a test makes it again. -->",
        "",
        "# What is found on the bundled runs",
        "",
        "Each bundled run was trained to show one phenomenon, so the findings have right answers:",
        "",
        *(f"- `{run}`: {cards[run].get('title', run)}" for run in found),
        "",
        "The rows are the quick diagnostics that found anything in any run, at the last step, in the first layer; an",
        "empty cell is good, a dot unknown. No threshold was set with these runs in view;",
        "[other seeds](fresh_seeds.md) of the same recipes were checked too.",
        "",
        f"Good or unknown in every run: {', '.join(f'`{name}`' for name in silent)}.",
        "",
        f"| Diagnostic | {' | '.join(shown.values())} |",
        f"|---|{'---|' * len(shown)}",
    ]
    for name in asked:
        cells = " | ".join(SHOWN[own.get(name, "unknown")] for own in found.values())
        lines.append(f"| [{name}](diagnostics/{name}.md) | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(levels()), encoding="utf-8")
