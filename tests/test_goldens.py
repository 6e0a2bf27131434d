"""Every number against the value that a peer's own code returned.

``pytest tests/test_goldens.py --goldens DIR`` tests another folder of the same form. A record whose metric is not
built yet is reported as ``not built``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden_records import (
    DIAGNOSTIC_METRICS,
    LOSS_METRICS,
    Goldens,
    Record,
    loss_inputs,
    loss_spec,
    loss_value,
    tolerance,
)

OWN = Path(__file__).parent / "goldens"


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
    value = np.asarray(metric(record, goldens.arrays("diagnostics"), goldens.records("diagnostics")))
    expected = np.asarray(record["value"])
    if record["kind"] == "peer-variant":
        assert not np.allclose(value, expected, rtol=1e-6), "the peer computes another quantity; ours must differ"
    else:
        np.testing.assert_allclose(value, expected, **tolerance(record))


def test_loss(record: Record, goldens: Goldens) -> None:
    if record.get("use_as_test") is False:
        pytest.skip(f"a note on the peer, not a target: {record['loss']}")
    golden = LOSS_METRICS.get(record["loss"])
    if golden is None:
        pytest.skip(f"not built: {record['loss']}")
    arrays = goldens.arrays("losses")
    views, extra = loss_inputs(record, arrays, golden)
    given = record["hyperparameters"]
    # SupContrast multiplies by temperature / base temperature; a definition does not.
    factor = given["temperature"] / given["base_temperature"] if "base_temperature" in given else 1.0
    short = record["dtype"] == "torch.float32"
    spec = loss_spec(golden)
    value = torch.tensor(torch.nan)
    gradients: dict[bool, list[np.ndarray]] = {}
    for unit in (False, True) if spec.rows == "unit" else (False,):
        rows = [torch.from_numpy(arrays[f"{record['input_name']}/{name}"]).requires_grad_() for name in views]
        value = loss_value(spec, rows, extra, golden.translate(given), unit) * factor
        gradients[unit] = [gradient.numpy() for gradient in torch.autograd.grad(value, rows)]
    np.testing.assert_allclose(value.item(), record["value"], rtol=3e-6 if short else 1e-9, atol=1e-12)
    expected = [goldens.gradients().get(f"{record['id']}__{name}") for name in views]
    if any(gradient is None for gradient in expected):
        return
    # Some peers normalise inside and some do not: the gradient is that of one of the two.
    close = [
        all(
            np.allclose(mine, theirs, rtol=1e-4 if short else 1e-7, atol=1e-6 if short else 1e-10)
            for mine, theirs in zip(found, expected, strict=True)
        )
        for found in gradients.values()
    ]
    assert any(close), f"gradient differs from {record['peer']}"


def test_every_built_metric_is_in_the_goldens() -> None:
    """A mapping whose record is gone would never run."""
    own = Goldens(OWN)
    assert set(DIAGNOSTIC_METRICS) <= {record["metric"] for record in own.records("diagnostics")}
    assert set(LOSS_METRICS) <= {record["loss"] for record in own.records("losses")}
