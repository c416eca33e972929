"""Web pages that ask a server that is not theirs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sage.errors import GraphError
from sage.serving import app, openai_app
from sage.serving.origins import Origins
from tests.serving.in_process import told
from tests.serving.stand_in import StandIn

PAGE = "https://page.example"


async def nothing(_: Any) -> AsyncIterator[str]:
    yield ""


def chat(**options: Any) -> Any:
    return openai_app(StandIn({"talk": nothing}), chat={"m": "talk"}, **options)


async def test_a_browser_asks_before_a_page_does() -> None:
    async def asked(**options: Any) -> tuple[int, dict[str, str], bytes]:
        return await told(
            chat(**options),
            "OPTIONS",
            "/v1/chat/completions",
            origin=PAGE,
            access_control_request_method="POST",
            access_control_request_headers="authorization,content-type",
        )

    status, headers, body = await asked(origins=[PAGE], auth=["key"])
    assert (status, body) == (200, b"")
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "authorization,content-type"
    for origins in ([], ["https://other.example"]):
        status, headers, _ = await asked(origins=origins)
        assert (status, headers.get("access-control-allow-origin")) == (405, None)


@pytest.mark.parametrize("serve", [chat, lambda **options: app(StandIn({"talk": nothing}), **options)])
async def test_every_answer_says_who_may_read_it(serve: Any) -> None:
    for path in ("/health", "/v1/nothing"):  # errors, too
        _, headers, _ = await told(serve(origins=["*"]), "GET", path, origin=PAGE)
        assert (headers["access-control-allow-origin"], headers["vary"]) == (PAGE, "origin")
        assert "retry-after" in headers["access-control-expose-headers"]
        _, headers, _ = await told(serve(origins=[PAGE]), "GET", path)
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "origin"  # lest a cache gives it to a page
        _, headers, _ = await told(serve(), "GET", path, origin=PAGE)
        assert not {"vary", "access-control-allow-origin"} & set(headers)


@pytest.mark.parametrize("origins", ["*", PAGE, 3, ["page.example"], [PAGE + "/"], [3]])
def test_what_is_no_list_of_origins(origins: Any) -> None:
    with pytest.raises(GraphError, match=r"origins="):
        Origins(origins)
