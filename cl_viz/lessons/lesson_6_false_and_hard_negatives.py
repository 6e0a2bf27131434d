"""Lesson 6: false and hard negatives, and what debiasing, reweighting and transforming features do about them."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _changed_features as changed
from cl_viz.lessons import _false_and_hard as hard
from cl_viz.lessons._papers import CHUANG, KALANTIDIS, ROBINSON, WANG_LIU, ZHU

SPEC = LessonSpec(
    name="false_and_hard_negatives",
    number=6,
    title="False and hard negatives",
    question="Which negatives should the loss listen to?",
    summary="You can say what false negatives cost, and what debiasing, reweighting, mixing and extrapolation change.",
    minutes=14,
    steps=(
        LessonStep(
            name="cost",
            title="What false negatives cost",
            question=(
                "64 samples of 8 classes. Two samples of one class score 0.6, two of different classes 0. Across the "
                "views an anchor has 63 negatives, and 7 of them are of its own class: 11 %. The temperature is 0.2."
            ),
            prediction=Prediction(
                "What percentage of the push falls on those 11 %?",
                "number",
                hard.push_answer,
                range=(0, 100),
                within=12,
                unit="%",
            ),
            params=hard.PlantedParams,
            figures={"false_push": hard.push_bars},
            told=hard.told_push,
            explanation=(
                "Counting negatives is not enough: the push weighs them by exp(s / temperature), and false negatives "
                "are hard because they are similar. Only where the classes score no higher than the rest (set the "
                "score to 0) do they get their fair share."
            ),
            formula=r"\frac{k\, e^{s/\tau}}{k\, e^{s/\tau} + m}, \quad k = 7,\ m = 56",
            sources=(CHUANG, WANG_LIU),
        ),
        LessonStep(
            name="debias",
            title="Debiasing",
            question=(
                "The *debiased* loss corrects the sum over negatives: it assumes that a share of them, the class "
                "prior, is false, estimates their part from the positive, and subtracts it. If that leaves less than "
                "the least possible value, the sum is *clamped* there, and its negatives get no gradient. Take six "
                "classes with a true share of 16 %, the prior set to just that, and temperature 0.2."
            ),
            prediction=Prediction(
                "For how many positives is the sum clamped?",
                "choice",
                hard.clamped_answer,
                (hard.NONE, hard.PART, hard.MOST),
            ),
            params=hard.DebiasedParams,
            figures={"clamped": hard.clamped},
            told=hard.told_clamped,
            explanation=(
                "The prior is right ({share} % of the negatives share the label), and yet {cold} % of the positives "
                "are clamped. The estimate takes the positive, the other view of the same sample, for a typical "
                "member of the class. It scores higher than those, so too much is subtracted. At this prior a lower "
                "temperature clamps more: {coldest} % at 0.1 and {warm} % at 0.5. That is no rule: with a prior of "
                "0.3, which is too high, it is {high_coldest} % at 0.1 and {high} % at 0.2. Choose prior and "
                "temperature together, and look at the share that is clamped."
            ),
            numbers=hard.clamped_numbers,
            formula=(
                r"g = \max\Big(\frac{\sum_n e^{s_{an}/\tau} - M\tau^+ e^{s_{ap}/\tau}}{1-\tau^+},\ M e^{-1/\tau}\Big), "
                r"\qquad L_a = -\log\frac{e^{s_{ap}/\tau}}{e^{s_{ap}/\tau} + g}"
            ),
            sources=(CHUANG,),
        ),
        LessonStep(
            name="reweight",
            title="Reweighting",
            question=(
                "Hard negatives teach most, so *reweighting* multiplies the term of every negative by exp(beta s / "
                "temperature), scaled to a mean of 1. Six classes again, temperature 0.5."
            ),
            prediction=Prediction(
                "With beta 1 instead of 0, what share of the sum falls on the anchor's own class?",
                "choice",
                hard.hard_answer,
                (hard.MORE, hard.LESS, hard.SAME),
            ),
            params=hard.HardParams,
            figures={"weights": hard.weights, "false_by_beta": hard.false_by_beta},
            told=hard.told_hard,
            explanation=(
                "Beta cannot tell hard from false: it raises whatever scores high, just as a lower temperature of the "
                "negatives alone would, with exponent (1 + beta) s / temperature. That is why the paper joins it to "
                "debiasing, and why it helps most where hard negatives are mostly true ones: many classes, or a "
                "representation that already separates them."
            ),
            formula=(
                r"w_n = \frac{e^{\beta s_{an}/\tau}}{\mathrm{mean}_k\, e^{\beta s_{ak}/\tau}}, \qquad "
                r"\sum_n w_n e^{s_{an}/\tau}"
            ),
            sources=(ROBINSON, CHUANG),
        ),
        LessonStep(
            name="transform",
            title="Mixing and extrapolating",
            question=(
                "Instead of weighing pairs one can change them. *Positive extrapolation* pushes the two views of a "
                "sample apart: q' = 1.5 q - 0.5 k and k' = 1.5 k - 0.5 q, without normalising again. *Queue mixing* "
                "averages every negative of the queue with another. *Hard mixtures* are new negatives: unit vectors "
                "between two of an anchor's hardest, or between one of them and the anchor."
            ),
            prediction=Prediction(
                "A positive scored 0.8. What is its product after that?",
                "number",
                changed.transform_answer,
                range=(-9, 1),
                within=0.1,
            ),
            params=changed.TransformParams,
            figures={"stretch": changed.stretch, "transformed": changed.transformed},
            told=changed.told_transform,
            explanation=(
                "Extrapolation lowers every positive, the more the further apart it was; only a perfect pair stays at "
                "1. So easy positives become hard, and the gradient comes back. The two mixings are opposites. "
                "Effective negatives of a queue of {queue}, at temperature {temperature}:\n\n"
                "| Change | Effective negatives |\n| --- | --- |\n| none | {before} |\n| queue mixing alone | "
                "{by_queue} |\n| extrapolation alone | {by_positives} |\n| hard mixtures alone | {by_hard} |\n"
                "| all three | {by_all} |\n\n"
                "Queue mixing makes no harder negatives: two that are averaged partly cancel, and the variance of the "
                "scores falls from {variance} to {queue_variance}. Hard mixtures concentrate the push: {mixtures} of "
                "them for each anchor, from its {hardest} hardest items, take {hard_push} % of it. With both "
                "mixings it is {both_push} %: averaged negatives are shorter than 1, and hard mixtures of them, "
                "brought back to length 1, stand out. And without queue mixing {same} % of the hardest items "
                "have the anchor's label: mixtures of the hardest negatives are made of false ones "
                "wherever those are the hardest."
            ),
            numbers=changed.transform_numbers,
            formula=r"s' - s = 2\lambda(1-\lambda)(1-s) \le 0 \quad (\lambda \ge 1)",
            sources=(ZHU, KALANTIDIS),
        ),
    ),
    exercise=Exercise(
        task=(
            "Reweight six classes so that the weights rest on **fewer than {negatives} of 238 negatives**, with **less "
            "than {false} % of the sum on the own class** and **less than {clamped} % of the positives clamped**."
        ),
        params=hard.ExerciseParams,
        figures={"exercise_weights": hard.exercise_weights, "exercise_clamped": hard.exercise_clamped},
        check=hard.check,
        diagnostics=("negative_reweighting",),
        solution={"temperature": 0.5, "beta": 2.0, "class_prior": 0.1},
        hint="A high temperature is kind to the own class and is not clamped; beta makes it picky again.",
        limits=hard.LIMITS,
    ),
    own_run=(
        OwnRun(
            "What would reweighting and debiasing do at your run's temperature, and how much would be clamped?",
            "temperature/hardness",
            "negative_reweighting",
        ),
        OwnRun(
            "What would a feature transformation make of your scores?",
            "scores/feature_transformation",
            "feature_transformation",
        ),
    ),
)
