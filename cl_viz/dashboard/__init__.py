"""The only place in the package that imports streamlit: state, cache, forms, panels, navigation."""
