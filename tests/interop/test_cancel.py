"""A client that goes away stops the work behind it, down to the engine and to the cloud provider."""

import httpx

from processes import eventually

HELLO = [{"role": "user", "content": "Tell me everything."}]
ENDLESS = 100_000


def slots(backends) -> list[dict]:
    return httpx.get(backends.llamacpp.url + "/slots", timeout=10).json()


def busy(backends) -> bool:
    return any(slot["is_processing"] for slot in slots(backends))


def test_llamacpp_stops_generating_when_the_client_leaves_mid_stream(olla, backends):
    eventually(10, lambda: not busy(backends))
    body = {"model": "olla-tiny", "messages": HELLO, "stream": True, "max_tokens": ENDLESS, "ignore_eos": True}

    with httpx.stream("POST", olla.url + "/v1/chat/completions", json=body, timeout=30) as reply:
        lines = reply.iter_lines()
        for _ in range(20):
            next(lines)
        assert busy(backends)

    eventually(5, lambda: not busy(backends))
    assert olla.endpoint("local-llamacpp")["active_connections"] == 0


def test_a_request_to_llamacpp_ends_when_the_client_leaves_before_the_answer(olla, backends):
    # llama.cpp itself does not always notice that nobody waits for a whole answer any more, so what is
    # looked at is Olla: it must have let go of the connection.
    body = {"model": "olla-tiny", "messages": HELLO, "max_tokens": ENDLESS, "ignore_eos": True}

    try:
        httpx.post(olla.url + "/v1/chat/completions", json=body, timeout=httpx.Timeout(10, read=1))
        raise AssertionError("the answer was not meant to come within a second")
    except httpx.ReadTimeout:
        pass

    eventually(5, lambda: olla.endpoint("local-llamacpp")["active_connections"] == 0)


def test_the_provider_behind_litellm_is_told_when_the_client_leaves(olla, backends):
    backends.provider.abandoned.clear()
    backends.provider.finished.clear()
    body = {"model": "endless", "messages": HELLO, "stream": True}

    with httpx.stream("POST", olla.url + "/olla/litellm/v1/chat/completions", json=body, timeout=30) as reply:
        next(reply.iter_lines())

    assert backends.provider.abandoned.wait(10)
    assert not backends.provider.finished.is_set()


def test_a_client_that_leaves_does_not_cost_the_endpoint_its_health(olla, backends):
    body = {"model": "olla-tiny", "messages": HELLO, "stream": True, "max_tokens": ENDLESS, "ignore_eos": True}

    for _ in range(5):
        with httpx.stream("POST", olla.url + "/v1/chat/completions", json=body, timeout=30) as reply:
            next(reply.iter_lines())

    answer = olla.openai().chat.completions.create(model="olla-tiny", messages=HELLO, max_tokens=2)
    assert answer.choices
    assert olla.endpoint("local-llamacpp")["status"] == "healthy"
