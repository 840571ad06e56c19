"""The list of features alone, on the demo's harvest or on the one that is named."""

import sys

from semascope.ui.panels.features.panel import FeaturesPanel
from semascope.ui.preview import preview

if __name__ == "__main__":
    sys.exit(preview(FeaturesPanel, 420, 850))
