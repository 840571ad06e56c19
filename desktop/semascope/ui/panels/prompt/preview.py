"""The prompt panel alone, on the demo or on what is named: a harvest, an SAE, a model."""

import sys

from semascope.jobs.engine import Engine
from semascope.ui.panels.prompt.panel import PromptPanel
from semascope.ui.preview import preview

if __name__ == "__main__":
    sys.exit(preview(PromptPanel, 700, 850, Engine()))
