"""Papers that lessons rest on; those that thresholds rest on too are theirs."""

from cl_viz.core.result import Source
from cl_viz.diagnostics._thresholds.collapse import GARRIDO, JING, ROY
from cl_viz.diagnostics._thresholds.geometry import WANG_ISOLA
from cl_viz.diagnostics._thresholds.harm import MAITY
from cl_viz.diagnostics._thresholds.modality_gap import FAHIM, LIANG
from cl_viz.diagnostics._thresholds.suppression import XUE

__all__ = [
    "CHUANG", "CPC", "DCL", "FAHIM", "GARRIDO", "JING", "KALANTIDIS", "KHOSLA", "LIANG", "MAITY", "ROBINSON", "ROY",
    "SIMCLR", "WANG_ISOLA", "WANG_LIU", "XUE", "ZHU",
]  # fmt: skip

SIMCLR = Source(
    "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations",
    "https://arxiv.org/abs/2002.05709",
)
CPC = Source(
    "van den Oord, Li and Vinyals 2018, Representation Learning with Contrastive Predictive Coding",
    "https://arxiv.org/abs/1807.03748",
)
WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
DCL = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")
KHOSLA = Source("Khosla et al. 2020, Supervised Contrastive Learning", "https://arxiv.org/abs/2004.11362")
CHUANG = Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224")
ROBINSON = Source(
    "Robinson et al. 2021, Contrastive Learning with Hard Negative Samples", "https://arxiv.org/abs/2010.04592"
)
KALANTIDIS = Source(
    "Kalantidis et al. 2020, Hard Negative Mixing for Contrastive Learning", "https://arxiv.org/abs/2010.01028"
)
ZHU = Source(
    "Zhu et al. 2021, Improving Contrastive Learning by Visualizing Feature Transformation",
    "https://arxiv.org/abs/2108.02982",
)
