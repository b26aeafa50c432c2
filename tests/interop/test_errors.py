"""Errors: those of a backend pass through unchanged, Olla's own are OpenAI errors that say what to do."""

import httpx
import openai
import pytest

from litellm_proxy import FAILURES

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.mark.parametrize("model", FAILURES)
def test_a_litellm_error_passes_through_unchanged(olla, backends, model):
    body = {"model": model, "messages": HELLO}

    direct = httpx.post(backends.litellm.url + "/v1/chat/completions", json=body, timeout=30)
    through = olla.post("/olla/litellm/v1/chat/completions", body)

    assert direct.status_code == FAILURES[model][1]
    assert through.status_code == direct.status_code
    assert through.content == direct.content
    assert through.headers["Content-Type"] == direct.headers["Content-Type"]
    assert through.headers["X-Olla-Endpoint"] == "litellm-gateway"


@pytest.mark.parametrize(("model", "error"), [
    ("too-long", openai.BadRequestError),
    ("out-of-quota", openai.RateLimitError),
    ("broken", openai.InternalServerError),
])
def test_the_sdk_raises_what_litellm_meant(olla, model, error):
    with pytest.raises(error, match="mock"):
        olla.openai().chat.completions.create(model=model, messages=HELLO)


def test_a_failed_request_does_not_demote_the_endpoint(olla):
    for _ in range(5):
        olla.post("/v1/chat/completions", {"model": "out-of-quota", "messages": HELLO})

    answer = olla.openai().chat.completions.create(model="gpt-4", messages=HELLO)
    assert answer.choices[0].message.content
    assert olla.endpoint("litellm-gateway")["status"] == "healthy"


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/embeddings", {"model": "olla-tiny", "input": "a"}),
    ("/v1/chat/completions", {"model": "olla-tiny", "messages": "not a list"}),
])
def test_a_llamacpp_error_passes_through_unchanged(olla, backends, path, body):
    direct = httpx.post(backends.llamacpp.url + path, json=body, timeout=30)
    through = olla.post("/olla/llamacpp" + path, body)

    assert direct.status_code >= 400
    assert through.status_code == direct.status_code
    assert through.content == direct.content


@pytest.mark.parametrize("base", ["/v1", "/olla/proxy/v1", "/olla/openai/v1", "/olla/litellm/v1", "/olla/llamacpp/v1"])
def test_an_unknown_model_is_not_found(olla, base):
    with pytest.raises(openai.NotFoundError) as raised:
        olla.openai(base).chat.completions.create(model="no-such-model", messages=HELLO)

    error = raised.value
    assert error.code == "model_not_found"
    assert set(error.body) == {"message", "type", "param", "code"}
    assert "no-such-model" in error.body["message"]
    assert error.response.headers["X-Olla-Routing-Decision"] == "rejected"
    assert error.response.headers["X-Olla-Request-ID"]


def test_a_model_of_another_kind_is_not_served_under_a_prefix(olla):
    with pytest.raises((openai.NotFoundError, openai.InternalServerError)) as raised:
        olla.openai("/olla/llamacpp/v1").chat.completions.create(model="gpt-4", messages=HELLO)

    assert raised.value.code in {"model_not_found", "model_unavailable"}
    assert "X-Olla-Endpoint" not in raised.value.response.headers


def test_a_body_that_is_not_json_is_answered_as_an_error_not_dropped(olla):
    response = httpx.post(
        olla.url + "/olla/litellm/v1/chat/completions",
        content=b'{"model":"gpt-4","messages":', headers={"Content-Type": "application/json"}, timeout=30,
    )

    assert response.status_code == 400
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/olla/no-such-kind/v1/models", "/no-such-path"])
def test_an_unknown_path_is_a_json_404(olla, path):
    response = olla.get(path)

    assert response.status_code == 404
    assert response.json()["error"]["message"]
