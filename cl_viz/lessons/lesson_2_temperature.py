"""Lesson 2: what the temperature does to the push on negatives."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _sharp_pushes as sharp
from cl_viz.lessons._papers import SIMCLR, WANG_ISOLA, WANG_LIU

SPEC = LessonSpec(
    name="temperature",
    number=2,
    title="Temperature",
    question="What does the temperature do?",
    summary="You can say on how many negatives a loss really looks, what a low temperature costs, and why.",
    minutes=12,
    steps=(
        LessonStep(
            name="effective",
            title="How many negatives count",
            question=(
                "**120 samples** of six classes, two views each: every anchor has 238 negatives. Their pushes are "
                "proportional to exp(s / temperature). The *effective negatives* are how many equal negatives would "
                "have the same entropy: all 238 if the push is even, 1 if a single negative takes it all."
            ),
            prediction=Prediction(
                "At temperature 0.1, on how many of its 238 negatives does an anchor's push effectively rest?",
                "choice",
                sharp.effective_answer,
                (sharp.MOST, sharp.HALF, sharp.FEW),
            ),
            params=sharp.TemperatureParams,
            figures={"push": sharp.push_histogram, "effective": sharp.effective_curve},
            told=sharp.told_effective,
            explanation=(
                "The temperature chooses between two extremes. Near 0 only the hardest negative counts, as in a "
                "triplet loss with hard mining: at 0.02 {cold} negatives are left. At high temperatures all count "
                "alike, and the loss no longer tells hard from easy: at 5 it is {warm} of {all}."
            ),
            numbers=sharp.effective_numbers,
            formula=(
                r"r_{an} = \frac{e^{s_{an}/\tau}}{\sum_k e^{s_{ak}/\tau}}, \qquad "
                r"\mathrm{effective\ negatives} = \exp\Big(-\sum_n r_{an}\log r_{an}\Big)"
            ),
            sources=(WANG_LIU,),
        ),
        LessonStep(
            name="false",
            title="Whom a low temperature hits",
            question=(
                "The hardest negatives are the most similar ones. Some of them are similar for a good reason: they "
                "show the same class. The loss pushes them away all the same; they are *false negatives*."
            ),
            prediction=Prediction(
                "As the temperature falls, what happens to the share of the push on the anchor's own class?",
                "choice",
                sharp.false_answer,
                (sharp.RISES, sharp.FALLS, sharp.SAME),
            ),
            params=sharp.TemperatureParams,
            figures={"false_negatives": sharp.false_curve},
            told=sharp.told_false,
            explanation=(
                "The loss sees no labels, but it sees scores, and the samples of one class score high. So a low "
                "temperature spends its push on exactly those pairs that ought to stay together. At a high temperature "
                "their share falls to their share among the negatives."
            ),
            formula=r"\mathrm{push\ on\ false\ negatives} = \sum_{n:\, y_n = y_a} r_{an}",
            sources=(WANG_LIU,),
        ),
        LessonStep(
            name="dilemma",
            title="The uniformity-tolerance dilemma",
            question=(
                "A low temperature spreads the samples evenly (*uniformity*), and tears classes apart; a high one is "
                "*tolerant*: samples of one class may stay close, but the sphere is used less evenly. The paper "
                "trained on CIFAR10 at temperatures 0.07, 0.3, 0.7 and 1.0 and measured the accuracy of a linear "
                "classifier."
            ),
            prediction=Prediction(
                "Which temperature was best?",
                "pick",
                sharp.best_temperature,
                tuple(f"{value:g}" for value in sharp.TABLE["temperature"]),
            ),
            params=sharp.DilemmaParams,
            figures={"flow": sharp.moving, "published": sharp.published},
            told=sharp.told_dilemma,
            explanation=(
                "Neither end wins. In the paper uniformity worsened from {uniformity_cold} at {temperature_cold} to "
                "{uniformity_warm} at {temperature_warm}, while tolerance, the mean cosine within a class, rose from "
                "{tolerance_cold} to {tolerance_warm}. Neither number alone ranks models: complete collapse is "
                "perfectly tolerant. The best temperature depends on data, batch and loss; 0.3 is no law. The flow "
                "beside it has no encoder: it shows only what the loss asks for."
            ),
            numbers=sharp.dilemma_numbers,
            formula=(
                r"\mathrm{tolerance} = \mathbb{E}\,[\,s_{xy} \mid y_x = y_y\,], \qquad "
                r"\mathrm{uniformity} = \log \mathbb{E}\, e^{-2\lVert x-y\rVert^2}"
            ),
            sources=(WANG_LIU, WANG_ISOLA, SIMCLR),
        ),
    ),
    exercise=Exercise(
        task=(
            "Find a temperature that is picky but not cruel: **fewer than {negatives} effective negatives** of 238, "
            "and **less than {false} % of the push on the anchor's own class**."
        ),
        params=sharp.TemperatureParams,
        figures={"exercise_push": sharp.push_histogram, "exercise_false": sharp.false_curve},
        check=sharp.check,
        diagnostics=("hardness",),
        solution={"temperature": 0.3},
        hint="Effective negatives grow with the temperature, the push on the own class falls: look between 0.2 "
        "and 0.4.",
        limits=sharp.LIMITS,
    ),
    own_run=(
        OwnRun(
            "How many effective negatives does your run have at its own temperature, and what share of the push falls "
            "on false negatives?",
            "temperature/hardness",
            "hardness",
        ),
        OwnRun(
            "Where does your run stand between uniformity and tolerance?",
            "temperature/hardness",
            "uniformity_tolerance",
        ),
    ),
)
