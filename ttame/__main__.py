"""`python -m ttame`."""

import sys

try:
    from ttame.runtime.warm_start import run_warm

    code = run_warm(sys.argv[1:])
    if code is None:
        from ttame.cli.main import main

        code = main()
except KeyboardInterrupt:  # while Python still imports
    print("ttame: interrupted; nothing was done yet", file=sys.stderr)
    code = 130
sys.exit(code)
