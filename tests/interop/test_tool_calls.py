"""Tools: what the client asks reaches the provider, what the provider calls reaches the client."""

from provider import ARGUMENTS

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city, °C",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CHOICE = {"type": "function", "function": {"name": "weather"}}
CONVERSATION = [
    {"role": "user", "content": "And in Melbourne?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Perth"}'}},
    ]},
    {"role": "tool", "tool_call_id": "call_0", "content": '{"celsius": 31.5}'},
]


def test_a_tool_call_comes_back_whole(olla):
    answer = olla.openai().chat.completions.create(model="weather", messages=CONVERSATION, tools=[TOOL])

    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.type, call.function.name) == ("call_1", "function", "weather")
    assert call.function.arguments == "".join(ARGUMENTS)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_streamed_tool_call_comes_back_in_the_same_pieces(olla):
    chunks = list(olla.openai().chat.completions.create(
        model="weather", messages=CONVERSATION, tools=[TOOL], stream=True,
    ))

    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].id == "call_1"
    assert calls[0].function.name == "weather"
    assert [call.function.arguments for call in calls if call.function.arguments] == ARGUMENTS
    assert any(chunk.choices and chunk.choices[0].finish_reason == "tool_calls" for chunk in chunks)


def test_tool_fields_reach_the_provider_unchanged(olla, backends):
    backends.provider.requests.clear()

    olla.openai().chat.completions.create(
        model="weather", messages=CONVERSATION, tools=[TOOL], tool_choice=CHOICE, parallel_tool_calls=False,
    )

    seen = backends.provider.requests[-1]
    assert seen["tools"] == [TOOL]
    assert seen["tool_choice"] == CHOICE
    assert seen["parallel_tool_calls"] is False
    assert seen["messages"][1]["tool_calls"] == CONVERSATION[1]["tool_calls"]
    assert seen["messages"][2] == CONVERSATION[2]
