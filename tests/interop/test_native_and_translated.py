"""The same request of Anthropic's Messages, passed on and translated: the real servers say the same both ways.

llama.cpp reads messages into the same prompt as chats, so that at temperature 0 even random weights show a difference
in what it was sent. The template of the tiny model writes down tools, calls and results.
"""

import anthropic
import pytest

from litellm_proxy import CLAUDE, FAILURES

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = [{
    "name": "get_weather", "description": "Tells the weather, in °C.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}]
TURNS = [
    {"role": "user", "content": [{"type": "text", "text": "How is the weather in Oslo?"}]},
    {"role": "assistant", "content": [
        {"type": "text", "text": "I shall look."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
    ]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 °C"}]},
]
REQUESTS = {
    "a question": {"messages": HELLO},
    "a system prompt": {"messages": HELLO, "system": "Be brief."},
    "tools": {"messages": HELLO, "tools": WEATHER},
    "a call and its result": {"messages": TURNS, "tools": WEATHER},
    # Hot, but of one candidate: left to chance unless all of it arrives. Messages of llama.cpp know no seed.
    "sampling": {"messages": HELLO, "extra_body": {"temperature": 2, "top_p": 0.9, "top_k": 1}},
    "a stop sequence": {"messages": HELLO, "stop_sequences": ["R"]},
}


def sdk(server) -> anthropic.Anthropic:
    """Returns an SDK client that does not retry: a failure is a failure."""
    return anthropic.Anthropic(base_url=server.url + "/olla/anthropic", api_key="none", max_retries=0, timeout=30)


def settled(request: dict) -> dict:
    """Returns the request with all chance taken out; the SDK has no argument for the temperature."""
    return {"extra_body": {"temperature": 0}, **request}


def ask(server, request: dict, *, mode: str, model="olla-tiny"):
    """Returns the whole answer, after a look at how it came."""
    raw = sdk(server).messages.with_raw_response.create(model=model, max_tokens=24, **settled(request))
    assert raw.headers["x-olla-mode"] == mode
    return raw.parse()


def stream(server, request: dict, model="olla-tiny"):
    """Returns the types of the events, and the message that they make."""
    with sdk(server).messages.stream(model=model, max_tokens=24, **settled(request)) as events:
        kinds = [event.type for event in events if event.type not in ("text", "input_json")]
        return kinds, events.get_final_message()


def told(message) -> dict:
    """Returns what must be the same.

    How much of a prompt was in the cache is up to what was asked before, and which sequence has stopped it is told by
    llama.cpp in messages only.
    """
    usage = message.usage
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    said = {"text": lambda block: block.text, "tool_use": lambda block: (block.name, block.input)}
    blocks = [(block.type, said[block.type](block)) for block in message.content]
    return {"blocks": blocks, "reason": message.stop_reason, "tokens": (prompt, usage.output_tokens),
            "model": message.model, "role": message.role}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_llamacpp_says_the_same_passed_on_and_translated(olla, translating, request_):
    native = ask(olla, request_, mode="passthrough")
    translated = ask(translating, request_, mode="translation")

    assert told(translated) == told(native)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_llamacpp_streams_the_same_events_passed_on_and_translated(olla, translating, request_):
    native_events, native = stream(olla, request_)
    events, translated = stream(translating, request_)

    assert events == native_events
    assert told(translated) == told(native)


def test_llamacpp_counts_the_tokens_of_its_own_prompt(olla):
    for request in (REQUESTS["tools"], REQUESTS["a call and its result"]):
        counted = sdk(olla).messages.count_tokens(model="olla-tiny", **request)

        usage = told(ask(olla, request, mode="passthrough"))["tokens"]
        assert counted.input_tokens == usage[0]


CALLING = {"messages": [{"role": "user", "content": "Please call the tool."}], "tools": WEATHER}


@pytest.mark.parametrize("request_", [REQUESTS["a question"], CALLING], ids=["a question", "a call"])
def test_litellm_says_the_same_passed_on_and_translated(olla, translating, request_):
    native = ask(olla, request_, mode="passthrough", model=CLAUDE)
    translated = ask(translating, request_, mode="translation", model=CLAUDE)

    assert told(translated) == told(native)


@pytest.mark.parametrize("request_", [REQUESTS["a question"], CALLING], ids=["a question", "a call"])
def test_litellm_streams_the_same_passed_on_and_translated(olla, translating, request_):
    _, native = stream(olla, request_, model=CLAUDE)
    events, translated = stream(translating, request_, model=CLAUDE)

    assert told(translated) == told(native)
    assert (events[0], events[-1]) == ("message_start", "message_stop")


@pytest.mark.parametrize(("model", "status"), [(model, status) for model, (_, status) in FAILURES.items()])
def test_errors_of_litellm_are_the_same_passed_on_and_translated(olla, translating, model, status):
    with pytest.raises(anthropic.APIStatusError) as native:
        ask(olla, REQUESTS["a question"], mode="passthrough", model=model)
    with pytest.raises(anthropic.APIStatusError) as translated:
        ask(translating, REQUESTS["a question"], mode="translation", model=model)

    assert translated.type is native.type
    assert translated.value.status_code == native.value.status_code == status
    assert translated.value.body["error"]["type"] == native.value.body["error"]["type"]
