"""The cloud provider behind LiteLLM: records what it is asked, answers what the tests need.

LiteLLM's own mock answers cannot call a tool in a stream and do not show whether a stream was
abandoned. Both are seen here, at the far end of client, Olla and LiteLLM.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ARGUMENTS = ['{"city":', '"Melb', 'ourne"}']
ENDLESS_CHUNKS = 600


class Provider:
    """An OpenAI-shaped server on a free port, in threads of this process."""

    def __init__(self):
        self.requests: list[dict] = []
        self.abandoned = threading.Event()
        self.finished = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.requests.append(body)
                if not body.get("stream"):
                    self.send_document(completion())
                elif body["model"] == "endless":
                    self.send_endless()
                else:
                    self.send_stream(tool_call_chunks())

            def send_document(self, document: dict):
                content = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def start_stream(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()

            def send_stream(self, chunks: list[dict]):
                self.start_stream()
                for chunk in chunks:
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def send_endless(self):
                self.start_stream()
                try:
                    for _ in range(ENDLESS_CHUNKS):
                        self.wfile.write(f"data: {json.dumps(delta({'content': 'x'}))}\n\n".encode())
                        time.sleep(0.05)
                except OSError:
                    provider.abandoned.set()
                    return
                provider.finished.set()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stops listening."""
        self.server.shutdown()


def completion() -> dict:
    """Returns a whole answer that calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "".join(ARGUMENTS)}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "weather",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def tool_call_chunks() -> list[dict]:
    """Returns the same call in pieces, as a provider streams it."""
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in ARGUMENTS]
    chunks = [delta({"role": "assistant", "content": None, "tool_calls": [head]})]
    chunks += [delta({"tool_calls": [piece]}) for piece in pieces]
    return [*chunks, delta({}, "tool_calls")]


def delta(content: dict, finish_reason: str | None = None) -> dict:
    """Returns one chunk of a stream."""
    choice = {"index": 0, "delta": content, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "weather", "choices": [choice]}
