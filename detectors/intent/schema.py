"""The vocabulary of the intent as a JSON Schema, for editors.

It refuses nothing that `anchorwatch check` takes; `check` finds more, and says it better.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from detectors.intent import Intent
from detectors.intent.values import DURATION, duration_text


class _Schema(GenerateJsonSchema):
    """Tells defaults as people write them."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        out = super().default_schema(schema)
        default = out.get("default")
        if isinstance(default, int) and out.get("pattern") == DURATION["pattern"]:
            out["default"] = duration_text(default)
        elif default is None or default == [] or isinstance(default, dict):
            out.pop("default", None)
        return out


def intent_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an intent file."""
    schema = Intent.model_json_schema(schema_generator=_Schema)
    named = {"$schema": _Schema.schema_dialect, "title": "anchorwatch intent"}
    return {**named, **schema, "title": named["title"]}
