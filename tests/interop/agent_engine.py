"""An engine for coding agents: a chat-only server that plays a script, whatever it is asked.

Where tools are offered and none has answered yet, it calls the shell; then it repeats what the tool said. Everything
else, such as titles for a session, it answers with one word.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "agent-model"
SHELL = "Bash"


class AgentEngine:
    """A chat-only server on a free port, in threads of this process."""

    def __init__(self, command: str, shell: str = SHELL, argument: str = "command"):
        self.command, self.shell, self.argument = command, shell, argument
        self.requests: list[dict] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "lmdeploy"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.requests.append(body)
                message, reason = engine.reply(body)
                if not body.get("stream"):
                    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
                    return self.send({"id": "c", "choices": [choice], "usage": usage()})
                chunks = [{"role": "assistant", "content": None}, message]
                chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in chunks]
                chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
                chunks += [{"choices": [], "usage": usage()}]
                text = "".join(f"data: {json.dumps({'id': 'c', **chunk})}\n\n" for chunk in chunks)
                self.send_body("text/event-stream", f"{text}data: [DONE]\n\n".encode())

            def send(self, document: dict):
                self.send_body("application/json", json.dumps(document).encode())

            def send_body(self, kind: str, content: bytes):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, body: dict) -> tuple[dict, str]:
        """Returns what the engine says, and why it stops."""
        results = [message for message in body["messages"] if message["role"] == "tool"]
        offered = [tool["function"]["name"] for tool in body.get("tools", [])]
        if results:
            return {"content": f"The tool said: {text(results[-1]['content'])}"}, "stop"
        if self.shell not in offered:
            return {"content": "ok"}, "stop"
        arguments = json.dumps({self.argument: self.command, "description": "Says a word"})
        call = {"index": 0, "id": "call_1", "type": "function",
                "function": {"name": self.shell, "arguments": arguments}}
        return {"tool_calls": [call]}, "tool_calls"

    def stop(self) -> None:
        """Stops listening."""
        self.server.shutdown()


def text(content) -> str:
    """Returns the text of a message, whose content may be a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def usage() -> dict:
    """Returns figures that add up."""
    return {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
