"""For each metric of a diagnostic golden record, the function of cl_viz that meets it; one file a section."""

from __future__ import annotations

import importlib
import pkgutil

from tests.golden_records import Metric


def all_metrics() -> dict[str, Metric]:
    """Return every section's `METRICS`; a metric that two sections claim is an error."""
    found: dict[str, Metric] = {}
    for module in pkgutil.iter_modules(__path__):
        own = importlib.import_module(f"{__name__}.{module.name}").METRICS
        assert not set(own) & set(found), module.name
        found.update(own)
    return found
