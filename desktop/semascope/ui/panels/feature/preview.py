"""The feature page alone, on the demo's harvest or on the one that is named."""

import sys

from semascope.ui.panels.feature.panel import FeaturePanel
from semascope.ui.preview import preview

if __name__ == "__main__":
    sys.exit(preview(FeaturePanel, 700, 850))
