"""The OpenAPI 3.1 description of the HTTP API, made from the table of routes and the schemas of our own JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import UnionType

import msgspec

from sidebooks_core.server.route import MEANINGS, PARAMETERS, Route
from sidebooks_core.server.schemas import Problem

Json = dict[str, object]
Schemas = dict[type[msgspec.Struct] | UnionType, Json]

LICENCE = "AGPL-3.0-or-later"
SCHEMAS = "#/components/schemas/{name}"


def description(routes: Sequence[Route], base: str, version: str) -> Json:
    """The description as a value for JSON. base: where the API is. version: of the library."""
    schemas: list[type[msgspec.Struct] | UnionType] = [
        Problem,
        *(schema for one in routes for schema in (one.body, one.answer) if schema is not None),
    ]
    references, components = msgspec.json.schema_components(schemas, ref_template=SCHEMAS)
    by_schema = dict(zip(schemas, references, strict=True))
    paths: dict[str, Json] = {}
    for one in routes:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, by_schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sidebooks", "version": version, "license": {"name": LICENCE, "identifier": LICENCE}},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(one: Route, schemas: Schemas) -> Json:
    problem = {"application/problem+json": {"schema": schemas[Problem]}}
    made: Json = {
        "summary": one.summary,
        "operationId": re.sub(r"[^A-Za-z0-9]+", "_", f"{one.method.lower()}{one.path}").strip("_"),
        "tags": [one.operation.value],
        "responses": {
            **{str(status): _success(one, status, schemas) for status in one.successes},
            **{
                str(status): {"description": MEANINGS[status], "content": problem}
                for status in one.statuses
                if status not in one.successes
            },
        },
    }
    parameters = [_parameter(name, "path") for name in one.parameters] + [_parameter(name, "query") for name in one.query]
    if parameters:
        made["parameters"] = parameters
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[one.body]}}}
    return made


def _success(one: Route, status: int, schemas: Schemas) -> Json:
    made: Json = {"description": MEANINGS[status] or one.summary}
    if status in (200, 201, 206) and one.media_type:
        made["content"] = {one.media_type: {} if one.answer is None else {"schema": schemas[one.answer]}}
    return made


def _parameter(name: str, place: str) -> Json:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": PARAMETERS[name].meaning,
        "schema": {"type": "string", "pattern": f"^{PARAMETERS[name].pattern}$"},
    }
