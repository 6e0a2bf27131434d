"""Seeded synthetic sets whose answers are known in closed form: for tests, lessons and trying things out."""

from cl_viz.testing.harm import planted_harm
from cl_viz.testing.pairs import clusters, collapsed, paired_sphere, sphere

__all__ = ["clusters", "collapsed", "paired_sphere", "planted_harm", "sphere"]
