"""`python -m anchorwatch`."""

import sys

from anchorwatch.cli import main

sys.exit(main())
