#!/usr/bin/env bash
# Every package of the lock, and ttame itself: the checkout that the workflow lies in, or else the release of its version.
# The variables are set by workflow/rules/common.smk.
#
# Snakemake makes the environment anew when this file changes; `make lock` and a release write here what it holds, which a
# test compares: requirements.lock 3cfce9cab572, ttame 0.1.0
set -euo pipefail
python -m pip install --disable-pip-version-check --require-hashes --requirement "$TTAME_LOCK"
if [ -n "$TTAME_CHECKOUT" ]; then
  python -m pip install --disable-pip-version-check --no-deps --editable "$TTAME_CHECKOUT"
else
  python -m pip install --disable-pip-version-check --no-deps "ttame==$TTAME_VERSION"
fi
