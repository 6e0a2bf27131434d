"""Lesson 3: why batch size matters to NT-Xent, and what DCL takes away."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _coupled_gradients as coupled
from cl_viz.lessons._papers import DCL, SIMCLR

SPEC = LessonSpec(
    name="batch_size",
    number=3,
    title="Batch size",
    question="Why does the batch have to be so large?",
    summary="You can say how positives and negatives are coupled in NT-Xent, when that starves the gradient, and when "
    "DCL helps.",
    minutes=12,
    steps=(
        LessonStep(
            name="coupling",
            title="The coupling",
            question=(
                "A batch of **8 samples**. The encoder is already good: every positive scores 0.9, every negative 0. "
                "At temperature 0.1 the softmax gives the positive the probability P. All gradients of NT-Xent, on the "
                "positive and on every negative, carry the same factor 1 - P."
            ),
            prediction=Prediction(
                "How much of the gradient does that factor leave?",
                "choice",
                coupled.multiplier_answer,
                (coupled.ALL, coupled.HALF, coupled.LITTLE),
            ),
            params=coupled.CouplingParams,
            figures={"multiplier": coupled.multiplier_curve},
            told=coupled.told_multiplier,
            explanation=(
                "This is the *negative-positive coupling*. Where the positive is easy, or there are few negatives, P "
                "is near 1 and everything stands still, the push on hard negatives included. More samples make the sum "
                "over negatives larger and the factor grows towards 1. So a large batch is needed not only for its "
                "hard negatives: it keeps the signal alive."
            ),
            formula=(
                r"q_a = 1 - \frac{e^{s_{ap}/\tau}}{e^{s_{ap}/\tau} + \sum_n e^{s_{an}/\tau}}, \qquad "
                r"\frac{\partial L_a}{\partial s_{an}} = \frac{q_a\, r_{an}}{\tau}"
            ),
            sources=(DCL, SIMCLR),
        ),
        LessonStep(
            name="variation",
            title="Unequal anchors",
            question=(
                "Now 120 samples of six classes, where some positives are easy and some hard. The factor then differs "
                "from anchor to anchor. Its spread, relative to its mean, says how unevenly a batch listens."
            ),
            prediction=Prediction(
                "Where does the factor vary more, relative to its mean, at temperature 0.1?",
                "choice",
                coupled.variation_answer,
                (coupled.SMALL_VARY, coupled.LARGE_VARY, coupled.ALIKE),
            ),
            params=coupled.VariationParams,
            figures={"by_batch": coupled.by_batch, "variation": coupled.variation_curve},
            told=coupled.told_variation,
            explanation=(
                "A small mean could be made good by a larger learning rate; a large spread could not. In a small batch "
                "a few anchors have all the gradient. A higher temperature shrinks the spread too, so batch size and "
                "temperature are not tuned independently."
            ),
            formula=r"\mathrm{variation} = \frac{\mathrm{sd}(q_a)}{\mathrm{mean}(q_a)}",
            sources=(DCL,),
        ),
        LessonStep(
            name="decoupled",
            title="Decoupled",
            question=(
                "DCL leaves the positive out of the denominator. Its gradient has the same direction in every anchor, "
                "but not the factor 1 - P. Take the batch of 8 from the first step: positives 0.9, negatives 0, "
                "temperature 0.1."
            ),
            prediction=Prediction(
                "How large is DCL's gradient, compared with that of NT-Xent?",
                "choice",
                coupled.ratio_answer,
                (coupled.EQUAL, coupled.TENFOLD, coupled.HUNDREDFOLD),
            ),
            params=coupled.DecoupledParams,
            figures={"ratio": coupled.ratio_curve},
            told=coupled.told_ratio,
            explanation=(
                "The ratio is exactly 1 / (1 - P). So DCL helps where P is near 1: small batches, low temperatures, "
                "easy positives. It is no gain everywhere: with {large} samples at temperature 0.5 the ratio is {hot}, "
                "and the two losses are practically one. Do not compare their values: DCL may be negative, because its "
                "positive is not in the sum."
            ),
            numbers=coupled.ratio_numbers,
            formula=r"L^{\mathrm{DCL}}_a = -\frac{s_{ap}}{\tau} + \log\sum_{n \in \mathrm{neg}(a)} e^{s_{an}/\tau}",
            sources=(DCL,),
        ),
    ),
    exercise=Exercise(
        task=(
            "Your GPU holds 64 samples. Choose batch and temperature so that NT-Xent keeps **a factor of at least "
            "{multiplier}** on average, and still looks at **fewer than {negatives} effective negatives** of 238."
        ),
        params=coupled.ExerciseParams,
        figures={"exercise_multiplier": coupled.exercise_curve, "exercise_effective": coupled.exercise_effective},
        check=coupled.check,
        diagnostics=("batch_size", "hardness"),
        solution={"batch": 64, "temperature": 0.1},
        hint="Both numbers grow with the temperature; only one of them grows with the batch.",
        limits=coupled.LIMITS,
    ),
    own_run=(
        OwnRun(
            "What factor does your run keep at the batch size and temperature it was trained with? Would twice the "
            "batch change it?",
            "temperature/hardness",
            "batch_size",
        ),
    ),
)
