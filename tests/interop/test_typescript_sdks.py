"""The official SDKs for TypeScript, run by Node.js: what they understand of what Olla passes on and of what it translates."""

import pytest

import node_clients
import simulated
from node_clients import seen
from olla import endpoint, static

# The backends are named first, so that starting them is no part of a test.
pytestmark = [node_clients.needed, pytest.mark.usefixtures("backends")]
CHATTING, TINY = "llama3.2:3b", "olla-tiny"
# Whose answers are seen: a real server that speaks the dialect, and an engine that only chats.
NATIVE_AND_TRANSLATED = pytest.mark.parametrize(
    ("server", "model", "mode"), [("olla", TINY, "passthrough"), ("over_chat", CHATTING, "translation")],
)


@pytest.fixture
def anthropic(request):
    """Returns a function that looks at a server, named by its fixture, with the Anthropic SDK."""
    return lambda server, *look: seen(
        "anthropic_client.mjs", request.getfixturevalue(server).url + "/olla/anthropic", *look)


@pytest.fixture
def openai(request):
    """Returns a function that looks at a server, named by its fixture, with the OpenAI SDK."""
    return lambda server, *look: seen("openai_client.mjs", request.getfixturevalue(server).url + "/v1", *look)


@pytest.fixture(scope="module")
def over_messages(start_olla, tmp_path_factory):
    """An Olla over a simulated engine that speaks messages too."""
    engine = simulated.Engine("speaking", "vllm", [CHATTING], tmp_path_factory.mktemp("engine"))
    try:
        engine.start().wait_ready(simulated.START_SECONDS)
        yield start_olla(static(endpoint("speaking", "vllm", engine.url)))
    finally:
        engine.stop()


@NATIVE_AND_TRANSLATED
def test_a_message_is_answered_whole_and_streamed(anthropic, server, model, mode):
    whole, streamed = anthropic(server, model, "message"), anthropic(server, model, "stream")

    assert whole["mode"] == mode
    message = whole["message"]
    assert (message["role"], message["model"], message["stop_reason"]) == ("assistant", model, "max_tokens")
    assert message["usage"]["output_tokens"] == 8
    assert streamed["text"] == streamed["message"]["content"][0]["text"] == message["content"][0]["text"]
    assert streamed["message"]["usage"]["output_tokens"] == 8
    assert streamed["events"][:2] == ["message_start", "content_block_start"]
    assert streamed["events"][-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize(("server", "name"), [("over_messages", "speaking"), ("over_chat", "chatting")])
def test_a_tool_is_called_in_pieces_and_its_result_sent_back(anthropic, server, name):
    turn = anthropic(server, CHATTING, "tool")

    message = turn["asked"]["message"]
    [call] = message["content"]
    assert set(turn["asked"]["deltas"]) == {"input_json_delta"}
    assert (message["stop_reason"], call["name"], call["input"]) == ("tool_use", "get_weather", {"city": name})
    assert turn["answered"]["content"][0]["type"] == "text"


@NATIVE_AND_TRANSLATED
def test_tokens_are_counted_and_models_listed_in_pages(anthropic, server, model, mode):
    assert anthropic(server, model, "tokens")["input_tokens"] > 5

    models = anthropic(server, model, "models")
    assert model in models["ids"] and len(models["ids"]) == len(set(models["ids"]))
    assert (models["got"]["id"], models["got"]["type"]) == (model, "model")


@NATIVE_AND_TRANSLATED
def test_the_anthropic_sdk_raises_its_own_errors(anthropic, server, model, mode):
    errors = anthropic(server, model, "errors")

    for place in ("model", "stream", "found"):
        error = errors[place]
        assert (error["kind"], error["status"], error["type"]) == ("NotFoundError", 404, "not_found_error")
        assert error["request"].startswith("req_")
    if mode == "translation":
        assert (errors["request"]["kind"], errors["request"]["type"]) == ("BadRequestError", "invalid_request_error")


@pytest.mark.parametrize(("server", "model"), [("olla", TINY), ("over_chat", CHATTING)])
def test_a_chat_is_answered_whole_and_streamed(openai, server, model):
    whole, streamed = openai(server, model, "chat")["answer"], openai(server, model, "chatStream")

    choice = whole["choices"][0]
    assert (choice["finish_reason"], whole["usage"]["completion_tokens"]) == ("length", 8)
    assert streamed["text"] == choice["message"]["content"]
    assert streamed["answer"]["usage"]["completion_tokens"] == 8


def test_a_tool_is_called_in_a_streamed_chat(openai):
    answer = openai("over_chat", CHATTING, "chatTool")

    [call] = answer["choices"][0]["message"]["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("get_weather", '{"city":"chatting"}')


@NATIVE_AND_TRANSLATED
def test_a_response_is_answered(openai, server, model, mode):
    seen_ = openai(server, model, "response")

    # llama.cpp has Responses, but not all of them: its chats are translated.
    assert seen_["mode"] == "translation"
    assert seen_["text"] == openai(server, model, "chat")["answer"]["choices"][0]["message"]["content"]
    assert seen_["answer"]["usage"]["output_tokens"] == 8


def test_a_response_is_streamed_to_the_helper_of_the_sdk(openai):
    streamed = openai("over_chat", CHATTING, "responseStream")

    assert streamed["text"] == streamed["answer"]["output_text"]
    assert streamed["answer"]["status"] == "incomplete"
    assert (streamed["events"][0], streamed["events"][-1]) == ("response.created", "response.incomplete")


def test_a_response_calls_a_tool(openai):
    [call] = openai("over_chat", CHATTING, "responseTool")["output"]

    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "get_weather", '{"city":"chatting"}')


@pytest.mark.parametrize(("server", "model"), [("olla", TINY), ("over_chat", CHATTING)])
def test_models_and_errors_are_those_of_the_openai_sdk(openai, server, model):
    models, errors = openai(server, model, "models"), openai(server, model, "errors")

    assert model in models["ids"] and models["got"]["id"] == model
    for error in errors.values():
        assert error == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}
