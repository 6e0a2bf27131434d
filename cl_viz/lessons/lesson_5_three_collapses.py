"""Lesson 5: complete, dimensional and class collapse, and why it matters which rank one quotes."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _ranks as ranks
from cl_viz.lessons._papers import GARRIDO, JING, KHOSLA, ROY, XUE

SPEC = LessonSpec(
    name="three_collapses",
    number=5,
    title="Three collapses",
    question="How do embeddings collapse, and would you notice?",
    summary="You can tell complete, dimensional and class collapse apart, and you say which rank you quote.",
    minutes=14,
    steps=(
        LessonStep(
            name="point",
            title="Complete collapse",
            question=(
                "An encoder gives (almost) the same row for every input: one direction in 32 dimensions, with a noise "
                "of 0.01. To find out, somebody computes the *numerical rank*: how many singular values are above "
                "rounding error."
            ),
            prediction=Prediction(
                "What does the numerical rank say of this collapsed set?",
                "choice",
                ranks.point_answer,
                (ranks.LOW, ranks.MIDDLE, ranks.FULL),
            ),
            params=ranks.SpreadParams,
            figures={"point_ranks": ranks.point_ranks},
            told=ranks.told_point,
            explanation=(
                "A rank says nothing of *how much* varies: the noise fills every dimension. Centred ranks see only the "
                "noise and call it healthy; ranks that are not centred see the one large mean. What shows a complete "
                "collapse is the total variance of the unit rows, which is near 1 when they spread over the sphere and "
                "0 when they are one point."
            ),
            formula=r"\mathrm{total\ variance} = \operatorname{tr}\operatorname{Cov}(z) = 1 - \lVert\bar z\rVert^2",
            sources=(JING,),
        ),
        LessonStep(
            name="cliff",
            title="Dimensional collapse",
            question=(
                "Here 256 rows fill **8 of 64 dimensions** evenly. The other 56 hold a noise of 0.05. *RankMe* is the "
                "exponential of the entropy of the singular values."
            ),
            prediction=Prediction("What does RankMe say?", "choice", ranks.cliff_answer, ranks.CLIFF_OPTIONS),
            params=ranks.CliffParams,
            figures={"spectrum": ranks.cliff, "cliff_ranks": ranks.cliff_ranks},
            told=ranks.told_cliff,
            explanation=(
                "The spectrum shows the cliff after 8 dimensions at a glance. RankMe counts small singular values "
                "generously, because they enter with their root: 56 dimensions of little noise weigh as much as many "
                "true ones. The participation ratio squares the eigenvalues and hardly sees them. Set the noise to 0: "
                "then all of them agree."
            ),
            formula=(
                r"\mathrm{RankMe} = \exp\Big(-\sum_k p_k\log p_k\Big),\ p_k = \frac{\sigma_k}{\sum_j\sigma_j}, \qquad "
                r"\mathrm{PR} = \frac{(\sum_k\lambda_k)^2}{\sum_k\lambda_k^2}"
            ),
            sources=(JING, GARRIDO),
        ),
        LessonStep(
            name="which",
            title="The rank you quote",
            question=(
                "Now a spectrum that falls smoothly: eigenvalue k of the covariance is k to the power of -1.5, in 128 "
                'dimensions. Two papers both report an "effective rank": one takes the entropy of the singular '
                "values (RankMe), one that of the covariance's eigenvalues."
            ),
            prediction=Prediction(
                "How do the two compare on the same rows?",
                "choice",
                ranks.decay_answer,
                (ranks.SMALLER, ranks.ALIKE, ranks.LARGER),
            ),
            params=ranks.DecayParams,
            figures={"decay_ranks": ranks.decay_ranks, "decay_spectrum": ranks.decay_spectrum},
            told=ranks.told_decay,
            explanation=(
                "One set, two numbers: {rankme} and {entropy} of {dims}. Neither is wrong; they answer different "
                "questions. RankMe is also not centred: a mean of twice the spread lowers it to {moved}, although "
                "nothing varies less. Compare ranks only of one kind, of the same number of samples and dimensions, "
                "and of runs of one method."
            ),
            numbers=ranks.decay_numbers,
            formula=(
                r"\lambda_k = \frac{\sigma_k^2}{N-1}, \qquad "
                r"\exp H(\lambda / {\textstyle\sum}\lambda) \neq \exp H(\sigma / {\textstyle\sum}\sigma)"
            ),
            sources=(ROY, GARRIDO),
        ),
        LessonStep(
            name="classes",
            title="Class collapse",
            question=(
                "Four classes with three subclasses each, 240 samples. The encoder has learned the classes perfectly "
                "and nothing of the subclasses: samples of a class differ by noise only. Twenty neighbours vote, first "
                "for the class, then for the subclass."
            ),
            prediction=Prediction(
                "What percentage of the samples gets the right subclass?",
                "number",
                ranks.class_answer,
                range=(0, 100),
                within=12,
                unit="%",
            ),
            params=ranks.ApartParams,
            figures={"classes": ranks.class_bars},
            told=ranks.told_class,
            explanation=(
                "Knowing the class leaves three subclasses to guess from: {within} % by chance, where all twelve would "
                "leave {chance} %. The accuracy on the classes stays perfect, so whoever evaluates only the labels "
                "that were trained on sees nothing. A rank does not name it either: it goes from {none} to {much} "
                "over the whole range. It takes finer labels."
            ),
            numbers=ranks.class_numbers,
            formula=r"\frac{\operatorname{tr} S_{\mathrm{sub}}}{\operatorname{tr} S_{\mathrm{class}}} \to 0",
            sources=(XUE,),
        ),
        LessonStep(
            name="course",
            title="Watching a spectrum collapse",
            question=(
                "48 free rows of three classes, in 16 dimensions, move down the gradient of the supervised contrastive "
                "loss (SupCon). At the start their variance fills nearly all of the dimensions."
            ),
            prediction=Prediction(
                "About how many dimensions hold the variance at the end?",
                "number",
                ranks.flow_answer,
                range=(1, 16),
                within=1,
                unit="dimensions",
            ),
            params=ranks.FlowParams,
            figures={"spectrum_moving": ranks.moving_spectrum},
            told=ranks.told_flow,
            explanation=(
                "Three class means that are as far apart as possible form a triangle, and a triangle lies in a plane: "
                "K classes need K - 1 dimensions. With the classes as its only positives the loss asks for nothing "
                "else. That is class collapse and dimensional collapse at once, and it is the optimum of the loss, "
                "not a failure of the optimiser. NT-Xent, which knows no classes, keeps them all."
            ),
            formula=r"\operatorname{rank}\{\mu_1,\dots,\mu_K\} = K - 1\ \ \mathrm{(centred\ simplex)}",
            sources=(KHOSLA, XUE),
        ),
    ),
    exercise=Exercise(
        task=(
            "Fool somebody who quotes RankMe alone: build 128 dimensions with **RankMe below {rankme}** although the "
            "**covariance entropy rank is above {entropy}**."
        ),
        params=ranks.ExerciseParams,
        figures={"exercise_ranks": ranks.decay_ranks},
        check=ranks.check,
        diagnostics=("dimension_ranks",),
        solution={"decay": 0.5, "offset": 8.0},
        hint="The covariance is centred, RankMe is not. What can be added to all rows without changing how they vary?",
        limits=ranks.LIMITS,
    ),
    own_run=(
        OwnRun("Is there a cliff in your run's spectrum?", "geometry/collapse", "spectrum"),
        OwnRun("How far do the ranks of your run disagree?", "geometry/collapse", "dimension_ranks"),
        OwnRun(
            "With subclass labels: can subclasses still be read within their class?",
            "groups/suppression",
            "subclass_collapse",
        ),
    ),
)
