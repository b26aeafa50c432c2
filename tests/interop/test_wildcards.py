"""LiteLLM's wildcard models: listed as a pattern on request, matched by names that no listing holds."""

import openai
import pytest

from litellm_proxy import WILDCARD_ANSWER
from olla import endpoint, static

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture(scope="module", params=["strict", "optimistic"])
def wildcards(request, start_olla, backends):
    """An Olla that asks LiteLLM for its wildcard routes."""
    listing = "/v1/models?return_wildcard_routes=true"
    registry = {"routing_strategy": {"type": request.param}}
    settings = static(
        endpoint("litellm-gateway", "litellm", backends.litellm.url, model_url=listing),
        endpoint("local-llamacpp", "llamacpp", backends.llamacpp.url),
        model_registry=registry,
    )
    return start_olla(settings)


def test_a_name_under_a_wildcard_is_routed(wildcards):
    reply = wildcards.openai().chat.completions.with_raw_response.create(
        model="groq/some-model-of-tomorrow", messages=HELLO,
    )

    assert reply.parse().choices[0].message.content == WILDCARD_ANSWER
    assert reply.headers["X-Olla-Endpoint"] == "litellm-gateway"
    assert reply.headers["X-Olla-Model"] == "groq/some-model-of-tomorrow"


def test_a_name_under_no_wildcard_is_not_found(wildcards):
    with pytest.raises(openai.NotFoundError):
        wildcards.openai().chat.completions.create(model="groqs/some-model", messages=HELLO)


def test_the_names_that_litellm_knows_under_a_wildcard_are_listed(wildcards):
    names = [model.id for model in wildcards.openai("/olla/litellm/v1").models.list()]

    assert [name for name in names if name.startswith("groq/")]
    assert not [name for name in names if "*" in name]
