"""The description of the server, for tools that read OpenAPI."""

from typing import Any

import msgspec

from sage.serving import bodies
from sage.version import __version__

__all__ = ["description"]

_BODIES = {
    "/v1/chat/completions": (bodies.ChatBody, "The next message of a conversation"),
    "/v1/completions": (bodies.CompletionBody, "How a text goes on"),
    "/v1/embeddings": (bodies.EmbeddingBody, "Texts as vectors"),
}
_READ = {
    "/v1/models": "Which models there are",
    "/v1/models/{id}": "One model",
    "/health": "Whether the program runs",
    "/ready": "Whether requests are taken",
    "/metrics": "Numbers, for Prometheus",
    "/openapi.json": "This description",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def description(title: str, *, guarded: bool) -> dict[str, Any]:
    """The description.

    Args:
        title: the program's name.
        guarded: whether an API key is needed.
    """
    kinds = [kind for kind, _ in _BODIES.values()]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    components: dict[str, Any] = {"schemas": {**schemas, "Error": _ERROR}}
    paths = {path: {"post": _posted(kind, told)} for path, (kind, told) in _BODIES.items()}
    paths |= {path: {"get": _got(path, told)} for path, told in _READ.items()}
    found: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": title, "version": __version__}, "paths": paths}
    if guarded:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path in (*_BODIES, "/v1/models", "/v1/models/{id}"):
            for operation in paths[path].values():
                operation["security"] = [{"key": []}]
    return {**found, "components": components}


def _posted(kind: type[Any], told: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    content: dict[str, Any] = {"application/json": {}}
    if kind is not bodies.EmbeddingBody:
        content["text/event-stream"] = {}
    return {
        "summary": told,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The answer", "content": content}, **_errors()},
    }


def _got(path: str, told: str) -> dict[str, Any]:
    content: dict[str, Any] = {"text/plain": {}} if path == "/metrics" else {"application/json": {}}
    operation: dict[str, Any] = {
        "summary": told,
        "responses": {"200": {"description": told, "content": content}, **_errors()},
    }
    if "{id}" in path:
        operation["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return operation


def _errors() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {kind: {"description": "What is wrong", "content": content} for kind in ("4XX", "5XX")}
