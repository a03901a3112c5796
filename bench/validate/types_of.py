"""Types for msgspec and pydantic, made from a workload's schema, so that their constraints are the schema's.

They are what an author would write by hand: closed structs, `Annotated` with bounds, `Literal` for an enum, `datetime`.
Serde structs in Rust for the native comparison are written from the same schema (without bounds: serde has none)."""

import datetime
import itertools
import uuid
from typing import Annotated, Any, Literal

Schema = dict[str, Any]

# Neither has an IPv4 type that decodes from JSON in both: the dotted quad as a pattern.
IPV4 = r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"


class Builder:
    """Walks a schema; the subclasses say how their library writes structs and bounds."""

    def __init__(self) -> None:
        self._names = (f"T{i}" for i in itertools.count())

    def bounded(self, base: Any, **bounds: Any) -> Any:
        raise NotImplementedError

    def struct(self, name: str, members: "dict[str, tuple[Any, bool]]") -> Any:
        raise NotImplementedError

    def aware(self) -> Any:
        raise NotImplementedError

    def build(self, schema: Schema) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            (only,) = [name for name in kind if name != "null"]
            return self.build({**schema, "type": only}) | None
        if "enum" in schema:
            return Literal[tuple(schema["enum"])]
        return getattr(self, "_" + str(kind))(schema)

    def _object(self, schema: Schema) -> Any:
        if "patternProperties" in schema:
            ((pattern, value),) = schema["patternProperties"].items()
            return dict[self.bounded(str, pattern=pattern), self.build(value)]  # type: ignore[misc]
        if "properties" not in schema:
            return dict[str, self.build(schema["additionalProperties"])]  # type: ignore[misc]
        required = schema["required"]
        members = {name: (self.build(inner), name in required) for name, inner in schema["properties"].items()}
        return self.struct(next(self._names), members)

    def _array(self, schema: Schema) -> Any:
        items = list[self.build(schema["items"])]  # type: ignore[misc]
        return self.bounded(items, **_renamed(schema, minItems="min_length", maxItems="max_length"))

    def _string(self, schema: Schema) -> Any:
        form = schema.get("format")
        if form == "date-time":
            return self.aware()
        if form == "uuid":
            return uuid.UUID
        bounds = _renamed(schema, minLength="min_length", maxLength="max_length", pattern="pattern")
        if form == "ipv4":
            bounds["pattern"] = IPV4
        return self.bounded(str, **bounds)

    def _integer(self, schema: Schema) -> Any:
        return self.bounded(int, **_renamed(schema, minimum="ge", maximum="le"))

    def _number(self, schema: Schema) -> Any:
        return self.bounded(float, **_renamed(schema, minimum="ge", maximum="le"))

    def _boolean(self, schema: Schema) -> Any:
        return bool

    def _null(self, schema: Schema) -> Any:
        return None


def _renamed(schema: Schema, **names: str) -> "dict[str, Any]":
    return {new: schema[old] for old, new in names.items() if old in schema}


class Msgspec(Builder):
    def bounded(self, base: Any, **bounds: Any) -> Any:
        from msgspec import Meta  # noqa: PLC0415 - lives in the peers' environment

        if bounds.get("ge", 0) < -(2**63) or bounds.get("le", 0) >= 2**63:
            bounds.pop("le")  # msgspec takes bounds of 64 bits
        return Annotated[base, Meta(**bounds)] if bounds else base

    def struct(self, name: str, members: "dict[str, tuple[Any, bool]]") -> Any:
        import msgspec  # noqa: PLC0415 - lives in the peers' environment

        fields = [
            (member, kind) if required else (member, kind | msgspec.UnsetType, msgspec.UNSET)
            for member, (kind, required) in sorted(members.items(), key=lambda item: not item[1][1])
        ]
        return msgspec.defstruct(name, fields, forbid_unknown_fields=True)

    def aware(self) -> Any:
        return self.bounded(datetime.datetime, tz=True)


class Pydantic(Builder):
    def bounded(self, base: Any, **bounds: Any) -> Any:
        from pydantic import Field  # noqa: PLC0415 - lives in the peers' environment

        return Annotated[base, Field(**bounds)] if bounds else base

    def struct(self, name: str, members: "dict[str, tuple[Any, bool]]") -> Any:
        from pydantic import ConfigDict, create_model  # noqa: PLC0415 - lives in the peers' environment

        fields: dict[str, Any] = {
            member: (kind, ... if required else None) for member, (kind, required) in members.items()
        }
        return create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)

    def aware(self) -> Any:
        from pydantic import AwareDatetime  # noqa: PLC0415 - lives in the peers' environment

        return AwareDatetime


class Rust:
    """The same as source text of serde structs; `root` names the type of the document."""

    KEYWORDS = frozenset({"type", "ref", "match", "use"})

    def __init__(self, schema: Schema) -> None:
        self.structs: list[str] = []
        self.root = self._of(schema)

    def source(self) -> str:
        return "\n".join(self.structs) + f"\npub type Root = {self.root};\n"

    def _of(self, schema: Schema) -> str:
        kind = schema["type"]
        if isinstance(kind, list):
            (only,) = [name for name in kind if name != "null"]
            return f"Option<{self._of({**schema, 'type': only})}>"
        if "enum" in schema:
            return self._enum(schema["enum"])
        if kind == "array":
            return f"Vec<{self._of(schema['items'])}>"
        if kind == "object":
            return self._struct(schema)
        return {"string": "String", "integer": "i64", "number": "f64", "boolean": "bool", "null": "()"}[kind]

    def _enum(self, values: "list[str]") -> str:
        name = f"E{len(self.structs)}"
        rows = "".join(f'    #[serde(rename = "{value}")] V{i},\n' for i, value in enumerate(values))
        self.structs.append(f"#[derive(serde::Deserialize)] pub enum {name} {{\n{rows}}}")
        return name

    def _struct(self, schema: Schema) -> str:
        if "properties" not in schema:
            (value,) = schema.get("patternProperties", {"": schema.get("additionalProperties")}).values()
            return f"std::collections::HashMap<String, {self._of(value)}>"
        rows = ""
        for member, inner in schema["properties"].items():
            kind = self._of(inner)
            if member not in schema["required"]:
                kind = f"Option<{kind}>"
            field = f"r#{member}" if member in self.KEYWORDS else member
            rows += f"    pub {field}: {kind},\n"
        name = f"S{len(self.structs)}"
        self.structs.append(
            f"#[derive(serde::Deserialize)] #[serde(deny_unknown_fields)] pub struct {name} {{\n{rows}}}"
        )
        return name
