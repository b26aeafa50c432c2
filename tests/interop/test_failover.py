"""Two LiteLLM, one of them killed in the middle of the traffic: no client notices."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import litellm_proxy
from olla import endpoint, static
from processes import eventually

HELLO = [{"role": "user", "content": "Hello!"}]
CLIENTS, REQUESTS, KILL_AFTER = 8, 240, 60


@pytest.mark.parametrize("balancer", ["least-connections", "round-robin"])
def test_no_request_fails_when_one_of_two_instances_is_killed(start_olla, backends, balancer):
    checks = {"check_interval": "1s", "check_timeout": "900ms"}
    olla = start_olla(static(
        endpoint("litellm-primary", "litellm", backends.litellm.url, **checks),
        endpoint("litellm-secondary", "litellm", backends.twin.url, **checks),
        proxy={"load_balancer": balancer},
    ))
    for name in ("litellm-primary", "litellm-secondary"):
        # LiteLLM may be too busy to answer its first check in time.
        eventually(20, lambda name=name: olla.endpoint(name)["status"] == "healthy")
    for backend in (backends.litellm, backends.twin):
        # The first answer of a LiteLLM takes longer than all the traffic of this test.
        httpx.post(backend.url + "/v1/chat/completions", json={"model": "gpt-4", "messages": HELLO}, timeout=30)
    client = olla.openai("/olla/litellm/v1")
    done = threading.Semaphore(0)

    def ask(_) -> str:
        try:
            reply = client.chat.completions.with_raw_response.create(model="gpt-4", messages=HELLO)
            assert reply.parse().choices[0].message.content == "Hello from gpt-4"
            return reply.headers["X-Olla-Endpoint"]
        finally:
            done.release()

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(ask, range(REQUESTS))
        for _ in range(KILL_AFTER):
            done.acquire()
        backends.twin.kill()
        # Raises what the first failed request raised.
        by = list(answers)

    try:
        assert by.count("litellm-secondary") > 0
        assert by[-1] == "litellm-primary"
        eventually(10, lambda: olla.endpoint("litellm-secondary")["status"] != "healthy")
    finally:
        backends.twin.start().wait_ready(litellm_proxy.START_SECONDS)

    eventually(35, lambda: olla.endpoint("litellm-secondary")["status"] == "healthy")
    eventually(10, lambda: "litellm-secondary" in {ask(0) for _ in range(4)})


def test_the_preferred_instance_serves_while_it_is_healthy(start_olla, backends):
    olla = start_olla(static(
        endpoint("litellm-primary", "litellm", backends.litellm.url, priority=90),
        endpoint("litellm-secondary", "litellm", backends.twin.url, priority=70),
        proxy={"load_balancer": "priority"},
    ))

    replies = [olla.post("/v1/chat/completions", {"model": "gpt-4", "messages": HELLO}) for _ in range(5)]

    assert {reply.headers["X-Olla-Endpoint"] for reply in replies} == {"litellm-primary"}
