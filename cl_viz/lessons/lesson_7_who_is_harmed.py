"""Lesson 7: under-representation, the block model, and what RH, NIE and TE mean."""

from cl_viz.core.lesson import Exercise, LessonSpec, LessonStep, OwnRun, Prediction
from cl_viz.lessons import _harm as harm
from cl_viz.lessons._papers import MAITY

SPEC = LessonSpec(
    name="who_is_harmed",
    number=7,
    title="Who is harmed",
    question="Who is harmed when a class is rare?",
    summary="You can say when a rare class collapses and when not, and what RH, NIE and TE measure.",
    minutes=14,
    steps=(
        LessonStep(
            name="blocks",
            title="Does a minority always collapse?",
            question=(
                "A graph of three blocks. Nodes that are joined are each other's positives; nodes of one block are "
                "joined with probability 0.95. **Block 1** is also joined with block 2, with probability 0.2. A "
                "contrastive loss embeds the nodes, and block 1 becomes rarer and rarer."
            ),
            prediction=Prediction(
                "Does block 1 collapse onto block 2 as it vanishes?",
                "choice",
                harm.block_answer,
                (harm.FALLS, harm.NEARER, harm.AWAY),
            ),
            params=harm.BlockParams,
            figures={"blocks": harm.block_curve},
            told=harm.told_block,
            explanation=(
                '"Minorities always collapse" is not what the theory says. A rare block is drawn towards what it is '
                "connected with; how far depends on how much, and on how pairs of blocks are weighed. Cosine of blocks "
                "1 and 2 at a share of {share} %, after {steps} steps of the authors' descent:\n\n"
                "| Connectivity | {alphas} |\n| --- | {rule} |\n"
                "| Weights of the authors' script | {script} |\n"
                "| Weights of simulated graphs | {graph} |\n\n"
                "The script weighs a pair by the share of the own block, graphs by the share of the other. On graphs "
                "a vanishing block becomes one with its neighbour only above a connectivity of {threshold}, which is "
                "0.95 (2 tanh 1 - 1). Rarity and similarity are needed together."
            ),
            numbers=harm.block_numbers,
            formula=(
                r"\min_{\lVert h_k\rVert=1} -\sum_{k,l} P_{kl}\, \frac{h_k\cdot h_l}{\tau} + "
                r"\sum_k \pi_k \log\sum_l q_{kl}\, e^{h_k\cdot h_l/\tau}"
            ),
            sources=(MAITY,),
        ),
        LessonStep(
            name="harm",
            title="Representation harm",
            question=(
                "Two encoders of the same data: in one a class was rare in training, in its *balanced twin* it was "
                "not. C is the mean cosine between the samples of two classes. In the balanced twin the class and its "
                "neighbour have C = 0, in the other C = 0.2."
            ),
            prediction=Prediction(
                "What is RH, the representation harm of the class towards its neighbour?",
                "number",
                harm.moved_answer,
                range=(0, 2),
                within=0.02,
            ),
            params=harm.MovedParams,
            figures={"harm": harm.harm_bars, "matrix": harm.harm_matrix},
            told=harm.told_moved,
            explanation=(
                "RH compares distances, 1 - C, with those of the twin. 1 means unchanged, below 1 that the class moved "
                "closer, above 1 that it moved away. It is not symmetric: the row is the class that was rare. One "
                "encoder alone has no RH, however close two of its classes are: similar classes lie close in every "
                "encoder."
            ),
            formula=(r"\mathrm{RH}_{kl} = \frac{1 - C^{(k\ \mathrm{rare})}_{kl}}{1 - C^{(\mathrm{balanced})}_{kl}}"),
            sources=(MAITY,),
        ),
        LessonStep(
            name="mediation",
            title="Whose fault is it?",
            question=(
                "A rare class moved halfway into its neighbour (cosine 0.5). A probe on top is trained with labels in "
                "which the class is rare, too, and misses most of it. Y(t, M) is the class's accuracy with a probe on "
                "encoder M, trained on labels that are balanced (t = 0) or rare (t = 1). The *total effect* TE changes "
                "both encoder and labels, the *natural indirect effect* NIE the encoder alone."
            ),
            prediction=Prediction(
                "How much of the total effect on the class's accuracy comes from the encoder alone?",
                "choice",
                harm.mediation_answer,
                (harm.LITTLE, harm.HALF, harm.ALL),
            ),
            params=harm.MediationParams,
            figures={"effects": harm.effects},
            told=harm.told_mediation,
            explanation=(
                "Classes that moved together may still be told apart by a probe with enough labels: representation "
                "harm need not become allocation harm. At *some* overlap NIE is {some} points (N = {n} tested "
                "samples): its interval reaches 0. At *much* it is {much}, and balanced labels do not give that back. "
                "There the parts do not add up: TE is "
                "{much_total} and NDE {much_direct}, for the rare labels alone already cost the class nearly all that "
                "it can lose. What is counted twice is the *interaction*, {much_both}: TE = NDE + NIE + interaction. "
                "In the paper's CIFAR10 study automobiles lost {total} points in all and {indirect} by the encoder "
                "({share} % of it). Signs are a trap: TE = NIE - rNDE."
            ),
            numbers=harm.mediation_numbers,
            formula=(
                r"\mathrm{TE} = Y(1, M_k) - Y(0, M_0), \qquad \mathrm{NIE} = Y(0, M_k) - Y(0, M_0), \qquad "
                r"\mathrm{rNDE} = Y(0, M_k) - Y(1, M_k), \qquad \mathrm{NDE} = Y(1, M_0) - Y(0, M_0)"
            ),
            sources=(MAITY,),
        ),
    ),
    exercise=Exercise(
        task=(
            "Make a minority collapse that is not even very rare: **RH below {harm}** towards its nearest block, with "
            "**a share above {share} %** of the nodes. RH compares with equal shares at the same connectivity."
        ),
        params=harm.ExerciseParams,
        figures={"exercise_curve": harm.exercise_curve, "exercise_harm": harm.exercise_harm},
        check=harm.check,
        diagnostics=("representation_harm",),
        solution={"alpha": 0.6, "halvings": 2},
        hint="At a low connectivity no rarity is enough. What if the blocks are nearly as connected as a block is "
        "within itself?",
        limits=harm.LIMITS,
    ),
    own_run=(
        OwnRun(
            "With a run whose class was rare and its balanced twin: towards which class did it move?",
            "groups/representation_harm",
            "representation_harm",
        ),
        OwnRun(
            "And what does that cost a probe, with balanced labels and with rare ones?",
            "groups/allocation_harm",
            "allocation_harm",
        ),
    ),
)
