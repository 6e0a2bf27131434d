"""What the documentation site shows beyond the Markdown: formulas as MathML, example figures, the README as its
tour.

MkDocs calls the functions whose names begin with ``on_`` (see `mkdocs.yml`).
"""

from __future__ import annotations

import html
import os
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import cl_viz
from cl_viz import simulate
from cl_viz.core.view import Table, View
from cl_viz.diagnostics import DIAGNOSTICS, estimate
from cl_viz.engine.scanner import Scanner
from cl_viz.losses import FAMILIES, losses
from cl_viz.reporting.formulas import mathml
from cl_viz.simulate import FlowStart

CHECKOUT = Path(__file__).parent.parent
FROM_CHECKOUT = {"README.md": "tour.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages that stand beside docs/, by what they are called in the site."""
LONGEST_EXAMPLE = 20.0
"""Seconds that an example may take to compute."""
FIGURES = "CL_VIZ_SITE_FIGURES"
"""Environment variable; 0 leaves the examples out."""
_SCRIPT = "assets/plotly.min.js"
_EXAMPLE = "mnist-healthy"
_OTHERS = ("mnist-low-temperature",)
_FAMILY = tuple(f"mnist-{kind}-seed-{seed}" for seed in range(3) for kind in ("rare-4", "balanced"))


def formula(source: str, language: str, css_class: str, options: Any, md: Any, **kwargs: Any) -> str:
    """Return a fenced block of LaTeX as MathML."""
    return f'<div class="{css_class}">{mathml(source)}</div>'


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the menu with a page for each diagnostic and each loss."""
    entries = {
        "Diagnostics": [(spec.section, f"diagnostics/{name}.md") for name, spec in DIAGNOSTICS.items()],
        "Losses": [(family.label, f"losses/{loss.name}.md") for family in FAMILIES.values() for loss in family.losses],
    }
    for entry in config.nav or []:
        for title in entries.keys() & entry.keys():
            sections: dict[str, list[str]] = {}
            for section, page in entries[title]:
                sections.setdefault(section, []).append(page)
            entry[title] = [*entry[title], *({section: pages} for section, pages in sections.items())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand beside docs/."""
    for source, target in FROM_CHECKOUT.items():
        text = (CHECKOUT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_relinked(text.replace("](docs/", "]("))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to the pages made here, and end a diagnostic's page with an example."""
    # A page's title is its first heading, if nothing stands above it.
    markdown = _relinked(re.sub(r"^<!--.*?-->\s*", "", markdown))
    folder, _, name = page.file.src_uri.removesuffix(".md").rpartition("/")
    makers = {"diagnostics": example, "losses": loss_example}
    if folder in makers and name != "README" and os.environ.get(FIGURES) != "0":
        return markdown + makers[folder](name)
    return markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Put plotly's script into the site, once for all figures."""
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    target = Path(config.site_dir) / _SCRIPT
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(script, target)


def example(name: str) -> str:
    """Return the first figure of a diagnostic on a bundled run as HTML; nothing where it would take too long.

    Parameters
    ----------
    name : str
        A key of `DIAGNOSTICS`.
    """
    run, *others = _runs(_FAMILY if DIAGNOSTICS[name].needs == "family" else (_EXAMPLE, *_OTHERS))
    if estimate(name, run, others=others, scanner=_scanner()) > LONGEST_EXAMPLE:
        return ""
    result = cl_viz.diagnose(name, run, others=others, scanner=_scanner())
    view = next((view for view in result.views.values() if not isinstance(view, Table)), None)
    if view is None:
        return ""
    return _drawn(view, f"On the bundled run `{run.name}`: " + " ".join(entry.message for entry in result.findings))


def loss_example(name: str) -> str:
    """Return what a loss pushes on in a bundled run, as HTML; nothing where the run lacks what the loss needs.

    Parameters
    ----------
    name : str
        A key of `cl_viz.losses.losses()`.
    """
    start = _start()
    if start.missing(name):
        return ""
    forces = {losses()[name].label: simulate.loss_forces(name, start, batches=4)}
    view = simulate.force_weights(forces) or simulate.force_shares(forces)
    if view is None:
        return ""
    return _drawn(view, f"Four batches of 256 samples of the bundled run `{_EXAMPLE}`, default hyper-parameters.")


def _drawn(view: View, said: str) -> str:
    figure = cl_viz.render(view)
    figure.update_layout(height=420)
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, div_id="example-figure")
    return (
        f"\n\n## Example\n\n{html.escape(said, quote=False)}\n\n"
        f'<script src="../{_SCRIPT}"></script>\n<div class="example">{drawn}</div>\n'
    )


def _relinked(text: str) -> str:
    for source, target in FROM_CHECKOUT.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(source)}\)", f"]({target})", text)
    # A folder's own README is its index; others from beside docs/ are not part of the site.
    return text.replace("](LICENSE)", "](https://www.apache.org/licenses/LICENSE-2.0)")


@lru_cache(maxsize=2)
def _runs(names: tuple[str, ...]) -> list[cl_viz.Run]:
    return cl_viz.sample_runs(list(names))


@lru_cache(maxsize=1)
def _start() -> FlowStart:
    return simulate.start_from(_runs((_EXAMPLE, *_OTHERS))[0].get())


@lru_cache(maxsize=1)
def _scanner() -> Scanner:
    return Scanner()
