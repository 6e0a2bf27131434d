"""Lesson 1: pairs, positives, negatives, and the scores that are all a contrastive loss sees."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.core.result import format_number
from cl_viz.lessons import _seen_pairs as seen
from cl_viz.lessons._papers import CPC, SIMCLR, WANG_ISOLA, WANG_LIU

SPEC = LessonSpec(
    name="what_a_loss_sees",
    number=1,
    title="What a loss sees",
    question="What does a contrastive loss see of your data?",
    summary="You can say which pairs a batch has, what their scores are, and whom the loss pulls and pushes.",
    minutes=12,
    steps=(
        LessonStep(
            name="pairs",
            title="Pairs",
            question=(
                "A batch holds **4 samples**. Each is augmented twice, so there are 8 rows of embeddings. NT-Xent, the "
                "loss of SimCLR, takes every row in turn as the *anchor*. The other view of the same sample is its "
                "*positive*. Everything else but the anchor itself is a *negative*, in both views."
            ),
            prediction=Prediction(
                "How many negatives does each anchor have?",
                "number",
                lambda: seen.negatives(seen.SHOWN_SAMPLES),
                range=(0, 64),
                unit="negatives",
            ),
            params=seen.SampleParams,
            figures={"roles": seen.roles},
            told=seen.told_roles,
            explanation=(
                "Of the 2N rows the anchor leaves out itself and its positive: 2N - 2 are left. No label is looked at: "
                "whatever is not the same sample is called a negative, even if it shows the same thing. A loss with "
                "negatives from the other view only (CLIP, InfoNCE of one side) has N - 1."
            ),
            formula=r"|\mathrm{neg}(a)| = 2N - 2",
            sources=(SIMCLR,),
        ),
        LessonStep(
            name="scores",
            title="Scores",
            question=(
                "Every row is scaled to length 1, so it is a point on a sphere; with two coordinates, on a circle. The "
                "loss never sees the rows themselves. All it sees of two rows is one number, their **score**: the "
                "cosine of the angle between them."
            ),
            prediction=Prediction(
                "Anchor and positive are 60 degrees apart. What is their score?",
                "number",
                lambda: seen.score_at(seen.ANGLE),
                range=(-1, 1),
                within=0.05,
            ),
            params=seen.AngleParams,
            figures={"cosine": seen.cosine, "angle": seen.two_points},
            told=seen.told_angle,
            setup=seen.two_points_before,
            explanation=(
                "A score of 1 is the same direction, 0 a right angle, -1 the opposite. Score and squared distance say "
                "the same of unit rows. The cosine is flat at its ends: between 0 and 20 degrees it falls by "
                "{flat} only, so positives that look perfect by score may still lie apart."
            ),
            numbers=lambda: {"flat": format_number(seen.score_at(0) - seen.score_at(20))},
            formula=r"s_{ab} = z_a \cdot z_b = \cos\angle(z_a, z_b), \qquad \lVert z_a - z_b\rVert^2 = 2 - 2 s_{ab}",
            sources=(WANG_ISOLA,),
        ),
        LessonStep(
            name="push",
            title="Pull and push",
            question=(
                "The loss of an anchor is the cross-entropy of finding its positive among all candidates. Its gradient "
                "pulls the positive closer and pushes every negative away, but not all alike. Here are six samples, A "
                "to F, with two rows each. The anchor is **A1**."
            ),
            prediction=Prediction(
                "Which sample is pushed hardest away from A1?",
                "pick",
                lambda: seen.hardest_at(0.5),
                tuple(seen.NAMES[1:]),
            ),
            params=seen.PushParams,
            figures={"push": seen.push_bars, "circle": seen.push_points},
            told=seen.told_push,
            setup=seen.six_before,
            explanation=(
                "The push on a negative grows with the exponential of its score: the closest are pushed hardest, which "
                "makes them *hard negatives*. The pull on the positive is as strong as all pushes together. Move the "
                "temperature: at 0.1 the hardest sample takes {cold} % of the push, at 5 only {warm} %, with {even} % "
                "for each if it were even."
            ),
            numbers=seen.push_numbers,
            formula=(
                r"L_a = -\log\frac{e^{s_{ap}/\tau}}{\sum_{b \neq a} e^{s_{ab}/\tau}}, \qquad "
                r"r_{an} = \frac{e^{s_{an}/\tau}}{\sum_{k \in \mathrm{neg}(a)} e^{s_{ak}/\tau}}"
            ),
            sources=(WANG_LIU, CPC),
        ),
        LessonStep(
            name="flow",
            title="Where it leads",
            question=(
                "Now take away the encoder: **12 samples**, two views each, lie at random on the circle, and every row "
                "moves freely down the gradient of NT-Xent."
            ),
            prediction=Prediction(
                "Where do the rows end?", "choice", seen.flow_answer, (seen.TOGETHER, seen.APART, seen.STILL)
            ),
            params=seen.FlowParams,
            figures={"flow": seen.moving},
            told=seen.told_flow,
            explanation=(
                "Two forces remain at the end: *alignment* of positives and *uniformity* of everything. With many "
                "negatives the loss is minimised exactly by rows that are aligned and uniform. It knows no classes "
                "and spreads the samples of one class like all others. What keeps them together in practice is the "
                "encoder, which cannot move similar inputs freely."
            ),
            formula=(
                r"\lim_{M\to\infty} L - \log M = -\tfrac{1}{\tau}\,\mathbb{E}\,s_{ap} + "
                r"\mathbb{E}_a \log \mathbb{E}_b\, e^{s_{ab}/\tau}"
            ),
            sources=(WANG_ISOLA, SIMCLR),
        ),
    ),
    exercise=Exercise(
        task=(
            "Be the encoder. Place six samples so that **every positive scores above every negative** (AUC 1) and "
            "negatives score **below {negative_mean} on average**."
        ),
        params=seen.ExerciseParams,
        figures={"exercise_scores": seen.exercise_scores, "exercise_circle": seen.exercise_points},
        check=seen.check,
        diagnostics=("score_distribution",),
        solution={"view_turn": 10, "spacing": 60},
        hint="The views of a sample must be closer to each other than to any other sample, and six samples have 360 "
        "degrees to share.",
        limits=seen.LIMITS,
    ),
    own_run=(
        OwnRun(
            "Look at the two histograms: how far do your positives stand apart from the negatives?",
            "scores/distributions",
            "score_distribution",
        ),
    ),
)
