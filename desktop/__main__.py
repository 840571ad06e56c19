"""`python desktop`: run a checkout without installing it."""

import sys

from semascope.cli import main

if __name__ == "__main__":
    sys.exit(main())
