"""The official Ollama client in front of two Ollamas: what it lists, shows and runs is what both have together."""

import ollama
import pytest

from olla import endpoint, static
from processes import eventually
from simulated import START_SECONDS, Engine

HELLO = [{"role": "user", "content": "Hello!"}]
ALIAS = "fast"


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Two simulated Ollamas; the second has a model of the first under a name of its own."""
    directory = tmp_path_factory.mktemp("ollamas")
    both = [
        Engine("first", "ollama", ["llama3.2:3b", "llava:7b"], directory),
        Engine("second", "ollama", ["llama3.2:3b", "nomic-embed-text:latest"], directory),
    ]
    try:
        for engine in both:
            engine.start().wait_ready(START_SECONDS)
        second = ollama.Client(host=both[1].url)
        second.copy("llama3.2:3b", "mine")
        second.delete("llama3.2:3b")
        yield both
    finally:
        for engine in both:
            engine.stop()


@pytest.fixture(scope="module")
def server(start_olla, engines):
    """An Olla in front of both, which looks at them every second."""
    return start_olla(static(
        *(endpoint(f"ollama-{n}", "ollama", engine.url, check_interval="1s", check_timeout="900ms")
          for n, engine in enumerate(engines)),
        model_aliases={ALIAS: ["mine", "llava:7b"]},
    ))


@pytest.fixture(params=["/olla/ollama", "/olla/proxy"])
def client(request, server):
    """A client for each base path under which the Ollama API is there."""
    return ollama.Client(host=server.url + request.param)


def test_the_models_of_both_are_listed_with_details_and_the_alias(client):
    models = {model.model: model for model in client.list().models}

    assert list(models) == ["fast", "llama3.2:3b", "llava:7b", "mine:latest", "nomic-embed-text:latest"]
    llama = models["llama3.2:3b"]
    assert llama.digest == models["mine:latest"].digest != models["llava:7b"].digest
    assert (llama.size, llama.modified_at.year) == (2_019_393_189, 2025)
    assert (llama.details.family, llama.details.parameter_size) == ("llama", "3.2B")
    assert (llama.details.quantization_level, llama.details.format) == ("Q4_K_M", "gguf")
    assert models[ALIAS].digest == llama.digest


@pytest.mark.parametrize(("name", "capability"), [
    ("llama3.2:3b", "tools"), ("mine", "tools"), ("llava:7b", "vision"),
    ("nomic-embed-text", "embedding"), (ALIAS, "tools"),
])
def test_each_of_them_is_shown(client, name, capability):
    shown = client.show(name)

    assert capability in shown.capabilities
    assert shown.modelinfo["llama.context_length"] > 0
    assert shown.details.family == "llama"


def test_a_model_that_nobody_has_is_an_error_as_ollama_makes_it(client):
    with pytest.raises(ollama.ResponseError) as raised:
        client.show("nothing:1b")

    assert raised.value.status_code == 404
    assert "nothing:1b" in raised.value.error


@pytest.mark.parametrize("name", ["llama3.2:3b", "llama3.2:3B", "mine", "mine:latest", "llava:7b", ALIAS])
def test_each_of_them_chats(client, name):
    answer = client.chat(model=name, messages=HELLO)
    pieces = list(client.chat(model=name, messages=HELLO, stream=True))

    assert answer.message.content.split()[0] in ("first", "second")
    assert pieces[-1].done
    assert "".join(piece.message.content for piece in pieces).split()[0] in ("first", "second")


def test_it_embeds(client):
    assert client.embed(model="nomic-embed-text", input="text").embeddings[0]


def test_what_is_in_memory_on_either_is_listed(client):
    client.chat(model="llava:7b", messages=HELLO)
    client.embed(model="nomic-embed-text", input="text")

    def both():
        running = {model.model: model for model in client.ps().models}
        told = {"llava:7b", "nomic-embed-text:latest"} <= set(running)
        return running if told and running["llava:7b"].size_vram else None

    running = eventually(10, both)
    assert running["llava:7b"].expires_at.year == 2099
    assert running["llava:7b"].context_length > 0
    assert running["nomic-embed-text:latest"].details.format == "gguf"


@pytest.mark.parametrize("order", [
    lambda client: client.pull("phi4"),
    lambda client: client.push("phi4"),
    lambda client: client.copy("llava:7b", "mine"),
    lambda client: client.delete("llava:7b"),
    lambda client: client.create(model="own", from_="llava:7b"),
], ids=["pull", "push", "copy", "delete", "create"])
def test_managing_models_is_refused_with_the_reason(client, order):
    with pytest.raises(ollama.ResponseError) as raised:
        order(client)

    assert raised.value.status_code == 501
    assert "each Ollama server itself" in raised.value.error
