"""Lesson 8: the gap between two modalities, and why closing it need not help retrieval."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _gap as gap
from cl_viz.lessons._papers import FAHIM, LIANG

SPEC = LessonSpec(
    name="two_modalities",
    number=8,
    title="Two modalities",
    question="Is the gap between images and texts a problem?",
    summary="You can measure the modality gap, say what closing it changes, and for which searches it matters.",
    minutes=12,
    steps=(
        LessonStep(
            name="gap",
            title="The gap",
            question=(
                "96 images and their captions, embedded on one sphere. The centres of the two modalities are only "
                "**0.25** apart; they could be 2 apart. A plane is fitted to most of the rows, and names the modality "
                "of the others."
            ),
            prediction=Prediction(
                "Of how many held-out rows does the plane name the modality?",
                "choice",
                gap.gap_answer,
                (gap.GUESS, gap.SOME, gap.ALL),
            ),
            params=gap.GapParams,
            figures={"along_gap": gap.along_gap},
            told=gap.told_gap,
            explanation=(
                "The distance of the centres says how far, not how cleanly the modalities are apart. Each may fill a "
                "narrow cone of its own; such cones are already there when two untrained encoders are put side by side "
                "(the *cone effect*). Here all images share one coordinate and all captions its negative, so a plane "
                "tells them apart at any distance above 0."
            ),
            formula=(
                r"\Delta = \frac{1}{N}\sum_i z^{\mathrm{image}}_i - \frac{1}{N}\sum_i z^{\mathrm{text}}_i, \qquad "
                r"\mathrm{gap} = \lVert\Delta\rVert"
            ),
            sources=(LIANG, FAHIM),
        ),
        LessonStep(
            name="closing",
            title="Closing it",
            question=(
                "Now the centres are 1 apart. We close the gap: every image is moved by the difference of the centres "
                "and scaled to length 1 again. Before and after, every image looks for the nearest caption. "
                "*Recall@1* is the share that find their own."
            ),
            prediction=Prediction(
                "What does closing the gap do to Recall@1?",
                "choice",
                gap.closing_answer,
                (gap.RISES, gap.FALLS, gap.STAYS),
            ),
            params=gap.ClosingParams,
            figures={"retrieval": gap.retrieval},
            told=gap.told_closing,
            explanation=(
                "Moving the images by the difference of the centres takes its product with a caption from that "
                "caption's score, and the new length divides all scores of an image alike. Where the gap is the same "
                "for all captions, the same is taken from all, and no order changes. Here {there} points from images "
                "to captions is {samples} of {n} images, and {back} points the other way. It is the same at a gap of "
                "0 ({zero_there} and {zero_back}): {n} samples leave the centres {zero_gap} apart even there, in a "
                "direction of chance, and that is what is moved. Where the gap is not the same for all, closing it may "
                "help or hurt a little; measure it. Published attempts that closed the gap of CLIP left retrieval "
                "about where it was."
            ),
            numbers=gap.closing_numbers,
            formula=(
                r"z_i' = \frac{z_i - \Delta}{\lVert z_i - \Delta\rVert}, \qquad "
                r"z_i'\cdot(c_j - c_k) \propto z_i\cdot(c_j - c_k) - \Delta\cdot(c_j - c_k)"
            ),
            sources=(FAHIM, LIANG),
        ),
        LessonStep(
            name="smaller",
            title="Is smaller better?",
            question=(
                "Three models. **X** has a gap of about 1, **Y** of about 0.5 and **Z** of about 0. They also differ "
                "in how much of its own an image has that its caption does not share: little in X, more in Y, most in "
                "Z."
            ),
            prediction=Prediction(
                "In which model do most images find their caption?", "pick", gap.best_model, tuple(gap.MODELS)
            ),
            params=gap.ModelParams,
            figures={"models": gap.model_bars},
            told=gap.told_models,
            explanation=(
                "The order of the gaps says nothing of the order of the models. What retrieval needs is that a pair is "
                "closer than strangers, along the directions in which captions differ. Do not select models by the "
                "gap. Z was made without any; the {measured} that is measured is what {n} samples leave between two "
                "centres."
            ),
            numbers=gap.model_numbers,
            formula=r"\mathrm{Recall@1} = \frac{1}{N}\sum_i \mathbf{1}\big[\arg\max_j z_i\cdot c_j = i\big]",
            sources=(FAHIM,),
        ),
        LessonStep(
            name="mixed",
            title="Where it does matter",
            question=(
                "One index holds images **and** captions. The gap is 1. An image is the query, and everything else "
                "in the index may be the answer. On average an image scores higher with its own caption than with "
                "another image."
            ),
            prediction=Prediction(
                "For how many of the 96 images is the nearest of all items another image?",
                "choice",
                gap.mixed_answer,
                (gap.FEW, gap.HALF, gap.MOST),
            ),
            params=gap.MixedParams,
            figures={"first": gap.comes_first, "scores": gap.own_and_partner},
            told=gap.told_mixed,
            explanation=(
                "Here the gap does harm. On average a caption scores {positive} with its own image at a gap of 1, and "
                "a stranger's image {own}. But an image is compared with {others} strangers, and the nearest of them "
                "wins: for {first} of {n} images another image comes first, whatever it shows, and in the median "
                "{before} images stand before the own caption; at a gap of 1.5 it is {far_before}. At 0.5 another "
                "image comes first for {half} %. Among captions alone {recall} % of the images find theirs. "
                "Thresholds on scores suffer likewise. So ask what the embeddings are for before closing a gap."
            ),
            numbers=gap.mixed_numbers,
            formula=r"\max_{j \neq i}\, z_i \cdot z_j > \max_j\, z_i \cdot c_j",
            sources=(LIANG,),
        ),
    ),
    exercise=Exercise(
        task=(
            'Refute "a smaller gap is always better": build a model with **a gap above {gap}** in which **more than '
            "{recall} % of the images** find their caption first."
        ),
        params=gap.ExerciseParams,
        figures={"exercise_along": gap.exercise_along, "exercise_retrieval": gap.exercise_retrieval},
        check=gap.check,
        diagnostics=("modality_gap", "cross_view_retrieval"),
        solution={"gap": 1.0, "noise": 0.3},
        hint="Only one of the two controls matters to retrieval.",
        limits=gap.LIMITS,
    ),
    own_run=(
        OwnRun(
            "How large is the gap of your run, and what does closing it do to its retrieval?",
            "geometry/modality_gap",
            "modality_gap",
        ),
        OwnRun(
            "How often does each modality of your run find its partner first in the other?",
            "groups/downstream",
            "cross_view_retrieval",
        ),
    ),
)
