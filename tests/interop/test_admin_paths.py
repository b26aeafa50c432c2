"""LiteLLM's management paths: refused until an endpoint allows them, then forwarded as they are."""

import httpx
import pytest

from backends import MASTER_KEY
from olla import endpoint, static

AUTH = {"type": "bearer", "token": MASTER_KEY}
ADMIN_REQUESTS = [
    ("POST", "/key/generate"), ("GET", "/key/info?key=sk-1"), ("GET", "/user/info"), ("GET", "/team/info"),
    ("POST", "/spend/calculate"), ("GET", "/spend/logs"),
]


@pytest.fixture(scope="module")
def allowing(start_olla, backends):
    """An Olla whose endpoint allows the management paths."""
    paths = ["/key/*", "/user/*", "/team/*", "/spend/*"]
    return start_olla(static(endpoint("keyed", "litellm", backends.keyed.url, auth=AUTH, allow_paths=paths)))


@pytest.mark.parametrize(("method", "path"), ADMIN_REQUESTS)
def test_management_is_refused_by_default(olla, method, path):
    response = httpx.request(method, olla.url + "/olla/litellm" + path, json={}, timeout=30)

    assert response.status_code == 404
    assert response.json()["error"]["message"]
    assert "X-Olla-Endpoint" not in response.headers


def test_an_allowed_path_is_forwarded_with_method_and_body(allowing):
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "What does this cost?"}]}

    response = allowing.post("/olla/litellm/spend/calculate", body)

    # The one management path that needs no database: a cost proves that method and body arrived.
    assert response.status_code == 200
    assert response.json()["cost"] > 0


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/team/info"), ("GET", "/spend/logs"), ("POST", "/key/generate"), ("GET", "/user/info"),
])
def test_the_error_of_an_allowed_path_is_that_of_litellm(allowing, backends, method, path):
    def ask(url: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        return httpx.request(method, url + path, headers=headers, json={} if method == "POST" else None, timeout=30)

    direct, through = ask(backends.keyed.url), ask(allowing.url + "/olla/litellm")

    assert direct.status_code == 500
    assert through.status_code == direct.status_code
    assert through.content == direct.content
    assert through.headers["X-Olla-Endpoint"] == "keyed"
