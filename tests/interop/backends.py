"""All real backends of the suite, started side by side because they are slow to start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import litellm_proxy
import simulated
import tiny_model
from litellm_proxy import LiteLlm
from processes import Process, free_port
from provider import Provider

HERE = Path(__file__).resolve().parent
# Random enough for LiteLLM, which refuses well-known and short keys. It protects nothing.
MASTER_KEY = "sk-b7c1e05f9a3d4826b0f4c95d1e7a6832"


@dataclass
class Backends:
    """Two open LiteLLM, one behind a master key, a llama.cpp, and the providers that LiteLLM calls."""

    litellm: LiteLlm
    twin: LiteLlm
    keyed: LiteLlm
    llamacpp: Process
    provider: Provider


@contextmanager
def running(directory: Path) -> Iterator[Backends]:
    """Starts the backends, waits until each is ready, stops them at the end."""
    provider = Provider()
    claude = simulated.Engine("claude", "vllm", [litellm_proxy.CLAUDE], directory)
    urls = {"openai": provider.url, "anthropic": claude.url}
    backends = Backends(
        litellm=LiteLlm("litellm", directory, urls),
        twin=LiteLlm("twin", directory, urls),
        keyed=LiteLlm("keyed", directory, urls, master_key=MASTER_KEY),
        llamacpp=llamacpp(directory),
        provider=provider,
    )
    processes = [claude, backends.llamacpp, backends.litellm, backends.twin, backends.keyed]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_ready(litellm_proxy.START_SECONDS)
        yield backends
    finally:
        for process in processes:
            process.stop()
        provider.stop()


def llamacpp(directory: Path) -> Process:
    """Returns a llama.cpp server, not yet started, with the tiny model."""
    tiny_model.write(directory / "tiny.gguf")
    port = free_port()
    return Process(
        [sys.executable, str(HERE / "llamacpp_server.py"), "tiny.gguf", str(port)],
        f"http://127.0.0.1:{port}", "/health", directory / "llamacpp.log", cwd=directory,
    )
