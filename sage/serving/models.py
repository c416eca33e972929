"""Which models there are, and the endpoint behind each."""

import time
from collections.abc import Mapping
from typing import Any

from sage.errors import GraphError
from sage.operators.errors import shorten
from sage.serving.errors import RequestError

__all__ = ["Models"]


class Models:
    """The models of a server.

    Args:
        tables: for each kind of request, of each model's id the name of its endpoint.

    Raises:
        GraphError: there are none, or a name is no text.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        for kind, table in tables.items():
            if not isinstance(table, Mapping):
                raise GraphError(f'openai_app({kind}={shorten(table)}): write {{"my-model": "name of an endpoint"}}')
            for model, endpoint in table.items():
                if not (isinstance(model, str) and model and isinstance(endpoint, str) and endpoint):
                    raise GraphError(
                        f"openai_app({kind}={{{model!r}: {endpoint!r}}}): write the model's id and the name of its "
                        f"endpoint, both as text"
                    )
        if not any(tables.values()):
            raise GraphError('openai_app has no model to serve; write chat={"my-model": "name of an endpoint"}, say')
        self.endpoints = {endpoint for table in tables.values() for endpoint in table.values()}
        self._tables = {kind: dict(table) for kind, table in tables.items()}
        self._ids = list(dict.fromkeys(model for table in tables.values() for model in table))
        self._created = int(time.time())

    def endpoint(self, kind: str, model: str) -> str:
        """The endpoint that answers for a model.

        Raises:
            RequestError: with status 404, there is no such model, or not for that kind of request.
        """
        if model not in self._tables[kind]:
            elsewhere = model in self._ids
            told = f"the model {model!r} is not one for {kind}" if elsewhere else f"there is no model {model!r}"
            raise RequestError(told, status=404, param="model", code="model_not_found")
        return self._tables[kind][model]

    def all(self) -> dict[str, Any]:
        """What there is, in the types of JSON."""
        return {"object": "list", "data": [self.one(model) for model in self._ids]}

    def one(self, model: str) -> dict[str, Any]:
        """One of them, in the types of JSON.

        Raises:
            RequestError: with status 404, there is no such model.
        """
        if model not in self._ids:
            raise RequestError(f"there is no model {model!r}", status=404, param="model", code="model_not_found")
        return {"id": model, "object": "model", "created": self._created, "owned_by": "sage"}
