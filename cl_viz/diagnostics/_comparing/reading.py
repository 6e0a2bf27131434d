"""How a table of runs is read, in Markdown: beside it on a page, and in a report."""

from __future__ import annotations

HOW_TO_READ = (
    "Each row is one number of every run, with its 95 % interval. *May differ*: the 95 % interval of the "
    "difference from the reference run does not hold 0; of equal runs one difference in twenty is marked. "
    "*Differs*: also after all differences of the table are judged together, at a false discovery rate of 5 % "
    "(Benjamini and Yekutieli 2001, which holds however the numbers depend on each other).\n\n"
    "**Paired**: both runs embed the same samples, so the difference is judged sample by sample. *Influences*: how "
    "much each sample moved the one number less how much it moved the other (infinitesimal jackknife, Efron 1982). "
    "*Bootstrap*: the numbers on as many samples drawn with replacement, the same draws in both runs (Efron 1979), "
    "for numbers of sums over rows. *Half-samples*: on half the samples, drawn without replacement, for numbers of "
    "pairs and neighbours, where a sample drawn twice would be its own neighbour; their spread is that of the "
    "bootstrap to first order (Shao and Wu 1989). Equal samples are drawn together. "
    "**Unpaired**: as if the samples were others; too wide where they are the same. **No interval**: shown, not "
    "judged, and the last column says why.\n\n"
    "*Best* is the highest or the lowest value, where one of the two is better; it may lie within noise. Samples "
    "are what varies: another seed of the same training can differ by more."
)
