"""Fixtures: the real backends, started once and side by side, and Olla in front of them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import litellm_proxy
import tiny_model
from litellm_proxy import LiteLlm
from olla import START_SECONDS, Olla, endpoint, static
from processes import Process, free_port
from provider import Provider

HERE = Path(__file__).parent
# Random enough for LiteLLM, which refuses well-known and short keys. It protects nothing.
MASTER_KEY = "sk-b7c1e05f9a3d4826b0f4c95d1e7a6832"


@pytest.fixture(scope="session")
def backends(tmp_path_factory):
    """Starts everything slow at once: three LiteLLM, one llama.cpp, the provider behind LiteLLM."""
    directory = tmp_path_factory.mktemp("backends")
    provider = Provider()
    model = directory / "tiny.gguf"
    tiny_model.write(model)
    port = free_port()
    llamacpp = Process(
        [sys.executable, str(HERE / "llamacpp_server.py"), str(model), str(port)],
        f"http://127.0.0.1:{port}", "/health", directory / "llamacpp.log",
    )
    litellm = LiteLlm("litellm", directory, provider.url)
    twin = LiteLlm("twin", directory, provider.url)
    keyed = LiteLlm("keyed", directory, provider.url, master_key=MASTER_KEY)
    processes = [llamacpp, litellm, twin, keyed]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_ready(litellm_proxy.START_SECONDS)
        yield SimpleNamespace(litellm=litellm, twin=twin, keyed=keyed, llamacpp=llamacpp, provider=provider)
    finally:
        for process in processes:
            process.stop()
        provider.stop()


@pytest.fixture(scope="module")
def start_olla(tmp_path_factory):
    """Returns a function that starts an Olla with given settings; all of them stop with the module."""
    running = []

    def start(settings: dict, env: dict[str, str] | None = None) -> Olla:
        olla = Olla(tmp_path_factory.mktemp("olla"), settings, env)
        running.append(olla.start())
        return olla.wait_ready(START_SECONDS)

    yield start
    for olla in running:
        olla.stop()


@pytest.fixture(scope="session")
def olla(tmp_path_factory, backends):
    """An Olla with one LiteLLM and one llama.cpp, as most tests need it."""
    olla = Olla(tmp_path_factory.mktemp("olla"), static(
        endpoint("litellm-gateway", "litellm", backends.litellm.url, priority=75),
        endpoint("local-llamacpp", "llamacpp", backends.llamacpp.url, priority=100),
    ))
    try:
        yield olla.start().wait_ready(START_SECONDS)
    finally:
        olla.stop()
