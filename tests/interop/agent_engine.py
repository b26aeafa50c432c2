"""An engine for coding agents: a server that plays a script, whatever it is asked, in chats or in Anthropic's messages.

Where the tools of the script are offered and none has answered yet, it calls them all at once; then it repeats what they
said. Everything else, such as titles for a session, it answers with one word.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "agent-model"
# A tool to call, and with what.
Call = tuple[str, dict]


class AgentEngine:
    """A server on a free port, in threads of this process."""

    def __init__(self, calls: list[Call], cuts: int = 0):
        self.calls = calls
        # So many streams that call tools break off in the middle.
        self.cuts = cuts
        self.requests: list[dict] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send("application/json", json.dumps(
                    {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "agent"}]},
                ))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.requests.append(body)
                text, calls = engine.reply(body)
                wire = messages if self.path.startswith("/v1/messages") else chat
                document, stream = wire(text, calls)
                if not body.get("stream"):
                    return self.send("application/json", json.dumps(document))
                self.send("text/event-stream", stream, cut=bool(calls) and engine.takes_a_cut())

            def send(self, kind: str, text: str, *, cut: bool = False):
                content = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:len(content) // 2] if cut else content)
                self.close_connection = cut

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, body: dict) -> tuple[str, list[Call]]:
        """Returns what the engine says, or the tools that it calls."""
        said = results(body)
        offered = {tool.get("function", tool).get("name") for tool in body.get("tools", [])}
        if said:
            return "The tools said: " + "; ".join(said), []
        if not all(name in offered for name, _ in self.calls):
            return "ok", []
        return "", self.calls

    def takes_a_cut(self) -> bool:
        """Says whether this stream breaks off."""
        self.cuts -= 1
        return self.cuts >= 0

    def stop(self) -> None:
        """Stops listening."""
        self.server.shutdown()


def results(body: dict) -> list[str]:
    """Returns what tools have said, in either dialect."""
    said = []
    for message in body["messages"]:
        if message["role"] == "tool":
            said.append(text_of(message["content"]))
        elif isinstance(message["content"], list):
            said += [text_of(block["content"]) for block in message["content"] if block["type"] == "tool_result"]
    return said


def text_of(content) -> str:
    """Returns the text of a message, whose content may be a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def chat(text: str, calls: list[Call]) -> tuple[dict, str]:
    """Returns a chat completion, whole and as a stream."""
    called = [
        {"index": index, "id": f"call_{index}", "type": "function",
         "function": {"name": name, "arguments": json.dumps(arguments)}}
        for index, (name, arguments) in enumerate(calls)
    ]
    message = {"tool_calls": called} if calls else {"content": text}
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": reason}
    deltas = [{"role": "assistant", "content": None}, *({"tool_calls": [call]} for call in called)]
    deltas = deltas if calls else [*deltas, message]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, {"choices": [], "usage": usage}]
    stream = "".join(f"data: {json.dumps({'id': 'c', **chunk})}\n\n" for chunk in chunks)
    return {"id": "c", "choices": [choice], "usage": usage}, f"{stream}data: [DONE]\n\n"


def messages(text: str, calls: list[Call]) -> tuple[dict, str]:
    """Returns a message of Anthropic's dialect, whole and as a stream."""
    blocks = [
        {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": arguments}
        for index, (name, arguments) in enumerate(calls)
    ] or [{"type": "text", "text": text}]
    reason = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    usage = {"input_tokens": 20, "output_tokens": 5}
    document = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": blocks,
                "usage": usage, **reason}
    events = [{"type": "message_start", "message": {**document, "content": [], "stop_reason": None}}]
    for index, block in enumerate(blocks):
        empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": text}
        if calls:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": empty},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    events += [{"type": "message_delta", "delta": reason, "usage": usage}, {"type": "message_stop"}]
    return document, "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
