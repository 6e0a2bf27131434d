"""The frame of the dashboard: page config, menu, sidebar. Start it with `cl-viz app` or `streamlit run app.py`."""

from pathlib import Path

import streamlit as st


def frame() -> None:
    """Draw the frame and the page that was chosen."""
    from cl_viz.dashboard import icon, layout, navigation

    st.set_page_config(page_title="cl_viz", page_icon=icon.image(), layout="wide", initial_sidebar_state="auto")
    layout.tighten()
    page = navigation.menu(Path(__file__).parent / "pages")
    with st.spinner("Loading"):  # a server's first session sees the menu while torch loads, and each while runs open
        from cl_viz.dashboard import errors, serving, sidebar, state

        with errors.boundary("sidebar"):
            sidebar.open_runs_first()
            sidebar.draw()
            errors.show_problems()
        serving.load_for_pages()
    with errors.boundary("page"):
        page.run()
    state.write_address()


if __name__ == "__main__":  # a session, at each run of the script
    frame()
else:  # the server, once
    from cl_viz.dashboard.map_component import routes
    from cl_viz.dashboard.serving import lifespan

    app = st.App(__file__, lifespan=lifespan, routes=routes())
