"""The JSON schema of an experiment, made from the models: editors complete and check with it."""

from __future__ import annotations

import json
from typing import Any

from ttame.params.settings import Settings


def experiment_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of experiments/*.yaml and params.yaml; nothing is required, since a base may say it."""
    schema = Settings.model_json_schema()
    schema["title"] = "A ttame experiment"
    schema["description"] = "What differs from the base or from the defaults; params.yaml has every key."
    base = {"type": "string", "description": "the experiment that this one changes; by default there is none"}
    schema["properties"] = {"base": base} | schema["properties"]
    for section in (schema, *schema["$defs"].values()):
        section.pop("required", None)
    return schema


def schema_text() -> str:
    """The schema as the file `workflow/schemas/params.schema.json` holds it."""
    return json.dumps(experiment_schema(), indent=2, ensure_ascii=False) + "\n"
