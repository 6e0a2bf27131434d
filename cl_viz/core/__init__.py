"""The words every other room uses: embedding sets, runs, results, views, specs, the registry and the errors."""
