"""Checkpoint: run a checkpoint on data; its embeddings open as a run."""

import streamlit as st

from cl_viz.dashboard import checkpoint_panels

st.title("What does a checkpoint make of the data?", anchor=False)
checkpoint, data = checkpoint_panels.sources()
checkpoint_panels.recognised(checkpoint, data)
checkpoint_panels.controls_and_start(checkpoint, data)
