"""The ground the suite stands on: what the real servers do without Olla, and that the captures show it."""

import json
from pathlib import Path

import httpx
import pytest

from backends import MASTER_KEY

CAPTURES = Path(__file__).resolve().parent / "captures"


def captured(name: str) -> dict:
    return json.loads((CAPTURES / f"{name}.json").read_text())


def shape(value):
    """Returns the keys of a document, lists reduced to all keys of their entries."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [sorted({key for entry in value if isinstance(entry, dict) for key in entry})]
    return None


@pytest.mark.parametrize(("server", "name"), [
    ("litellm", "litellm-models"), ("litellm", "litellm-models-wildcards"), ("litellm", "litellm-readiness"),
    ("llamacpp", "llamacpp-models"), ("llamacpp", "llamacpp-health"),
])
def test_the_captures_have_the_shape_of_the_real_answers(backends, server, name):
    capture = captured(name)

    response = httpx.get(getattr(backends, server).url + capture["path"], timeout=30)

    assert response.status_code == capture["status"]
    assert shape(response.json()) == shape(capture["body"])


def test_litellm_lists_wildcards_only_on_request(backends):
    def patterns(path: str) -> list[str]:
        listing = httpx.get(backends.litellm.url + path, timeout=30).json()["data"]
        return [model["id"] for model in listing if "*" in model["id"]]

    assert patterns("/v1/models") == []
    assert patterns("/v1/models?return_wildcard_routes=true") == ["groq/*"]


def test_litellm_refuses_a_missing_key_by_a_500_and_closes(backends):
    response = httpx.get(backends.keyed.url + "/v1/models", timeout=30)

    assert response.status_code == 500
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["Connection"] == "close"


def test_litellm_is_alive_without_a_key(backends):
    assert httpx.get(backends.keyed.url + "/health/liveliness", timeout=30).status_code == 200
    assert httpx.get(backends.keyed.url + "/health", timeout=30).status_code == 500


def test_litellm_calls_the_provider_on_each_health_check(backends):
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    backends.provider.requests.clear()

    response = httpx.get(backends.keyed.url + "/health", headers=headers, timeout=30)

    assert response.status_code == 200
    assert response.json()["unhealthy_count"] > 0
    assert {request["model"] for request in backends.provider.requests} == {"weather", "endless"}


def test_llamacpp_announces_how_long_it_keeps_a_connection(backends):
    response = httpx.get(backends.llamacpp.url + "/v1/models", timeout=30)

    assert response.headers["Keep-Alive"] == "timeout=5, max=100"
    assert response.headers["Access-Control-Allow-Origin"] == ""
    assert {"models", "data"} <= set(response.json())
