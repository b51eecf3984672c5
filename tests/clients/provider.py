"""A provider's server on this machine: OpenAI chat completions and Anthropic Messages, as their references describe them.

It answers with what it was sent, so that a test can see what arrived: texts, the size of images, results of tools.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def seen(body):
    """The last words of a conversation, and what came with them."""
    notes = []
    # Claude Code puts system messages behind what a person wrote.
    last = [message for message in body["messages"] if message["role"] != "system"][-1]
    content = last.get("content")
    for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
        kind = part.get("type")
        if kind == "text":
            notes.append(part["text"])
        elif kind in ("image_url", "image"):
            notes.append("an image")
        elif kind == "tool_result":
            inner = part["content"]
            notes.append("result " + (inner if isinstance(inner, str) else inner[0]["text"]))
    if last.get("role") == "tool":
        notes = ["result " + last["content"]]
    return "; ".join(notes)


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        wants_tool = "use the tool" in json.dumps(body["messages"]) and "result" not in seen(body)
        if self.path.startswith("/v1/messages/count_tokens"):
            self.whole({"input_tokens": 12})
        elif self.path.startswith("/v1/messages"):
            (self.messages_stream if body.get("stream") else self.messages)(body, wants_tool)
        else:
            (self.chat_stream if body.get("stream") else self.chat)(body, wants_tool)

    def whole(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
        self.wfile.flush()

    def tool_of(self, body):
        tools = [tool.get("function", tool)["name"] for tool in body.get("tools", [])]
        name = "Bash" if "Bash" in tools else tools[0]
        return name, {"command": "echo it-works", "description": "x"} if name == "Bash" else {"city": "Zürich"}

    def chat(self, body, wants_tool):
        message = {"role": "assistant", "content": "seen: " + seen(body)}
        if wants_tool:
            name, arguments = self.tool_of(body)
            call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if wants_tool else "stop"}
        usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
        self.whole({"id": "c1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage})

    def chat_stream(self, body, wants_tool):
        self.begin_stream()

        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            self.piece("data: " + json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [choice]}) + "\n\n")

        chunk({"role": "assistant", "content": ""})
        if wants_tool:
            name, arguments = self.tool_of(body)
            text = json.dumps(arguments, ensure_ascii=False)
            chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}]})
            for at in range(0, len(text), 5):
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": text[at : at + 5]}}]})
            chunk({}, "tool_calls")
        else:
            for word in ("seen: " + seen(body)).split(" "):
                chunk({"content": word + " "})
            chunk({}, "stop")
        self.piece("data: " + json.dumps({"id": "c1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}) + "\n\n")
        self.piece("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def messages(self, body, wants_tool):
        content = [{"type": "text", "text": "seen: " + seen(body)}]
        if wants_tool:
            name, arguments = self.tool_of(body)
            content = [{"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}]
        self.whole({
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "tool_use" if wants_tool else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 12, "output_tokens": 3},
        })

    def messages_stream(self, body, wants_tool):
        self.begin_stream()

        def event(name, **data):
            self.piece(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n")

        event("message_start", message={
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [], "stop_reason": None,
            "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 1},
        })
        if wants_tool:
            name, arguments = self.tool_of(body)
            event("content_block_start", index=0, content_block={"type": "tool_use", "id": "toolu_1", "name": name, "input": {}})
            event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": json.dumps(arguments)})
        else:
            event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": "seen: " + seen(body)})
        event("content_block_stop", index=0)
        event("message_delta", delta={"stop_reason": "tool_use" if wants_tool else "end_turn", "stop_sequence": None}, usage={"output_tokens": 3})
        event("message_stop")
        self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Provider)
    print(server.server_address[1], flush=True)
    server.serve_forever()
