"""The steer panel alone, on the demo or on what is named: a harvest, an SAE, a model."""

import sys

from semascope.jobs.engine import Engine
from semascope.ui.panels.steer.panel import SteerPanel
from semascope.ui.preview import preview

if __name__ == "__main__":
    sys.exit(preview(SteerPanel, 392, 850, Engine()))
