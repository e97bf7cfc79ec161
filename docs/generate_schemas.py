"""Write docs/schemas/: what each command prints with --json. python docs/generate_schemas.py

The schemas follow the types of the reports, so that a change of a report is a change here.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from geoseg.cli.completion import CompletionReport
from geoseg.cli.main import COMMANDS
from geoseg.web.server import ServeReport

FOLDER = Path(__file__).with_name("schemas")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", int: "integer", bool: "boolean", NoneType: "null", Path: "string"}


def reports(command: str) -> list[type]:
    """The reports that ``command`` may print."""
    if command == "completion":
        return [CompletionReport]
    if command == "serve":  # the page's, which is no tool
        return [ServeReport]
    modules = ("evaluate", "evaluate_chips") if command == "evaluate" else (command,)
    tools = [importlib.import_module(f"geoseg.tools.{name}") for name in modules]
    return [get_type_hints(tool.run)["return"] for tool in tools]


def schema(hint: Any) -> dict[str, Any]:
    """JSON schema of a type as :meth:`geoseg.report.Report.to_dict` writes its values."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [schema(part) for part in parts]}
    if origin is Literal:
        return {"enum": list(parts)}
    if hint is float:  # NaN and infinity are null
        return {"type": ["number", "null"]}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if is_dataclass(hint):
        return table(hint)
    if (origin or hint) is dict:
        return {"type": "object"} | ({"additionalProperties": schema(parts[1])} if parts else {})
    if (origin or hint) in (tuple, list):
        same = len(parts) == 1 or (len(parts) == 2 and parts[1] is ...)
        return {"type": "array"} | ({"items": schema(parts[0])} if same else {})
    return {}


def table(kind: Any) -> dict[str, Any]:
    """Schema of a dataclass: all fields are there, others may follow."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    properties = {name: schema(hints[name]) for name in names}
    return {"type": "object", "properties": properties, "required": names}


def report_schema(kind: type, command: str) -> dict[str, Any]:
    content = table(kind)
    content["properties"] |= {"command": {"const": command}, "version": {"type": "string"}}
    content["required"].append("version")
    return content


def failure() -> dict[str, Any]:
    """Schema of the object that a command prints when it fails."""
    text = {"type": ["string", "null"]}
    error = {"exit": {"type": "integer"}, "file": text, "message": {"type": "string"}, "hint": text}
    properties = {
        "command": text,
        "version": {"type": "string"},
        "error": {"type": "object", "properties": error, "required": list(error)},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def schemas() -> dict[str, str]:
    """Text of each file in docs/schemas/ by its name."""
    found = {"error.json": failure()}
    for command in COMMANDS:
        kinds = [report_schema(kind, command) for kind in reports(command)]
        found[f"{command}.json"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {
        name: json.dumps(
            {"$schema": DRAFT, "title": f"geoseg {Path(name).stem} --json"} | content, indent=1
        )
        + "\n"
        for name, content in found.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, "utf-8")
