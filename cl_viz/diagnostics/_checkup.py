"""The checkup: every quick diagnostic on one run, and results that show themselves as findings, worst first."""

from __future__ import annotations

import html
from collections.abc import Sequence

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import LEVELS, Finding, Result
from cl_viz.core.run import Run
from cl_viz.diagnostics._causes_first import all_findings
from cl_viz.diagnostics._running import DIAGNOSTICS, as_run, diagnose, passes_of
from cl_viz.engine.scanner import Scanner


class Checkup(list[Result]):
    """Results of one run, in the order of the registry; a list that a notebook shows as its findings."""

    @property
    def findings(self) -> list[Finding]:
        """Findings of all results, worst first, causes before what comes of them."""
        return all_findings(self)

    def __repr__(self) -> str:
        told = (finding for finding in self.findings if finding.level != "good")
        return "\n".join([self._heading(), *(f"  {finding!r}" for finding in told)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left"><b>{finding.level}</b></td>'
            f'<td style="text-align:left">{html.escape(finding.diagnostic)}</td><td style="text-align:left">'
            f"{html.escape(finding.message)} <i>{html.escape(finding.advice)}</i></td></tr>"
            for finding in self.findings
        )
        return f"<h4>{html.escape(self._heading())}</h4><table>{rows}</table>"

    def _heading(self) -> str:
        levels = [finding.level for finding in self.findings]
        counted = ", ".join(f"{levels.count(level):,} {level}" for level in LEVELS)
        run = f"Checkup of {self[0].run} (N = {self[0].caveats.n_used:,})" if self else "Checkup of nothing"
        return f"{run}: {counted}"


def check(
    target: Run | EmbeddingSet,
    *,
    others: Sequence[Run | EmbeddingSet] = (),
    step: int | None = None,
    layer: str | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> Checkup:
    """Run every quick diagnostic, with the run card's parameters; no pass over pairs is made twice.

    Returns
    -------
    Checkup
        A list of results in the order of the registry, see `diagnose`; it shows itself as findings, worst first, which
        are also its ``findings``.
    """
    run = as_run(target)
    keeper = scanner or Scanner()
    quick = [spec for spec in DIAGNOSTICS.values() if spec.quick]
    keeper.expect(run.get(step, layer), passes_of(quick))
    results = Checkup()
    for index, spec in enumerate(quick):

        def report(done: float, message: str, index: int = index, title: str = spec.title) -> None:
            progress((index + done) / len(quick), f"{title}: {message}")

        results.append(diagnose(spec.name, run, others=others, step=step, layer=layer, scanner=keeper, progress=report))
    progress(1.0, "done")
    return results
