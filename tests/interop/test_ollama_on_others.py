"""The official Ollama client over servers that do not speak its API: engines that only chat, and a real llama.cpp."""

import base64
import json

import ollama
import pytest

import backends as real
from olla import endpoint, static
from simulated import START_SECONDS, Engine

CHAT = "Qwen/Qwen3-8B"
SEES = "llava:7b"
EMBEDS = "nomic-embed-text"
REAL = "olla-tiny"
ALIAS = "fast"
HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}}
# One pixel.
PNG = base64.b64encode(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)).decode()


@pytest.fixture(scope="module")
def server(start_olla, tmp_path_factory):
    """An Olla in front of a vLLM that chats and embeds, an LMDeploy, and a real llama.cpp; no Ollama anywhere."""
    directory = tmp_path_factory.mktemp("others")
    vllm = Engine("vllm", "vllm", [CHAT, EMBEDS], directory)
    lmdeploy = Engine("lmdeploy", "lmdeploy", [SEES], directory)
    llamacpp = real.llamacpp(directory)
    try:
        for process in (vllm, lmdeploy, llamacpp):
            process.start()
        for process in (vllm, lmdeploy, llamacpp):
            process.wait_ready(START_SECONDS)
        yield start_olla(static(
            endpoint("vllm", "vllm", vllm.url),
            endpoint("lmdeploy", "lmdeploy", lmdeploy.url),
            endpoint("llamacpp", "llamacpp", llamacpp.url),
            model_aliases={ALIAS: [CHAT]},
            translators={"ollama": {"at_root": True}},
        ))
    finally:
        for process in (vllm, lmdeploy, llamacpp):
            process.stop()


@pytest.fixture(params=["/olla/ollama", ""], ids=["prefix", "root"])
def client(request, server):
    """A client for each address under which the API is there."""
    return ollama.Client(host=server.url + request.param)


def test_it_looks_as_if_an_ollama_were_running(server):
    for base in ("/olla/ollama/", "/"):
        assert server.get(base).text == "Ollama is running"
    assert server.get("/api/version").json()["version"].count(".") == 2


def test_every_model_is_listed_with_what_the_command_line_needs(client):
    models = {model.model: model for model in client.list().models}

    assert {CHAT, SEES, EMBEDS, REAL, ALIAS} <= set(models)
    # `ollama list` cuts twelve letters out of each.
    assert all(len(model.digest) >= 12 and model.modified_at for model in models.values())
    assert models[CHAT].details.parameter_size == "8B"


@pytest.mark.parametrize(("name", "capability"), [
    (CHAT, "tools"), (ALIAS, "completion"), (REAL, "completion"), (EMBEDS, "embedding"),
])
def test_each_of_them_is_shown(client, name, capability):
    shown = client.show(name)

    assert capability in shown.capabilities
    architecture = shown.modelinfo["general.architecture"]
    if name != EMBEDS:
        assert shown.modelinfo[f"{architecture}.context_length"] > 0


def test_what_is_in_memory_is_a_list(client):
    assert isinstance(client.ps().models, list) or client.ps().models == []


@pytest.mark.parametrize("name", [CHAT, ALIAS, REAL])
def test_each_of_them_chats(client, name):
    options = {"num_predict": 8, "temperature": 0}
    answer = client.chat(model=name, messages=HELLO, options=options)
    pieces = list(client.chat(model=name, messages=HELLO, options=options, stream=True))

    assert answer.done and answer.model == name and answer.message.content is not None
    assert answer.total_duration > 0 and answer.eval_count > 0 and answer.prompt_eval_count > 0
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    last = pieces[-1]
    assert last.done_reason in ("stop", "length")
    assert last.total_duration >= last.prompt_eval_duration + last.eval_duration > 0


def test_a_real_server_stops_where_it_is_told_to(client):
    answer = client.chat(model=REAL, messages=HELLO, options={"num_predict": 3, "seed": 1})

    # Random weights may end earlier by themselves.
    assert (answer.done_reason, answer.eval_count) in [("length", 3), ("stop", 1), ("stop", 2), ("stop", 3)]


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called(client, stream):
    messages = [{"role": "user", "content": "What is the weather? Call the tool."}]
    answers = client.chat(model=CHAT, messages=messages, tools=[WEATHER], stream=stream)
    answers = list(answers) if stream else [answers]

    calls = [call for answer in answers for call in answer.message.tool_calls or []]
    assert [call.function.name for call in calls] == ["weather"]
    assert isinstance(calls[0].function.arguments, dict)
    messages += [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_name": "weather", "content": "Sunny"},
    ]
    assert client.chat(model=CHAT, messages=messages).message.content


def test_thinking_images_and_schemas_are_understood(client):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

    assert client.chat(model=CHAT, messages=HELLO, think="low").message.content
    assert client.chat(model=CHAT, messages=HELLO, think=False).message.content
    assert client.chat(model=CHAT, messages=HELLO, format="json").message.content
    shown = [{"role": "user", "content": "See", "images": [PNG]}]
    assert client.chat(model=SEES, messages=shown).message.content
    answer = client.chat(model=REAL, messages=HELLO, format=schema, options={"num_predict": 200})
    if answer.done_reason == "stop":
        assert isinstance(json.loads(answer.message.content)["a"], int)
    else:
        assert answer.message.content.lstrip().startswith("{")


def test_text_is_generated(client):
    whole = client.generate(model=CHAT, prompt="Hello!", system="Be brief.")
    pieces = list(client.generate(model=REAL, prompt="Hello!", stream=True, options={"num_predict": 5}))

    assert whole.response and whole.done_reason == "stop"
    assert pieces[-1].done and pieces[-1].eval_count == 5


def test_loading_and_unloading_is_no_error(client):
    assert client.generate(model=CHAT).done_reason == "load"
    assert client.generate(model=CHAT, keep_alive=0).done_reason == "unload"
    assert client.chat(model=CHAT, messages=[]).done_reason == "load"


def test_texts_are_embedded(client):
    one, two = client.embed(model=EMBEDS, input="one"), client.embed(model=EMBEDS, input=["one", "two"])

    assert len(one.embeddings) == 1 and len(two.embeddings) == 2
    assert two.embeddings[0] == one.embeddings[0] != two.embeddings[1]
    assert two.total_duration > 0
    assert client.embeddings(model=EMBEDS, prompt="one").embedding


def test_a_model_that_nobody_has_is_an_error_as_ollama_makes_it(client):
    for ask in (
        lambda: client.chat(model="nothing:1b", messages=HELLO),
        lambda: list(client.chat(model="nothing:1b", messages=HELLO, stream=True)),
        lambda: client.generate(model="nothing:1b", prompt="x"),
        lambda: client.embed(model="nothing:1b", input="x"),
        lambda: client.show("nothing:1b"),
    ):
        with pytest.raises(ollama.ResponseError) as raised:
            ask()
        assert raised.value.status_code == 404
        assert "nothing:1b" in raised.value.error


def test_managing_models_is_refused(client):
    with pytest.raises(ollama.ResponseError) as raised:
        client.pull("phi4")

    assert raised.value.status_code == 501
