"""The official Anthropic SDK: messages, streams, tools, token counts and models, whatever the backend speaks."""

import anthropic
import pytest

TINY = "olla-tiny"
HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = [{
    "name": "get_weather", "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}]


def sdk(server, base="/olla/anthropic") -> anthropic.Anthropic:
    """Returns an SDK client that does not retry: a failure is a failure."""
    return anthropic.Anthropic(base_url=server.url + base, api_key="sk-of-the-client", max_retries=0, timeout=30)


@pytest.mark.parametrize("base", ["/olla/anthropic", "", "/olla/proxy"])
def test_a_message_is_answered_on_every_base_path(over_chat, base):
    answer = sdk(over_chat, base).messages.create(model="llama3.2:3b", max_tokens=50, messages=HELLO)

    assert answer.content[0].text.startswith("chatting heard:")
    assert (answer.role, answer.stop_reason, answer.model) == ("assistant", "end_turn", "llama3.2:3b")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer._request_id


def test_the_stream_helper_collects_the_same_message(over_chat):
    client = sdk(over_chat)
    whole = client.messages.create(model="llama3.2:3b", max_tokens=50, messages=HELLO)

    with client.messages.stream(model="llama3.2:3b", max_tokens=50, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        collected = stream.get_final_message()

    assert text == whole.content[0].text == collected.content[0].text
    assert collected.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_sent_back(over_chat, streamed):
    client = sdk(over_chat)
    question = {"role": "user", "content": "Please call the tool."}
    asked = {"model": "llama3.2:3b", "max_tokens": 50, "messages": [question], "tools": WEATHER}
    if streamed:
        with client.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)

    [call] = [block for block in answer.content if block.type == "tool_use"]
    assert (answer.stop_reason, call.name, call.input) == ("tool_use", "get_weather", {"city": "chatting"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny there"}]}
    final = client.messages.create(
        model="llama3.2:3b", max_tokens=50,
        messages=[question, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}],
    )
    assert final.stop_reason == "end_turn"


def test_tokens_are_counted(over_chat, olla):
    estimate = sdk(over_chat).messages.count_tokens(model="llama3.2:3b", messages=HELLO)
    counted = sdk(olla).messages.count_tokens(model=TINY, messages=HELLO)

    assert estimate.input_tokens > 0 and counted.input_tokens > 0


def test_models_are_listed_in_pages_and_found(over_chat):
    client = sdk(over_chat)

    assert [model.id for model in client.models.list(limit=1)] == ["claude-local", "llama3.2:3b"]
    assert client.models.retrieve("claude-local").type == "model"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing")


def test_errors_are_those_of_the_sdk(over_chat):
    with pytest.raises(anthropic.NotFoundError) as raised:
        sdk(over_chat).messages.create(model="nothing", max_tokens=5, messages=HELLO)

    assert raised.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("server", ["olla", "translating"])
def test_litellm_answers_passed_on_and_translated(request, server):
    client = sdk(request.getfixturevalue(server))

    answer = client.messages.create(model="gpt-4", max_tokens=20, messages=HELLO)

    assert answer.content[0].text == "Hello from gpt-4"


def test_a_stream_of_litellm_is_translated(translating):
    # LiteLLM itself leaves the beginning out when it streams the answer of a mock as messages.
    with sdk(translating).messages.stream(model="gpt-4", max_tokens=20, messages=HELLO) as stream:
        assert stream.get_final_message().content[0].text == "Hello from gpt-4"
