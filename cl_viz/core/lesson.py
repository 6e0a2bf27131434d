"""What a lesson declares: steps with a question, a prediction, figures that answer it, and an exercise with a check."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.result import Source, format_number
from cl_viz.core.view import View


@dataclass(frozen=True)
class Animation:
    """A figure that moves: the same figure at several moments.

    Attributes
    ----------
    moments : tuple of View
        All of one kind, with the same series.
    labels : tuple of str
        What the slider shows of each moment, one a moment.
    unit : str
        What the labels count, for example ``"step"``.
    """

    moments: tuple[View, ...]
    labels: tuple[str, ...]
    unit: str = "step"

    def __post_init__(self) -> None:
        if not self.moments or len(self.moments) != len(self.labels):
            raise InputError(
                f"{len(self.moments)} moments with {len(self.labels)} labels", where="Animation",
                allowed="at least one moment, and one label a moment",
            )  # fmt: skip


Figure = View | Animation
Draw = Callable[[Any], Figure]
"""``draw(params) -> View or Animation``; pure and fast: it answers while a control is dragged."""


@dataclass(frozen=True)
class Prediction:
    """What the student says before the figure answers.

    Attributes
    ----------
    ask : str
        One sentence, a question.
    kind : {"choice", "number", "pick"}
        One of several sentences; a number to type; one of the named things in the figure.
    answer : callable
        ``answer() -> str or float``: computed, never written down.
    options : tuple of str
        For choices and picks; the answer is among them.
    range : tuple of float
        For numbers: what may be typed, ends included.
    within : float
        For numbers: how far from the answer still counts as right.
    unit : str
        For numbers.
    """

    ask: str
    kind: Literal["choice", "number", "pick"]
    answer: Callable[[], str | float]
    options: tuple[str, ...] = ()
    range: tuple[float, float] = (-math.inf, math.inf)
    within: float = 0.0
    unit: str = ""

    def is_right(self, given: str | float) -> bool:
        """Whether a prediction is right.

        Raises
        ------
        InputError
            If it is none of the options, or outside the range.
        """
        answer = self.answer()
        if self.kind != "number":
            if given not in self.options:
                raise InputError(f"{given!r} is no option", where=self.ask, allowed="; ".join(self.options))
            return given == answer
        low, high = self.range
        if isinstance(given, str) or not low <= given <= high:
            raise InputError(f"{given!r} cannot be predicted", where=self.ask, allowed=f"{low:g} to {high:g}")
        return abs(float(given) - float(answer)) <= self.within * (1 + 1e-9)

    def answer_text(self) -> str:
        """Return the answer as it is shown."""
        answer = self.answer()
        if isinstance(answer, str):
            return answer
        return f"{format_number(answer)} {self.unit}".rstrip()


@dataclass(frozen=True)
class LessonStep:
    """One question of a lesson.

    Attributes
    ----------
    name, title : str
        Identifier within the lesson; heading.
    question : str
        Markdown: what is looked at.
    prediction : Prediction
    params : type of Params
        Controls that the figures respond to.
    figures : Mapping of Draw
        Shown after the prediction; the first is the main one.
    told : callable
        ``told(params) -> str``: one sentence that says what the figure shows at these controls, with numbers and N.
    explanation : str
        Markdown; words in braces are replaced by `numbers`.
    formula : str
        LaTeX without dollar signs.
    sources : tuple of Source
    setup : callable or None
        ``setup() -> View``: what is shown before the prediction, without giving the answer away.
    numbers : callable
        ``numbers() -> Mapping of str``: what stands in the braces of `explanation`, computed.
    """

    name: str
    title: str
    question: str
    prediction: Prediction
    params: type[Params]
    figures: Mapping[str, Draw]
    told: Callable[[Any], str]
    explanation: str
    formula: str
    sources: tuple[Source, ...]
    setup: Callable[[], View] | None = None
    numbers: Callable[[], Mapping[str, str]] = field(default=dict)

    def explained(self) -> str:
        """Return the explanation with its numbers."""
        return self.explanation.format_map(dict(self.numbers()))


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes
    ----------
    passed : bool
    message : str
        One or two sentences with the numbers and their N, whether passed or not.
    numbers : Mapping[str, float]
        What the check measured, by ``diagnostic.quantity``.
    """

    passed: bool
    message: str
    numbers: Mapping[str, float]

    def _repr_html_(self) -> str:
        said = "Solved." if self.passed else "Not yet."
        return f"<p><b>{said}</b> {html.escape(self.message)}</p>"


@dataclass(frozen=True)
class Exercise:
    """A task whose answer the diagnostics check.

    Attributes
    ----------
    task : str
        Markdown; words in braces are replaced by `limits`.
    params : type of Params
        Controls; their defaults do not pass.
    figures : Mapping of Draw
    check : callable
        ``check(params) -> Outcome``: runs the diagnostics named in `diagnostics`.
    diagnostics : tuple of str
    solution : Mapping
        Values of controls that pass, with which a test proves that the task can be done.
    hint : str
        Shown on demand.
    limits : Mapping[str, float]
        The numbers that the check compares with.
    """

    task: str
    params: type[Params]
    figures: Mapping[str, Draw]
    check: Callable[[Any], Outcome]
    diagnostics: tuple[str, ...]
    solution: Mapping[str, Any]
    hint: str
    limits: Mapping[str, float] = field(default_factory=dict)

    def told(self) -> str:
        """Return the task with its limits."""
        return self.task.format_map({name: f"{value:.3g}" for name, value in self.limits.items()})


@dataclass(frozen=True)
class OwnRun:
    """Where the question of a lesson is asked of one's own run.

    Attributes
    ----------
    text : str
        Markdown: what to look for.
    page, diagnostic : str
        As in `DiagnosticSpec.page` and `DiagnosticSpec.name`.
    """

    text: str
    page: str
    diagnostic: str


@dataclass(frozen=True)
class LessonSpec:
    """One lesson.

    Attributes
    ----------
    name : str
        Identifier; its page is ``pages/learn/<name>.py``.
    number : int
        Place among the lessons, from 1.
    title : str
        Short name for menus.
    question : str
        The page's title, a question.
    summary : str
        One or two sentences: what one can do afterwards.
    minutes : int
        About how long it takes, below 15.
    steps : tuple of LessonStep
    exercise : Exercise
    own_run : tuple of OwnRun
    """

    REQUIRED: ClassVar[tuple[str, ...]] = (
        "name", "number", "title", "question", "summary", "minutes", "steps", "exercise", "own_run",
    )  # fmt: skip

    name: str
    number: int
    title: str
    question: str
    summary: str
    minutes: int
    steps: tuple[LessonStep, ...]
    exercise: Exercise
    own_run: tuple[OwnRun, ...]

    def step(self, name: str) -> LessonStep:
        """Return the step called `name`.

        Raises
        ------
        InputError
            If there is none.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise InputError(f"no step {name!r}", where=self.name, allowed=", ".join(entry.name for entry in self.steps))

    @property
    def parts(self) -> tuple[LessonStep | Exercise, ...]:
        """The steps and the exercise: what has controls and figures."""
        return (*self.steps, self.exercise)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Papers that the lesson rests on, each once."""
        return tuple(dict.fromkeys(source for step in self.steps for source in step.sources))

    def drawings(self) -> dict[str, tuple[type[Params], Draw]]:
        """Return every figure by name, with the parameters it takes; names are unique within a lesson."""
        return {name: (part.params, draw) for part in self.parts for name, draw in part.figures.items()}
