"""The report as one page: nothing is fetched, nothing in a name or a label becomes markup, every figure is there."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Caveats, Result
from cl_viz.core.view import Axis, Heatmap, Table
from cl_viz.dashboard.navigation import SECTIONS
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.figures.captions import together
from cl_viz.reporting import html_document, html_text
from cl_viz.reporting.explaining import explanation
from cl_viz.reporting.report_figures import ReportFigures

Found = list[tuple[cl_viz.EmbeddingSet, Sequence[Result]]]


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = str(dict(attrs).get("id", len(self.scripts)))

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None


@pytest.fixture(scope="module")
def text(found: Found) -> str:
    return html_text([results for _, results in found])


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_fetches_nothing(page: Page, text: str) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
        assert not attributes.get("src"), attributes
        if tag == "a":
            assert str(attributes["href"]).startswith(("https://", "#"))
    policy = next(attributes for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert len(text) < 8e6


def test_findings_and_contents_lead_to_their_figures(page: Page, found: Found) -> None:
    places = {str(attributes.get("id")) for tag, attributes in page.tags if tag == "section"}
    links = [str(attributes["href"])[1:] for tag, attributes in page.tags if tag == "a"]
    inside = [link for link in links if link in places]
    assert not [attributes for tag, attributes in page.tags if str(attributes.get("href")).startswith("#")
                and str(attributes["href"])[1:] not in places]  # fmt: skip
    told = [f for _, results in found for result in results for f in result.findings if f.level in ("bad", "watch")]
    assert told
    asked = {result.diagnostic for _, results in found for result in results}
    assert len(inside) == len(told) + len(asked)


def test_names_and_labels_stay_text(page: Page) -> None:
    assert "img" not in [tag for tag, _ in page.tags]
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not [tag for tag, _ in page.tags if tag == "b"] or all(
        not attributes for tag, attributes in page.tags if tag == "b"
    )
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 3


def test_every_figure_is_there_in_both_themes(page: Page, found: Found) -> None:
    figures = json.loads(page.scripts["figures"])
    places = [attributes for _, attributes in page.tags if "data-figure" in attributes]
    assert [int(str(place["data-figure"])) for place in places] == list(range(len(figures)))
    drawn = {
        (result.diagnostic, name)
        for _, results in found
        for result in results
        for name, view in result.views.items()
        if type(view).__name__ != "Table"
    }
    assert len(figures) == len(drawn)
    for figure in figures:
        assert set(figure) - {"paper"} == {"light", "dark"}
        assert not figure["light"]["layout"].get("title", {}).get("text")
        assert figure["light"]["layout"]["paper_bgcolor"] != figure["dark"]["layout"]["paper_bgcolor"]
        assert [trace["type"] for trace in figure["light"]["data"]] == [
            trace["type"] for trace in figure["dark"]["data"]
        ]
    captions = [attributes["id"] for tag, attributes in page.tags if tag == "figcaption"]
    assert captions == [place["aria-labelledby"] for place in places]


def test_every_finding_and_number_is_there_and_every_figure_says_what_it_found_on_each_run(
    text: str, found: Found
) -> None:
    shown = html.unescape(re.sub("</?span[^>]*>", "", text)).replace("\N{NO-BREAK SPACE}", " ")
    for _, results in found:
        for result in results:
            assert all(finding.message in shown for finding in result.findings)
            assert all(quantity.text() in shown for quantity in result.quantities.values())
            assert all(view.title in shown for view in result.views.values())


def test_a_figure_has_the_n_of_its_runs_once_where_they_share_it(found: Found) -> None:
    results = [results[0] for _, results in found]
    colours = {result.run: place for place, result in enumerate(results)}
    shared = ReportFigures(colours).place(results, ["distribution"])
    assert shared.count(together("N = 120")) == 1
    assert "in each run" in shared
    assert results[0].views["false_negatives"].n == 120, "pairs are counted by their samples"
    assert results[0].views["rank"].n == 240, "rows of both views"
    fewer = replace(results[1], views={"distribution": replace(results[1].views["distribution"], n=7)})
    both = ReportFigures(colours).place([results[0], fewer], ["distribution"])
    assert both.count(together("N = 120")) == 1
    assert both.count(together("N = 7")) == 1


def test_every_run_has_its_own_matrix_and_its_own_table_of_samples() -> None:
    axis = Axis("class")
    results = [
        Result(
            "class_cosines", run, {},
            {
                "matrix": Heatmap(f"matrix of {run}", axis, axis, np.eye(2), ("a", "b"), ("a", "b"), axis),
                "pairs": Table("pairs", {"row": np.arange(30), "score": np.full(30, 0.0001234)}),
            },
            (), Caveats(30, 0, 4, ("v",)),
        )
        for run in ("one", "two")
    ]  # fmt: skip
    made = Page(html_text([[result] for result in results]))
    assert len(json.loads(made.scripts["figures"])) == 2
    shown = html_text([[result] for result in results])
    assert shown.index("matrix of one") < shown.index("matrix of two")
    assert shown.count("pairs (one)</summary>") == shown.count("pairs (two)</summary>") == 1
    assert "<td>0.000123</td>" in shown


def test_the_page_is_in_order_for_those_who_cannot_see_it(page: Page) -> None:
    assert next(attributes for tag, attributes in page.tags if tag == "html")["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "table")
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))


def test_sections_stand_in_the_order_of_the_menu() -> None:
    assert [name.lower() for name in html_document.SECTIONS] == [
        section for section in SECTIONS if section in {name.lower() for name in html_document.SECTIONS}
    ]
    assert {spec.section for spec in DIAGNOSTICS.values()} <= set(html_document.SECTIONS)


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_every_diagnostic_can_be_explained_without_a_network(name: str) -> None:
    made = explanation(DIAGNOSTICS[name])
    assert "<math" in made
    assert "merror" not in made
    assert "$" not in re.sub(r"<[^>]*>", "", made)
