"""Seeded synthetic sets whose answers are known in closed form: for tests, lessons and trying things out."""

from cl_viz.testing.copies import turned_copy
from cl_viz.testing.frames import around_means, orthogonal_frame, simplex_frame
from cl_viz.testing.harm import planted_groups, planted_harm
from cl_viz.testing.hubs import planted_hubs
from cl_viz.testing.modalities import modality_pair
from cl_viz.testing.nested import nested_classes, suppressed_feature
from cl_viz.testing.pairs import clusters, collapsed, paired_sphere, sphere
from cl_viz.testing.spectra import cone, exact_spectrum, rank_sphere, rotation
from cl_viz.testing.temperatures import orthogonal_pairs, planted_false_negatives

__all__ = [
    "around_means",
    "clusters",
    "collapsed",
    "cone",
    "exact_spectrum",
    "modality_pair",
    "nested_classes",
    "orthogonal_frame",
    "orthogonal_pairs",
    "paired_sphere",
    "planted_false_negatives",
    "planted_groups",
    "planted_harm",
    "planted_hubs",
    "rank_sphere",
    "rotation",
    "simplex_frame",
    "sphere",
    "suppressed_feature",
    "turned_copy",
]
