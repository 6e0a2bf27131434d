"""Every number against the value that a peer's own code returned.

``pytest tests/test_goldens.py --goldens DIR`` tests another folder of the same form. A record whose metric is not
built yet is reported as ``not built``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden_metrics import all_metrics
from tests.golden_records import (
    LOSS_METRICS,
    Goldens,
    Record,
    loss_spec,
    loss_tolerance,
    loss_value,
    tolerance,
)

OWN = Path(__file__).parent / "goldens"
DIAGNOSTIC_METRICS = all_metrics()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "record" not in metafunc.fixturenames:
        return
    goldens = Goldens(Path(metafunc.config.getoption("--goldens") or OWN))
    kind = "losses" if "loss" in metafunc.function.__name__ else "diagnostics"
    records = goldens.records(kind)
    names = [
        f"{index}-{record.get('metric', record.get('loss'))}-{record['input_name']}"
        for index, record in enumerate(records)
    ]
    metafunc.parametrize("record", records, ids=names)


@pytest.fixture
def goldens(request: pytest.FixtureRequest) -> Goldens:
    return Goldens(Path(request.config.getoption("--goldens") or OWN))


def test_diagnostic(record: Record, goldens: Goldens) -> None:
    metric = DIAGNOSTIC_METRICS.get(record["metric"])
    if metric is None:
        pytest.skip(f"not built: {record['metric']}")
    arrays = goldens.arrays("diagnostics")
    found, theirs = metric(record, arrays, goldens.records("diagnostics")), record["value"]
    if isinstance(theirs, dict):
        found, theirs = (np.concatenate([np.ravel(side[name]) for name in theirs]) for side in (found, theirs))
    value, expected = np.asarray(found), np.asarray(theirs)
    if record["kind"] == "peer-variant":
        assert not np.allclose(value, expected, rtol=1e-6), "the peer computes another quantity; ours must differ"
    else:
        np.testing.assert_allclose(value, expected, **tolerance(record, arrays))


def test_loss(record: Record, goldens: Goldens) -> None:
    if record.get("use_as_test") is False:
        pytest.skip(f"a note on the peer, not a target: {record['loss']}")
    golden = LOSS_METRICS.get(record["loss"])
    if golden is None:
        pytest.skip(f"not built: {record['loss']}")
    stored = {name: torch.from_numpy(array) for name, array in goldens.arrays("losses").items()}
    short, rtol = record["dtype"] == "torch.float32", loss_tolerance(record)
    in_part = not short and rtol > 1e-9
    value = torch.tensor(torch.nan)
    gradients: dict[bool, dict[str, np.ndarray]] = {}
    for unit in (False, True) if loss_spec(golden).rows == "unit" else (False,):
        names = record["input_arrays"]
        leaves = {name: stored[f"{record['input_name']}/{name}"].clone().requires_grad_() for name in names}
        value = loss_value(record, golden, leaves, stored, unit)
        np.testing.assert_allclose(value.item(), record["value"], rtol=rtol, atol=rtol if in_part else 1e-12)
        if value.requires_grad:
            found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
            gradients[unit] = {name: gradient.numpy() for name, gradient in zip(names, found, strict=True)}
    known, norms = goldens.gradients(), record.get("grad_fro", {})
    # Single precision, in the whole peer or in its targets, is not that of a few decimals but of the largest entries.
    rtol, atol = (1e-4, 1e-6) if short else (1e-6, 1e-7 if in_part else 1e-9)
    for name in record["input_arrays"] if gradients else ():
        # Some peers normalise an input inside and some do not: the gradient is that of one of the two.
        theirs, norm = known.get(f"{record['id']}__{name}"), norms.get(name)
        assert any(
            (theirs is None or np.allclose(found[name], theirs, rtol=rtol, atol=atol))
            and (norm is None or np.isclose(np.linalg.norm(found[name]), norm, rtol=rtol, atol=atol))
            for found in gradients.values()
        ), f"gradient in {name} differs from {record['peer']}"


def test_every_built_metric_is_in_the_goldens() -> None:
    """A mapping whose record is gone would never run."""
    own = Goldens(OWN)
    assert set(DIAGNOSTIC_METRICS) <= {record["metric"] for record in own.records("diagnostics")}
    assert set(LOSS_METRICS) <= {record["loss"] for record in own.records("losses")}
