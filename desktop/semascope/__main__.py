"""`python -m semascope`: the same as the command `semascope`."""

import sys

from semascope.cli import main

if __name__ == "__main__":
    sys.exit(main())
