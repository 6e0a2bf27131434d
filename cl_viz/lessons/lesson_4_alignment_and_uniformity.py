"""Lesson 4: alignment and uniformity, and how an encoder fails at one, the other, or quietly at both."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _four_failures as failures
from cl_viz.lessons._papers import WANG_ISOLA, WANG_LIU

SPEC = LessonSpec(
    name="alignment_and_uniformity",
    number=4,
    title="Alignment and uniformity",
    question="What do good embeddings look like?",
    summary="You can read alignment and uniformity, name four ways to fail, and say when -4 is good.",
    minutes=13,
    steps=(
        LessonStep(
            name="plane",
            title="Four ways to fail",
            question=(
                "Five encoders each place 64 samples on the circle. *Alignment* is the mean squared distance of the "
                "two views of a sample: 0 is best. *Uniformity* is the log of the mean of exp(-2 d²) over pairs of "
                "samples: lower is more even. Four of the five fail. Points are first views; a dashed chord joins the "
                "two views of a sample, for eight samples of each encoder."
            ),
            prediction=Prediction(
                "Which encoder does not fail?",
                "pick",
                lambda: failures.best(3),
                tuple(failures.ENCODERS),
            ),
            params=failures.NoiseParams,
            figures={"plane": failures.plane, "encoders": failures.circles_again},
            told=failures.told_plane,
            setup=failures.five_circles,
            explanation=(
                "A is *complete collapse*: perfectly aligned, nothing is told apart. B is spread without alignment: "
                "random. C is aligned at two places only, a *collapse of classes*. D is aligned in a narrow *cone*: "
                "most of the sphere is unused. Only E has both. So neither number may be read alone, and a picture of "
                "one view cannot tell B from E: it takes both views of a sample."
            ),
            formula=(
                r"\mathrm{alignment} = \mathbb{E}_{(x,y)\sim\mathrm{pos}} \lVert x-y\rVert^2, \qquad "
                r"\mathrm{uniformity} = \log\mathbb{E}_{x,y}\, e^{-2\lVert x-y\rVert^2}"
            ),
            sources=(WANG_ISOLA,),
        ),
        LessonStep(
            name="best",
            title="Is -4 perfect?",
            question=(
                "One often reads that a uniformity of -4 is perfect. Take rows that are spread over the **circle** "
                "(two dimensions) as evenly as possible."
            ),
            prediction=Prediction(
                "What is the uniformity of the uniform distribution on the circle?",
                "number",
                lambda: failures.best_possible(2),
                range=(-8, 0),
                within=0.3,
            ),
            params=failures.DimensionParams,
            figures={"uniformity": failures.uniformity_curve},
            told=failures.told_uniformity,
            explanation=(
                "The best value depends on the dimension: {low} on the circle, {high} in 128 dimensions, -4 only in "
                "the limit, where all rows are at right angles. And it is no floor. Few rows can lie further apart "
                "than at right angles: two opposite points have {two}, a simplex of nine rows in eight dimensions "
                "{nine}. A value below -4 may mean that everything collapsed onto few, well separated points. Compare "
                "with the uniform sphere of the same dimension."
            ),
            numbers=failures.uniformity_numbers,
            formula=(
                r"\mathrm{uniform\ sphere,}\ D\to\infty:\ -4, \qquad "
                r"\mathrm{simplex\ of}\ K\ \mathrm{rows}:\ -\frac{4K}{K-1}"
            ),
            sources=(WANG_ISOLA,),
        ),
        LessonStep(
            name="forces",
            title="Each force alone",
            question=(
                "24 samples begin in a cone; their two views are a little apart. Now **only alignment** acts: every "
                "row moves towards its positive, and nothing pushes."
            ),
            prediction=Prediction(
                "Where do free rows end, if alignment is all there is?",
                "choice",
                failures.force_answer,
                (failures.POINT, failures.SPREAD, failures.PAIRS, failures.STAY),
            ),
            params=failures.ForceParams,
            figures={"forces": failures.moving},
            told=failures.told_force,
            explanation=(
                "Free rows stop as soon as they meet their positives: nothing draws one sample to another. Collapse is "
                "what an *encoder* makes of it, because the same place for all samples is the easiest way to be "
                "aligned and no force objects. With uniformity alone views part ways; with both, pairs meet and "
                "samples spread. NT-Xent holds both forces in one sum, at a ratio that the temperature sets."
            ),
            formula=r"L = \mathrm{alignment} + \lambda\, \mathrm{uniformity}",
            sources=(WANG_ISOLA, WANG_LIU),
        ),
    ),
    exercise=Exercise(
        task=(
            "Build an encoder of 64 samples on the circle with **alignment below {alignment}** and **uniformity below "
            "{uniformity}**; the uniform circle has {circle}."
        ),
        params=failures.ExerciseParams,
        figures={"exercise_points": failures.exercise_points},
        check=failures.check,
        diagnostics=("alignment_uniformity",),
        solution={"arc": 360, "places": 64, "noise": 10},
        hint="Use the whole circle, and as many places as there are samples. Then bring the views together.",
        limits=failures.LIMITS,
    ),
    own_run=(
        OwnRun(
            "Where does your run lie in the plane, and how far from the uniform sphere of its own dimension?",
            "geometry/alignment_uniformity",
            "alignment_uniformity",
        ),
    ),
)
