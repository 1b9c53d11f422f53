"""`python -m ttame`."""

import sys

from ttame.cli import main

sys.exit(main())
