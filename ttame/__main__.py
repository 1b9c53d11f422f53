"""`python -m ttame`."""

import sys

from ttame.cli.main import main

sys.exit(main())
