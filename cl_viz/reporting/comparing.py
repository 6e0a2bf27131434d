"""What differs between the runs of a report, judged as on the Compare page from results that are at hand."""

from __future__ import annotations

from collections.abc import Sequence

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Result
from cl_viz.diagnostics import QuantityRow, RunTable, compared_diagnostics, pairing, tabulate


def compare_found(found: Sequence[tuple[EmbeddingSet, Sequence[Result]]], reference: str = "") -> RunTable | None:
    """Put the numbers of checked runs side by side, as `cl_viz.compare_runs` does; nothing is computed again.

    Parameters
    ----------
    found : sequence of (EmbeddingSet, sequence of Result)
        One entry a run.
    reference : str
        Name of the run that the others are compared with; by default, or where it has no results, the first.

    Returns
    -------
    RunTable or None
        None where fewer than two runs have results, or two share a name.
    """
    sets = {results[0].run: embedding_set for embedding_set, results in found if results}
    if len(sets) < 2 or len(sets) < sum(bool(results) for _, results in found):
        return None
    asked = set(compared_diagnostics())
    own = {results[0].run: [entry for entry in results if entry.diagnostic in asked] for _, results in found if results}
    first = reference if reference in sets else next(iter(sets))
    pairings = {name: pairing(sets[first], other, (first, name)) for name, other in sets.items() if name != first}
    return tabulate(own, pairings, first)


def beyond_noise(table: RunTable) -> list[QuantityRow]:
    """Return the rows in which a run differs from the reference beyond noise, the most first."""
    return [row for row in table.sorted_by() if row.strength() > 1]
