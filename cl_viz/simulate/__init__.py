"""What a loss would do: training of tiny encoders, gradient flow, block models."""

from cl_viz.simulate.training_course import TrainedLoss, TrainingBudget, train_losses, train_run
from cl_viz.simulate.training_images import TrainingImages, bundled_digits, read_image_folder
from cl_viz.simulate.training_views import training_findings, training_views

__all__ = [
    "TrainedLoss",
    "TrainingBudget",
    "TrainingImages",
    "bundled_digits",
    "read_image_folder",
    "train_losses",
    "train_run",
    "training_findings",
    "training_views",
]
