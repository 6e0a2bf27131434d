"""Train: several losses in turn on the same images, with live curves; each becomes a run."""

import streamlit as st

from cl_viz.dashboard import image_choice, loss_choice, training_panels
from cl_viz.simulate.training_course import missing_to_train

st.title("What does each loss make of the same images?", anchor=False)
training_panels.findings()
images = image_choice.choose()
choices = loss_choice.choose(lambda loss: missing_to_train(loss, images) if images is not None else ())
training_panels.budget_and_start(choices, images)
training_panels.course(choices)
