"""What each bundled run is: one recipe a run, all variations of the healthy one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cl_viz.encoders.tiny import TinyArchitecture
from cl_viz.simulate.train import TrainingConfig

# Fixed before anything was trained: which digit is made rare, how rare, and the seeds of the family.
RARE_DIGIT = 4
RARE_RATIO = 100
FAMILY_SEEDS = (0, 1, 2)

# Words of the captions: padding, ten names, five attributes of four words.
CAPTION_WORDS = 31

HEALTHY = TrainingConfig(loss="ntxent", loss_parameters={"temperature": 0.2})
# The family only needs its end and one stage on the way.
_FAMILY = replace(HEALTHY, snapshot_shares=(0.0, 0.12, 1.0))


@dataclass(frozen=True)
class SampleRecipe:
    """One bundled run.

    Attributes
    ----------
    name : str
        Folder and shown name.
    title, description, look_for : str
        Shown to people: what it is, how it came about, where to see it.
    config : TrainingConfig
    label : {"digit", "parity"}
        What the label role is, and what a supervised loss is given.
    rare_digit : int or None
        Digit of which only one in `RARE_RATIO` training images is kept.
    balanced_twin, family : str or None
        The run of the same seed with all images; the name of the group of runs.
    open_by_default : bool
    """

    name: str
    title: str
    description: str
    look_for: str
    config: TrainingConfig
    label: str = "digit"
    rare_digit: int | None = None
    balanced_twin: str | None = None
    family: str | None = None
    open_by_default: bool = False


def _family() -> list[SampleRecipe]:
    runs = []
    for seed in FAMILY_SEEDS:
        balanced = f"mnist-balanced-seed-{seed}"
        config = replace(_FAMILY, seed=seed)
        runs.append(
            SampleRecipe(
                name=balanced,
                title=f"Balanced twin, seed {seed}",
                description="The healthy recipe with all training digits; the twin of the run of the same seed in "
                f"which the digit {RARE_DIGIT} is rare.",
                look_for="The reference of representation harm.",
                config=config,
                family="rare-digit",
            )
        )
        runs.append(
            SampleRecipe(
                name=f"mnist-rare-{RARE_DIGIT}-seed-{seed}",
                title=f"Digit {RARE_DIGIT} under-represented {RARE_RATIO}:1, seed {seed}",
                description=f"The healthy recipe, but only one in {RARE_RATIO} training images of the digit "
                f"{RARE_DIGIT} was kept. Digit, ratio and seeds were chosen before training.",
                look_for=f"Whether the digit {RARE_DIGIT} moves towards another digit, against the balanced twin.",
                config=config,
                rare_digit=RARE_DIGIT,
                balanced_twin=balanced,
                family="rare-digit",
            )
        )
    return runs


RECIPES: tuple[SampleRecipe, ...] = (
    SampleRecipe(
        name="mnist-healthy",
        title="Healthy NT-Xent",
        description="NT-Xent at a moderate temperature, trained long enough: the run the others are compared with.",
        look_for="Positives stand apart from negatives, all dimensions are used, digits form neighbourhoods.",
        config=HEALTHY,
        open_by_default=True,
    ),
    SampleRecipe(
        name="mnist-low-temperature",
        title="Temperature too low",
        description="The healthy recipe at temperature 0.03: each anchor is pushed only from its hardest negatives, "
        "many of them the same digit, and nothing is pushed any more once the positive is a little nearer.",
        look_for="Weights rest on a few negatives; less uniform and worse neighbourhoods than the healthy run.",
        config=replace(HEALTHY, loss_parameters={"temperature": 0.03}),
        open_by_default=True,
    ),
    SampleRecipe(
        name="mnist-high-temperature",
        title="Temperature too high",
        description="The healthy recipe at temperature 2: all negatives weigh nearly the same, so that near neighbours "
        "are hardly pushed apart.",
        look_for="Tight groups, less uniform; weights are flat over negatives.",
        config=replace(HEALTHY, loss_parameters={"temperature": 2.0}),
    ),
    SampleRecipe(
        name="mnist-small-batch-infonce",
        title="Small batch, NT-Xent",
        description="The healthy recipe with 8 digits a batch: few negatives, and the positive's share in the "
        "denominator weakens the gradient. The learning rate is 0.001.",
        look_for="Compare with the decoupled loss at the same batch size.",
        config=replace(HEALTHY, batch_size=8, epochs=6, learning_rate=1e-3),
    ),
    SampleRecipe(
        name="mnist-small-batch-dcl",
        title="Small batch, DCL",
        description="As the small-batch run, with the positive taken out of the denominator (decoupled loss).",
        look_for="Positives come closer than with NT-Xent at the same batch size; on these digits the gain is small.",
        config=replace(HEALTHY, loss="dcl", batch_size=8, epochs=6, learning_rate=1e-3),
    ),
    SampleRecipe(
        name="mnist-complete-collapse",
        title="Complete collapse",
        description="Negative cosine of the two views, without negatives and without a stopped gradient: a constant "
        "output is optimal, and is found within a few steps.",
        look_for="All scores are 1; alignment and uniformity are both near 0.",
        config=replace(HEALTHY, loss="negative_cosine", loss_parameters={}, epochs=4),
        open_by_default=True,
    ),
    SampleRecipe(
        name="mnist-dimensional-collapse",
        title="Dimensional collapse",
        description="NT-Xent at temperature 0.5 through four linear layers with strong weight decay, which favours "
        "outputs of low rank: a few directions carry everything.",
        look_for="The spectrum of the projector falls off a cliff after a few of 32 dimensions.",
        config=replace(
            HEALTHY,
            loss_parameters={"temperature": 0.5},
            weight_decay=0.5,
            architecture=TinyArchitecture(projector="deep_linear"),
        ),
    ),
    SampleRecipe(
        name="mnist-supervised-parity",
        title="Supervised on odd and even",
        description="Supervised contrastive loss whose classes are odd and even digits. Nothing asks the encoder to "
        "tell the digits within a class apart.",
        look_for="Parity separates perfectly while the digits inside each parity run together: subclass collapse.",
        config=replace(HEALTHY, loss="supcon_out", loss_parameters={"temperature": 0.1}),
        label="parity",
    ),
    SampleRecipe(
        name="mnist-colour-shortcut",
        title="Colour shortcut",
        description="Each digit has its own ink and paper colour, shared by both views. Colour alone tells the pairs "
        "apart, so that the encoder need not look at the digit.",
        look_for="Neighbours share the colour, not the digit: feature suppression.",
        config=replace(HEALTHY, inputs="tinted", architecture=TinyArchitecture(channels=3)),
    ),
    SampleRecipe(
        name="mnist-two-towers",
        title="Two towers: images and captions",
        description="CLIP's loss between an image tower and a tower of words. A caption names the digit and five "
        "measured attributes of its shape. The temperature is fixed at 0.02, near where CLIP ends up.",
        look_for="Images and captions lie in separate regions although pairs match: the modality gap.",
        config=replace(
            HEALTHY,
            loss="clip",
            loss_parameters={"temperature": 0.02},
            inputs="captioned",
            architecture=TinyArchitecture(words=CAPTION_WORDS),
        ),
    ),
    SampleRecipe(
        name="mnist-vicreg",
        title="VICReg",
        description="The healthy recipe with VICReg at its authors' weights: no negatives, but variance and covariance "
        "terms against collapse.",
        look_for="Rows are not centred, so that cosines lie high: compare the spectrum and neighbourhoods instead.",
        config=replace(HEALTHY, loss="vicreg", loss_parameters={}),
    ),
    SampleRecipe(
        name="mnist-alignment-uniformity",
        title="Alignment + uniformity",
        description="The healthy recipe with the sum of alignment and uniformity at their authors' weights.",
        look_for="More uniform than the healthy run, at the price of alignment.",
        config=replace(HEALTHY, loss="align_uniform", loss_parameters={}),
    ),
    *_family(),
)

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
