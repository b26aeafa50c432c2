"""Health checks of LiteLLM: free of cost by default, whatever `/health` would do."""

import pytest

from olla import endpoint, static
from processes import eventually

CHECKS = {"check_interval": "2s", "check_timeout": "1900ms"}


@pytest.fixture
def watch(start_olla, backends):
    """Returns a function: starts an Olla, waits for two checks, returns what the provider was asked meanwhile."""
    def run(**more) -> list[dict]:
        backends.provider.requests.clear()
        olla = start_olla(static(endpoint("litellm", "litellm", backends.litellm.url, **CHECKS, **more)))
        for _ in range(2):
            seen = olla.endpoint("litellm")["health_check_at"]
            eventually(15, lambda: olla.endpoint("litellm")["health_check_at"] != seen)
        assert olla.endpoint("litellm")["status"] == "healthy"
        assert olla.stop() == 0
        return list(backends.provider.requests)

    return run


def test_the_default_check_calls_no_model(watch):
    assert watch() == []


def test_the_check_named_health_calls_models_which_is_why_it_is_not_the_default(watch):
    assert watch(health_check_url="/health") != []
