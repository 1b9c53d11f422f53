#!/usr/bin/env bash
# The environment of the containers, /opt/environment, from the lock: `install.sh cuda LOCK` or `install.sh cpu LOCK INDEX`,
# the index that PyTorch's page on installing names for CPUs.
set -euo pipefail
device=$1
lock=$2

python -m venv /opt/environment
install=(/opt/environment/bin/python -m pip install --disable-pip-version-check --no-cache-dir --no-deps)

case $device in
  cuda)
    "${install[@]}" --require-hashes --requirement "$lock"
    ;;
  cpu)
    index=${3:?the index of builds for CPUs, a third argument: TORCH_INDEX of the build}
    # Builds without CUDA, a fifth of the size, are elsewhere than the lock's: of these two it has the version, no digest.
    awk '/^[a-z]/ {other = /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/} !other' "$lock" > /tmp/same.txt
    awk '/^(torch|torchvision)==/ {print $1}' "$lock" > /tmp/built.txt
    "${install[@]}" --require-hashes --requirement /tmp/same.txt
    "${install[@]}" --index-url "$index" --requirement /tmp/built.txt
    rm /tmp/same.txt /tmp/built.txt
    ;;
  *)
    echo "install.sh: $device: expected cpu or cuda" >&2
    exit 1
    ;;
esac
