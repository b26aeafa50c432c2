"""The OpenAI SDK's Responses: over an engine that only chats, over llama.cpp and over LiteLLM."""

import json

import openai
import pytest

from agent_engine import MODEL, AgentEngine
from litellm_proxy import ANSWERS
from olla import endpoint, static

TOOL = {
    "type": "function", "name": "Bash", "description": "Runs a command", "strict": False,
    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


@pytest.fixture
def engine():
    engine = AgentEngine([("Bash", {"command": "echo hi"})])
    yield engine
    engine.stop()


@pytest.fixture
def client(start_olla, engine):
    return start_olla(static(
        endpoint("engine", "lmdeploy", engine.url, model_url="/v1/models", health_check_url="/health"),
    )).openai()


def said(body: dict) -> list[tuple[str, str]]:
    """Returns who has said what in a request that the engine got."""
    return [(message["role"], message["content"]) for message in body["messages"]]


def test_a_whole_response(client, engine):
    response = client.responses.create(model=MODEL, instructions="Be brief.", input="Hello!", temperature=0.5)

    assert (response.output_text, response.status, response.model) == ("ok", "completed", MODEL)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (20, 5)
    assert said(engine.requests[-1]) == [("system", "Be brief."), ("user", "Hello!")]


def test_the_typed_events_of_a_stream(client):
    events = list(client.responses.create(model=MODEL, input="Hello!", stream=True))

    assert [event.type for event in events] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[4].delta == "ok" and events[4].item_id == events[2].item.id
    assert events[-1].response.output_text == "ok"
    assert events[-1].response.id == events[0].response.id


def test_the_streaming_helper(client):
    with client.responses.stream(model=MODEL, input="Hello!") as stream:
        types = [event.type for event in stream]
        response = stream.get_final_response()

    assert "response.output_text.delta" in types and types[-1] == "response.completed"
    assert response.output_text == "ok"


@pytest.mark.parametrize("streams", [False, True])
def test_a_tool_is_called_and_answered(client, engine, streams):
    def ask(items: list):
        request = {"model": MODEL, "input": items, "tools": [TOOL]}
        if not streams:
            return client.responses.create(**request)
        with client.responses.stream(**request) as stream:
            return stream.get_final_response()

    items = [{"role": "user", "content": "Say hi."}]
    first = ask(items)
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)["command"]) == ("Bash", "echo hi")
    items += [item.to_dict() for item in first.output]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "hi"}]
    second = ask(items)

    assert second.output_text == "The tools said: hi"
    assert [role for role, _ in said(engine.requests[-1])] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_conversation_goes_on_from_a_response(client, engine, streams):
    def ask(**request):
        if not streams:
            return client.responses.create(model=MODEL, **request)
        *_, last = client.responses.create(model=MODEL, stream=True, **request)
        return last.response

    first = ask(input="one")
    second = ask(input="two", previous_response_id=first.id)
    third = ask(input="three", previous_response_id=second.id, tools=[TOOL])
    [call] = third.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "hi"}
    fourth = ask(input=[result], previous_response_id=third.id)

    assert (second.previous_response_id, second.store) == (first.id, True)
    assert fourth.output_text == "The tools said: hi"
    spoken = said(engine.requests[-1])
    assert [role for role, _ in spoken] == ["user", "assistant", "user", "assistant", "user", "assistant", "tool"]
    assert [text for role, text in spoken if role == "user"] == ["one", "two", "three"]


def test_what_was_not_stored_is_not_found(client):
    first = client.responses.create(model=MODEL, input="one", store=False)
    assert first.store is False

    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="two", previous_response_id=first.id)

    assert caught.value.code == "previous_response_not_found"
    assert f"Previous response with id '{first.id}' not found." in caught.value.message


def test_a_kept_response_is_retrieved_and_deleted(client):
    first = client.responses.create(model=MODEL, input="one")

    assert client.responses.retrieve(first.id).output_text == "ok"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_the_items_of_a_kept_response_are_listed_page_by_page(client):
    first = client.responses.create(model=MODEL, input="one")
    second = client.responses.create(model=MODEL, input="two", previous_response_id=first.id)

    items = list(client.responses.input_items.list(second.id, order="asc", limit=2))

    said = [(item.role, item.content[0].text) for item in items]
    assert said == [("user", "one"), ("assistant", "ok"), ("user", "two")]
    assert len({item.id for item in items}) == 3
    latest = client.responses.input_items.list(second.id, limit=1)
    assert latest.has_more and latest.data[0].id == items[-1].id


def test_an_error_has_the_shape_of_the_api(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="one", background=True)
    assert caught.value.type == "invalid_request_error" and "background" in caught.value.message

    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="nobody-has-it", input="one")
    assert caught.value.code == "model_not_found"


def test_a_structured_answer_is_asked_for(client, engine):
    format = {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": False}
    client.responses.create(model=MODEL, input="one", text={"format": format})

    assert engine.requests[-1]["response_format"]["json_schema"]["name"] == "x"


@pytest.mark.parametrize("model, answer", [("gpt-4", ANSWERS["gpt-4"]), ("olla-tiny", None)])
def test_litellm_and_llamacpp_are_asked_to_chat_and_can_be_gone_on_from(olla, model, answer):
    client = olla.openai()
    raw = client.responses.with_raw_response.create(model=model, input="Hello!", max_output_tokens=8)
    first = raw.parse()
    *_, last = client.responses.create(
        model=model, input="And?", max_output_tokens=8, previous_response_id=first.id, stream=True,
    )

    assert raw.headers["x-olla-mode"] == "translation"
    assert last.type in ("response.completed", "response.incomplete")
    assert last.response.usage.input_tokens > first.usage.input_tokens
    if answer:
        assert (first.output_text, last.response.output_text) == (answer, answer)


def test_llamacpp_has_responses_of_its_own_that_keep_nothing(start_olla, backends):
    """Why they are translated; without these differences they could be passed on."""
    client = start_olla(static(
        endpoint("llamacpp", "llamacpp", backends.llamacpp.url, allow_paths=["/v1/responses"]),
    )).openai()

    raw = client.responses.with_raw_response.create(model="olla-tiny", input="Hello!", max_output_tokens=4)
    first = raw.parse()

    assert raw.headers["x-olla-mode"] == "passthrough"
    assert first.status == "completed", "although it was cut off"
    with pytest.raises(openai.BadRequestError, match="does not support 'previous_response_id'"):
        client.responses.create(model="olla-tiny", input="And?", previous_response_id=first.id)
