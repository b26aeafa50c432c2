"""Headers between client, Olla and the real backends."""

import re

import httpx
import pytest

HELLO = [{"role": "user", "content": "Hello!"}]
HOP_BY_HOP = {"keep-alive", "proxy-connection", "te", "trailer", "upgrade", "proxy-authenticate"}
RESPONSE_TIME = re.compile(r"\d+\.\d{3}s")
REQUEST_ID = re.compile(r"req_\w+")


@pytest.mark.parametrize(("model", "name", "kind"), [
    ("gpt-4", "litellm-gateway", "litellm"),
    ("olla-tiny", "local-llamacpp", "llamacpp"),
])
@pytest.mark.parametrize("stream", [False, True])
def test_each_answer_says_who_gave_it(olla, model, name, kind, stream):
    reply = olla.post("/v1/chat/completions", {
        "model": model, "messages": HELLO, "stream": stream, "max_tokens": 4,
    })

    assert reply.status_code == 200
    assert reply.headers["X-Olla-Endpoint"] == name
    assert reply.headers["X-Olla-Backend-Type"] == kind
    assert reply.headers["X-Olla-Model"] == model
    assert REQUEST_ID.fullmatch(reply.headers["X-Olla-Request-ID"])
    assert RESPONSE_TIME.fullmatch(reply.headers["X-Olla-Response-Time"])


def test_request_ids_differ_and_a_client_id_is_kept(olla):
    body = {"model": "gpt-4", "messages": HELLO}

    ids = {olla.post("/v1/chat/completions", body).headers["X-Olla-Request-ID"] for _ in range(5)}
    kept = olla.post("/v1/chat/completions", body, headers={"X-Request-ID": "client-42"})

    assert len(ids) == 5
    assert kept.headers["X-Olla-Request-ID"] == "client-42"


def test_litellm_headers_pass_through(olla):
    reply = olla.post("/olla/litellm/v1/chat/completions", {"model": "gpt-4", "messages": HELLO})

    assert reply.headers["x-litellm-model-group"] == "gpt-4"
    assert reply.headers["x-litellm-call-id"]
    assert reply.headers["x-litellm-version"]


def test_each_header_of_litellm_arrives_once(olla, backends):
    body = {"model": "gpt-4", "messages": HELLO}
    direct = httpx.post(backends.litellm.url + "/v1/chat/completions", json=body, timeout=30)

    through = olla.post("/olla/litellm/v1/chat/completions", body)

    for name in direct.headers:
        assert len(through.headers.get_list(name)) == 1, name


def test_a_stream_is_marked_as_one_and_is_not_buffered(olla):
    reply = olla.post("/v1/chat/completions", {"model": "gpt-4", "messages": HELLO, "stream": True})

    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert reply.headers["X-Accel-Buffering"] == "no"
    assert reply.headers["Cache-Control"] == "no-cache"
    assert reply.text.endswith("data: [DONE]\n\n")


def test_hop_by_hop_headers_of_llamacpp_stay_behind(olla, backends):
    body = {"model": "olla-tiny", "messages": HELLO, "max_tokens": 2}
    direct = httpx.post(backends.llamacpp.url + "/v1/chat/completions", json=body, timeout=30)

    through = olla.post("/olla/llamacpp/v1/chat/completions", body)

    assert direct.headers["Keep-Alive"] == "timeout=5, max=100"
    assert not HOP_BY_HOP & set(through.headers)


def test_a_backend_that_closes_does_not_close_the_client(olla):
    # llama.cpp answers each error with `Connection: close`; that is between it and Olla.
    with httpx.Client(base_url=olla.url, timeout=30) as client:
        refused = client.post("/olla/llamacpp/v1/embeddings", json={"model": "olla-tiny", "input": "a"})

        assert refused.status_code == 501
        assert refused.headers.get("Connection", "keep-alive").lower() != "close"


def test_a_stream_is_the_same_byte_for_byte(olla, backends):
    body = {
        "model": "olla-tiny", "messages": HELLO, "stream": True, "max_tokens": 16,
        "temperature": 0, "seed": 7, "ignore_eos": True, "cache_prompt": False,
    }

    def contents(url: str) -> list[bytes]:
        reply = httpx.post(url + "/v1/chat/completions", json=body, timeout=30)
        # Identifier and timings differ from request to request; nothing else may.
        lines = [re.sub(rb'"(id|created)":("[^"]*"|\d+)', b"", line) for line in reply.content.split(b"\n")]
        return [re.sub(rb'"timings":\{[^}]*\}', b"", line) for line in lines]

    assert contents(olla.url + "/olla/llamacpp") == contents(backends.llamacpp.url)
