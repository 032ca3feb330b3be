"""What tests repeat only when there is time for it: `LONG_TESTS=1 pytest`."""

import os

LONG = bool(os.environ.get("LONG_TESTS"))
