"""What a loss would do: training of tiny encoders, gradient flow, block models."""

from cl_viz.simulate.flow_start import STARTS, FlowStart, named_start, start_from
from cl_viz.simulate.flow_views import flow_curve, flow_findings, flow_positions, flow_scores, flow_spectrum
from cl_viz.simulate.force_views import (
    alignment_heatmap,
    force_findings,
    force_shares,
    force_values,
    force_weights,
)
from cl_viz.simulate.forces import GradientAlignment, LossForces, gradient_alignment, loss_forces
from cl_viz.simulate.gradient_flow import Flow, FlowConfig, gradient_flow
from cl_viz.simulate.training_course import TrainedLoss, TrainingBudget, train_losses, train_run
from cl_viz.simulate.training_images import TrainingImages, bundled_digits, read_image_folder
from cl_viz.simulate.training_views import training_findings, training_views

__all__ = [
    "STARTS",
    "Flow",
    "FlowConfig",
    "FlowStart",
    "GradientAlignment",
    "LossForces",
    "TrainedLoss",
    "TrainingBudget",
    "TrainingImages",
    "alignment_heatmap",
    "bundled_digits",
    "flow_curve",
    "flow_findings",
    "flow_positions",
    "flow_scores",
    "flow_spectrum",
    "force_findings",
    "force_shares",
    "force_values",
    "force_weights",
    "gradient_alignment",
    "gradient_flow",
    "loss_forces",
    "named_start",
    "read_image_folder",
    "start_from",
    "train_losses",
    "train_run",
    "training_findings",
    "training_views",
]
