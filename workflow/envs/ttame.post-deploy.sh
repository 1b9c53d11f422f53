#!/usr/bin/env bash
# Every package of the lock, and ttame itself: the checkout that the workflow lies in, or else the release of its version.
# The variables are set by workflow/rules/common.smk.
set -euo pipefail
python -m pip install --disable-pip-version-check --require-hashes --requirement "$TTAME_LOCK"
if [ -n "$TTAME_CHECKOUT" ]; then
  python -m pip install --disable-pip-version-check --no-deps --editable "$TTAME_CHECKOUT"
else
  python -m pip install --disable-pip-version-check --no-deps "ttame==$TTAME_VERSION"
fi
