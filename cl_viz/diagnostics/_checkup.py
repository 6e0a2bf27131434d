"""The checkup: every quick diagnostic on one run, and results that show themselves as findings, worst first."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from cl_viz.core.embedding_set import ROLES, EmbeddingSet
from cl_viz.core.errors import InputError, similar_name
from cl_viz.core.named import Named
from cl_viz.core.notebook_html import SMALL, folded
from cl_viz.core.progress import ProgressCallback, or_bar
from cl_viz.core.quantity_table import quantity_table
from cl_viz.core.result import LEVELS, Findings, Result
from cl_viz.core.run import Run
from cl_viz.diagnostics._causes_first import all_findings
from cl_viz.diagnostics._running import DIAGNOSTICS, as_run, diagnose, passes_of
from cl_viz.engine.scanner import Scanner

if TYPE_CHECKING:
    import pandas as pd

    from cl_viz.encoders import Target
    from cl_viz.formats import RoleValue


class Checkup(list[Result]):
    """Results of one run, in the order of the registry; a list that a notebook shows as its findings.

    ``checkup["spectrum"]`` is the result of one diagnostic, ``checkup.findings`` are all findings, and
    ``checkup.table()`` has all numbers.
    """

    @property
    def findings(self) -> Findings:
        """Findings of all results, worst first, causes before what comes of them."""
        return Findings(all_findings(self))

    def table(self) -> pd.DataFrame:
        """Return every quantity of every result as one row of a pandas frame, as a report in Parquet has them."""
        return quantity_table(self)

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Result: ...
    @overload
    def __getitem__(self, key: slice) -> list[Result]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Result | list[Result]:
        """Return the result of a diagnostic, by its name or its place.

        Raises
        ------
        InputError
            If there is no such name.
        """
        if not isinstance(key, str):
            return super().__getitem__(key)
        return Named("result", "checkup", {result.diagnostic: result for result in self})[key]

    def _ipython_key_completions_(self) -> list[str]:
        return [result.diagnostic for result in self]

    def __repr__(self) -> str:
        told = (finding for finding in self.findings if finding.level != "good")
        return "\n".join([self._heading(), *(f"  {finding!r}" for finding in told)])

    def _repr_html_(self) -> str:
        found = self.findings
        first = found.of("bad", "watch")
        shown = first.as_html(diagnostics=True) if first else "<p>Nothing is bad, and nothing to watch.</p>"
        rest = (
            (found.of("unknown"), "unknown: an input is missing; each says what to add"),
            (found.of("good"), "good"),
        )
        more = "".join(
            folded(f"{len(entries):,} {said}", entries.as_html(diagnostics=True)) for entries, said in rest if entries
        )
        hint = '<code>checkup["name"]</code> is one result, with its numbers and figures.' if self else ""
        return f"<h4>{html.escape(self._heading())}</h4>{shown}{more}<p {SMALL}>{hint}</p>"

    def _heading(self) -> str:
        levels = [finding.level for finding in self.findings]
        counted = ", ".join(f"{levels.count(level):,} {level}" for level in LEVELS)
        run = f"Checkup of {self[0].run} (N = {self[0].caveats.n_used:,})" if self else "Checkup of nothing"
        return f"{run}: {counted}"


def check(
    target: Target,
    *,
    others: Sequence[Target] = (),
    step: int | None = None,
    layer: str | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback | None = None,
    **roles: RoleValue,
) -> Checkup:
    """Run every quick diagnostic, with the run card's parameters; no pass over pairs is made twice.

    Parameters
    ----------
    target : Run or EmbeddingSet, path, or what is in memory
        What `cl_viz.open_run` takes: a path, an array or tensor (N, D), a tuple of views, a mapping, a table.
    others, step, layer, scanner, progress : optional
        As for `cl_viz.diagnose`.
    **roles
        ``label=labels``, ``group=...`` and so on: as for `cl_viz.load`, of a target that is no run or set yet.

    Returns
    -------
    Checkup
        A list of results in the order of the registry, see `diagnose`; it shows itself as findings, worst first, which
        are also its ``findings``.

    Raises
    ------
    InputError
        If the target cannot be used, or a role is not known.

    Examples
    --------
    >>> cl_viz.check("dump.npz")  # doctest: +SKIP
    >>> cl_viz.check((view_1, view_2), label=labels)["spectrum"].figure()  # doctest: +SKIP
    """
    run = as_run(_with_roles(target, roles) if roles else target)
    progress = or_bar(progress, f"Checkup of {run.name}")
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


def _with_roles(target: Target, roles: Mapping[str, RoleValue]) -> EmbeddingSet:
    """Return what is no run or set yet as a set, with its roles."""
    for name in roles:
        if name not in ROLES:
            raise InputError(
                f"unknown argument {name!r}", where="check", allowed=f"the roles {', '.join(ROLES)}",
                remedy=similar_name(name, ROLES) or "cl_viz.diagnose takes parameters of a diagnostic",
            )  # fmt: skip
    if isinstance(target, Run | EmbeddingSet):
        raise InputError(
            "roles are given for a set that has its own", where="check",
            remedy="change them first: cl_viz.check(embedding_set.with_roles(label=COLUMN))",
        )  # fmt: skip
    from cl_viz.formats import load

    given: dict[str, Any] = dict(roles)
    return load(target, **given)
