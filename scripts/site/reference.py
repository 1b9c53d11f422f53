"""Reference pages: the commands by the parser, the params by their schema."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ttame.cli.arguments import STAGES, make_parser
from ttame.params.schema import experiment_schema
from ttame.report.markdown import markdown_table

Schema = Mapping[str, Any]


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of every subcommand, by name."""
    return next(
        dict(action.choices) for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )


def command_line_page() -> str:
    """Every subcommand with its arguments."""
    known = commands()
    asked = [_command(name, parser) for name, parser in known.items() if name not in STAGES]
    stages = [_command(name, parser) for name, parser in known.items() if name in STAGES]
    return "\n\n".join(
        [
            "# Commands",
            "`ttame` and `python -m ttame` are the same. A mistake ends in one line that names it, with an exit code "
            "that is not 0: 2 for arguments, 1 for what they name, 128 + the signal for a command that was ended.",
            "## For a person",
            *asked,
            "## Stages of the DAG\n\nSnakemake and DVC run these; each reads files and writes files.",
            *stages,
        ]
    )


def params_page() -> str:
    """Every key that an experiment may have."""
    schema = experiment_schema()
    sections = [_section(key, inner, schema["$defs"]) for key, inner in schema["properties"].items()]
    return "\n\n".join(
        [
            "# Params",
            "What an experiment, a file of `experiments/`, may say; `params.yaml` is the active one with every key. "
            "What is not said is the base's or the default. Editors complete and check with "
            "`workflow/schemas/params.schema.json`, from which this page is made. NAME and BACKBONE stand for names.",
            *sections,
        ]
    )


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [
        [f"`{_written(action)}`", _cell(action.help or "")]
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    table = f"\n\n{markdown_table(['Argument', 'Meaning'], rows, numbers_from=9)}" if rows else ""
    said = str(parser.description)
    return f"### {name}\n\n{said[:1].upper()}{said[1:]}\n\n```text\n{usage}\n```{table}"


def _written(action: argparse.Action) -> str:
    return ", ".join(action.option_strings) or str(action.metavar or action.dest)


def _section(key: str, schema: Schema, definitions: Schema) -> str:
    rows = [
        [f"`{path}`" if path else "", f"`{_type(inner)}`", _default(inner), _cell(inner.get("description", ""))]
        for path, inner in _leaves("", schema, definitions)
    ]
    described = _cell(str(schema.get("description", "")))
    sentence = f"{described[:1].upper()}{described[1:]}."
    if len(rows) == 1 and not rows[0][0]:
        return f"## {key}\n\n{sentence} Type: {rows[0][1]}."
    return f"## {key}\n\n{sentence}\n\n{markdown_table(['Key', 'Type', 'Default', 'Meaning'], rows, numbers_from=9)}"


def _leaves(path: str, schema: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """The keys below a schema that have no keys below them."""
    found = _resolved(schema, definitions)
    deeper = found.get("properties", {})
    for key, inner in deeper.items():
        yield from _leaves(f"{path}.{key}".lstrip("."), inner, definitions)
    each = found.get("additionalProperties")
    if isinstance(each, Mapping) and ("$ref" in each or "anyOf" in each):
        name = {"": "NAME", "by_backbone": "BACKBONE"}.get(path.rpartition(".")[2], "NAME")
        yield from _leaves(f"{path}.{name}".lstrip("."), each, definitions)
    elif not deeper:
        yield path, {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema that it refers to; of a choice between a section and nothing, the section."""
    candidates = [schema, *schema.get("anyOf", [])]
    name = next((one["$ref"].rpartition("/")[2] for one in candidates if "$ref" in one), None)
    return schema if name is None else definitions[name]


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    ends = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in ends.items() if key in schema]
    return {"object": "mapping", "null": "null"}.get(kind, kind) + (f" {', '.join(limits)}" if limits else "")


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return ""
    written = (
        yaml.safe_dump(schema["default"], default_flow_style=True, width=1000).strip().removesuffix("\n...").strip()
    )
    return f"`{written}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
