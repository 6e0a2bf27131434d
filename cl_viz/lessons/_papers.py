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
JING = Source(
    "Jing et al. 2022, Understanding Dimensional Collapse in Contrastive Self-supervised Learning",
    "https://arxiv.org/abs/2110.09348",
)
ROY = Source(
    "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality",
    "https://infoscience.epfl.ch/record/110188",
)
GARRIDO = Source(
    "Garrido et al. 2023, RankMe: assessing the downstream performance of pretrained self-supervised representations "
    "by their rank",
    "https://arxiv.org/abs/2210.02885",
)
XUE = Source(
    "Xue et al. 2023, Which Features are Learnt by Contrastive Learning? On the Role of Simplicity Bias in Class "
    "Collapse and Feature Suppression",
    "https://arxiv.org/abs/2305.16536",
)
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
MAITY = Source(
    "Maity et al. 2024, An Investigation of Representation and Allocation Harms in Contrastive Learning",
    "https://arxiv.org/abs/2310.01583",
)
LIANG = Source(
    "Liang et al. 2022, Mind the Gap: Understanding the Modality Gap in Multi-modal Representation Learning",
    "https://arxiv.org/abs/2203.02053",
)
FAHIM = Source(
    "Fahim et al. 2024, It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap",
    "https://arxiv.org/abs/2405.18570",
)
