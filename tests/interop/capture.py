"""Rewrites `captures/` from the real servers: `PYTHONDONTWRITEBYTECODE=1 python capture.py`.

Each capture is one answer: status, headers, body. They are fixtures for whatever reads such answers.
"""

import json
import tempfile
from pathlib import Path

import httpx

from backends import MASTER_KEY, running

CAPTURES = Path(__file__).resolve().parent / "captures"
# Differs from request to request or with the machine, and means nothing to a reader.
VOLATILE = {"date", "content-length", "x-litellm-call-id"}
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}
TINY_CHAT = {**CHAT, "model": "olla-tiny", "max_tokens": 4, "temperature": 0, "seed": 7, "ignore_eos": True}


def shorten(body):
    """Returns the body without stack traces, which hold paths of this machine."""
    if isinstance(body, dict):
        return {key: shorten(value) for key, value in body.items()}
    if isinstance(body, list):
        return [shorten(value) for value in body]
    return body.split("\nstack trace:")[0] if isinstance(body, str) else body


def content(response: httpx.Response):
    """Returns the body as JSON where it is JSON, as text otherwise."""
    if response.headers.get("content-type", "").startswith("application/json"):
        return shorten(response.json())
    return response.text


def capture(name: str, url: str, path: str, body: dict | None = None, key: str | None = None) -> None:
    """Asks once and writes the answer to `captures/<name>.json`."""
    headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})}
    response = httpx.request("POST" if body else "GET", url + path, json=body, headers=headers, timeout=30)
    kept = {name: value for name, value in response.headers.items() if name not in VOLATILE}
    document = {"path": path, "status": response.status_code, "headers": kept, "body": content(response)}
    file = CAPTURES / f"{name}.json"
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Captures every answer that some part of Olla reads."""
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as backends:
        litellm, keyed, llamacpp = backends.litellm.url, backends.keyed.url, backends.llamacpp.url
        capture("litellm-models", litellm, "/v1/models")
        capture("litellm-models-wildcards", litellm, "/v1/models?return_wildcard_routes=true")
        capture("litellm-liveliness", litellm, "/health/liveliness")
        capture("litellm-readiness", litellm, "/health/readiness")
        capture("litellm-health", litellm, "/health")
        capture("litellm-chat", litellm, "/v1/chat/completions", CHAT)
        capture("litellm-chat-stream", litellm, "/v1/chat/completions", {**CHAT, "stream": True})
        capture("litellm-unknown-model", litellm, "/v1/chat/completions", {**CHAT, "model": "no-such-model"})
        capture("litellm-rate-limited", litellm, "/v1/chat/completions", {**CHAT, "model": "out-of-quota"})
        capture("litellm-missing-key", keyed, "/v1/models")
        capture("litellm-wrong-key", keyed, "/v1/models", key="sk-wrong")
        capture("litellm-no-database", keyed, "/team/info", key=MASTER_KEY)
        capture("llamacpp-models", llamacpp, "/v1/models")
        capture("llamacpp-health", llamacpp, "/health")
        capture("llamacpp-props", llamacpp, "/props")
        capture("llamacpp-chat", llamacpp, "/v1/chat/completions", TINY_CHAT)
        capture("llamacpp-chat-stream", llamacpp, "/v1/chat/completions", {**TINY_CHAT, "stream": True})
        capture("llamacpp-embeddings-off", llamacpp, "/v1/embeddings", {"model": "olla-tiny", "input": "a"})


if __name__ == "__main__":
    main()
