"""LaTeX as MathML, which browsers draw without a script."""

from __future__ import annotations

import re

_SIZED = re.compile(r"\\(?:big|Big|bigg|Bigg)[lr]?\s*(\\[|{}])")
_OPERATOR = re.compile(r"\\(arg)(?![A-Za-z])")


def mathml(formula: str) -> str:
    r"""Return a formula as MathML, a block of its own for each part that ``, \quad`` separates.

    Parameters
    ----------
    formula : str
        LaTeX without dollar signs.
    """
    from latex2mathml.converter import convert

    # The converter knows neither sized norms and braces, which lose their size, nor the operator arg.
    known = _OPERATOR.sub(r"\\mathrm{\1}\\,", _SIZED.sub(r"\1", formula))
    return "".join(convert(part, display="block") for part in known.split(r", \quad"))
