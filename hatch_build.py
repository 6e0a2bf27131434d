"""What goes into the wheel beside the package: the dashboard and the sample models, so that `cl-viz app` works there.

An editable install takes them from the checkout instead, so nothing is copied for it.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = ("app.py", "pages", "sample_models", ".streamlit/config.toml")


class CarryTheApp(BuildHookInterface):  # type: ignore[type-arg]
    """Put the app into ``cl_viz/_app`` of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files; `version` is "standard" for a wheel, "editable" for an editable install."""
        if version == "standard":
            build_data["force_include"].update({path: f"cl_viz/_app/{path}" for path in CARRIED})
