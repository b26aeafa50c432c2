"""The real OpenAI SDK, pointed at each of Olla's base paths."""

import pytest

from litellm_proxy import ANSWERS, EMBEDDING, EMBEDDING_MODEL, FAILURES

HELLO = [{"role": "user", "content": "Hello!"}]
ALL_KINDS = ["/v1", "/olla/proxy/v1", "/olla/openai/v1"]
LITELLM_BASES = ["/olla/litellm/v1", *ALL_KINDS]
LLAMACPP_BASES = ["/olla/llamacpp/v1", *ALL_KINDS]


@pytest.mark.parametrize("base", LITELLM_BASES)
def test_litellm_answers_a_chat(olla, base):
    answer = olla.openai(base).chat.completions.create(model="gpt-4", messages=HELLO)

    assert answer.choices[0].message.content == ANSWERS["gpt-4"]
    assert answer.model == "gpt-4"
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize("base", LITELLM_BASES)
def test_litellm_streams_a_chat_with_usage(olla, base):
    stream = olla.openai(base).chat.completions.create(
        model="claude-3-opus", messages=HELLO, stream=True, stream_options={"include_usage": True},
    )
    chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == ANSWERS["claude-3-opus"]
    assert len(chunks) > 3
    assert chunks[-1].usage.total_tokens > 0


@pytest.mark.parametrize("base", LITELLM_BASES)
def test_litellm_completes_a_text(olla, base):
    answer = olla.openai(base).completions.create(model="gpt-3.5-turbo", prompt="Say hello")

    assert answer.choices[0].text == ANSWERS["gpt-3.5-turbo"]


@pytest.mark.parametrize("base", LITELLM_BASES)
def test_litellm_embeds(olla, base):
    answer = olla.openai(base).embeddings.create(
        model=EMBEDDING_MODEL, input="some text", encoding_format="float",
    )

    assert answer.data[0].embedding == EMBEDDING


@pytest.mark.parametrize("base", LLAMACPP_BASES)
def test_llamacpp_answers_a_chat(olla, base):
    answer = olla.openai(base).chat.completions.create(model="olla-tiny", messages=HELLO, max_tokens=8)

    assert answer.model == "olla-tiny"
    assert 1 <= answer.usage.completion_tokens <= 8


@pytest.mark.parametrize("base", LLAMACPP_BASES)
def test_llamacpp_streams_a_chat_with_usage(olla, base):
    chunks = list(olla.openai(base).chat.completions.create(
        model="olla-tiny", messages=HELLO, max_tokens=12, stream=True, stream_options={"include_usage": True},
        extra_body={"ignore_eos": True},
    ))

    assert chunks[-1].usage.completion_tokens == 12
    assert any(chunk.choices and chunk.choices[0].finish_reason == "length" for chunk in chunks)


@pytest.mark.parametrize("base", LLAMACPP_BASES)
def test_llamacpp_completes_a_text(olla, base):
    answer = olla.openai(base).completions.create(model="olla-tiny", prompt="a", max_tokens=4)

    assert answer.object == "text_completion"


def names(olla, base: str) -> list[str]:
    return [model.id for model in olla.openai(base).models.list()]


@pytest.mark.parametrize("base", ALL_KINDS)
def test_the_models_of_all_backends_are_listed_sorted(olla, base):
    listed = names(olla, base)

    assert set(ANSWERS) | {EMBEDDING_MODEL, *FAILURES, "olla-tiny"} <= set(listed)
    assert listed == sorted(listed)


def test_a_prefix_lists_the_models_of_its_kind_only(olla):
    of_litellm, of_llamacpp = names(olla, "/olla/litellm/v1"), names(olla, "/olla/llamacpp/v1")

    assert set(ANSWERS) <= set(of_litellm)
    assert "olla-tiny" not in of_litellm
    assert of_llamacpp == ["olla-tiny"]


@pytest.mark.parametrize("base", LITELLM_BASES)
@pytest.mark.parametrize("model", [name for name in ANSWERS if "/" in name])
def test_a_provider_prefix_in_the_name_reaches_litellm(olla, base, model):
    reply = olla.openai(base).chat.completions.with_raw_response.create(model=model, messages=HELLO)

    assert reply.parse().choices[0].message.content == ANSWERS[model]
    assert reply.headers["X-Olla-Model"] == model
