"""llama.cpp closes a connection after 5 idle seconds or 100 requests; no client may notice."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

HELLO = [{"role": "user", "content": "Hello!"}]
IDLE_SECONDS = 5


def ask(olla) -> int:
    return olla.post("/v1/chat/completions", {"model": "olla-tiny", "messages": HELLO, "max_tokens": 1}).status_code


# Just before, at and after the moment at which the server closes.
@pytest.mark.parametrize("pause", [IDLE_SECONDS - 0.02, IDLE_SECONDS, IDLE_SECONDS + 0.02, IDLE_SECONDS + 1])
def test_requests_succeed_after_the_server_closed_idle_connections(olla, pause):
    with ThreadPoolExecutor(4) as pool:
        before = list(pool.map(lambda _: ask(olla), range(4)))

        time.sleep(pause)
        after = list(pool.map(lambda _: ask(olla), range(8)))

    assert set(before + after) == {200}


def test_more_requests_than_a_connection_serves_succeed(olla):
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda _: ask(olla), range(250)))

    assert set(statuses) == {200}
