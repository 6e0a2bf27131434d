"""The page of the lessons names every lesson, step and figure, and gives no answer away."""

from pathlib import Path

from cl_viz.lessons import lessons


def test_every_lesson_is_on_its_page_with_its_figures(checkout: Path) -> None:
    page = (checkout / "docs" / "lessons.md").read_text(encoding="utf-8")
    for lesson in lessons():
        for part in (lesson.question, lesson.summary, *(step.question for step in lesson.steps)):
            assert part in page
        for name in lesson.drawings():
            assert f"`{name}`" in page
        for source in lesson.sources:
            assert source.citation in page
        for step in lesson.steps:
            assert step.explained() not in page
