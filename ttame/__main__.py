"""`python -m ttame`."""

import sys

try:
    from ttame.runtime.warm_start import run_warm

    code = run_warm(sys.argv[1:])
    if code is None:
        from ttame.cli.main import main

        code = main()
except KeyboardInterrupt:  # while the libraries load; what follows is of `main`
    print("ttame: interrupted before anything began", file=sys.stderr)
    code = 130
sys.exit(code)
