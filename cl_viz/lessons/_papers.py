"""Papers that lessons rest on."""

from cl_viz.core.result import Source

SIMCLR = Source(
    "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations",
    "https://arxiv.org/abs/2002.05709",
)
CPC = Source(
    "van den Oord, Li and Vinyals 2018, Representation Learning with Contrastive Predictive Coding",
    "https://arxiv.org/abs/1807.03748",
)
WANG_ISOLA = Source(
    "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
    "https://arxiv.org/abs/2005.10242",
)
WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
DCL = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")
