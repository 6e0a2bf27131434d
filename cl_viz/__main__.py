"""``python -m cl_viz`` is the command ``cl-viz``."""

import sys

from cl_viz.cli import main

if __name__ == "__main__":
    sys.exit(main())
