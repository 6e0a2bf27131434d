"""View -> plotly figure; theme; colours. The only place that builds figures."""
