"""YAML's safe loader, of libyaml where PyYAML was built with it: eight times as fast, and every job reads files of
params and dvc.yaml.
"""

from __future__ import annotations

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

__all__ = ["SafeLoader"]
