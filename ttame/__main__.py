"""`python -m ttame`."""

import sys

from ttame.runtime.warm_start import run_warm

code = run_warm(sys.argv[1:])
if code is None:
    from ttame.cli.main import main

    code = main()
sys.exit(code)
