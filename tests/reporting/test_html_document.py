"""The report as one page: nothing is fetched, nothing in a name or a label becomes markup, every figure is there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.reporting import html_text
from cl_viz.reporting.explaining import explanation

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
        assert set(figure) == {"light", "dark"}
        assert figure["light"]["layout"]["paper_bgcolor"] != figure["dark"]["layout"]["paper_bgcolor"]
        assert [trace["type"] for trace in figure["light"]["data"]] == [
            trace["type"] for trace in figure["dark"]["data"]
        ]
    assert all(place["aria-label"] for place in places)


def test_every_finding_and_number_is_there(text: str, found: Found) -> None:
    import html

    for _, results in found:
        for result in results:
            for finding in result.findings:
                assert html.escape(finding.message) in text
            for quantity in result.quantities.values():
                assert html.escape(quantity.text()) in text


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_every_diagnostic_can_be_explained_without_a_network(name: str) -> None:
    made = explanation(DIAGNOSTICS[name])
    assert "<math" in made
    assert "merror" not in made
    assert "$" not in re.sub(r"<[^>]*>", "", made)
