"""Which architectures work with which methods.

python -m scripts.coverage                             # all, into docs/coverage.md: about 20 minutes on 2 CPU cores
python -m scripts.coverage timm/resnet18 timm/xcit_nano_12_p16_224     # some, printed
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.coverage.architectures import names
from scripts.coverage.table import document, rows_of
from scripts.coverage.trial import try_out
from ttame.store.artifacts import write_text

PAGE = Path("docs/coverage.md")


def main(chosen: list[str]) -> None:
    """Try these architectures, or all."""
    trials = []
    for place, name in enumerate(chosen or names(), start=1):
        print(f"{place}/{len(chosen or names())} {name}", file=sys.stderr)
        trials.append(try_out(name))
    if chosen:
        print(rows_of(trials))
    else:
        write_text(PAGE, document(trials))
        print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
