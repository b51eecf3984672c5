"""A provider's server on this machine: Anthropic Messages, OpenAI chat completions and Responses, Gemini and Ollama, as
their references describe them. What Gemini and Ollama are sent is read with the types of their own SDKs: a field that they
do not know is refused.

It answers with what it was sent, so that a test can see what arrived: texts, images, results of tools.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)


def parts_of(body, path):
    """The last message of a person or a tool, as (kind, text) parts, whatever API it came by."""
    if "/models/" in path:
        last = body["contents"][-1]
        for part in last["parts"]:
            if "functionResponse" in part:
                response = part["functionResponse"]["response"]
                yield "result", response.get("output", response.get("error"))
            elif "inlineData" in part:
                yield "image", ""
            elif part.get("text"):
                yield "text", part["text"]
        return
    if path.startswith("/api/generate"):
        yield "text", body["prompt"]
        return
    if "/responses" in path:
        items = body["input"]
        items = items if isinstance(items, list) else [{"role": "user", "content": items}]
        last = [item for item in items if item.get("role") not in ("developer", "system")][-1]
        if last.get("type") == "function_call_output":
            yield "result", last["output"]
            return
        content = last["content"]
    else:
        # Claude Code puts system messages behind what a person wrote.
        last = [message for message in body["messages"] if message["role"] != "system"][-1:]
        if not last:
            return
        last = last[0]
        content = last.get("content")
        if last.get("role") == "tool":
            yield "result", content
            return
        for _ in last.get("images", []):
            yield "image", ""
    for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
        kind = part.get("type")
        if kind in ("text", "input_text"):
            yield "text", part["text"]
        elif kind in ("image_url", "image", "input_image"):
            yield "image", ""
        elif kind == "tool_result":
            inner = part["content"]
            yield "result", inner if isinstance(inner, str) else inner[0]["text"]


def said(parts):
    """What is no reminder: Claude Code puts rules before and behind what a person wrote, and behind results."""
    plain = [(kind, REMINDER.sub("", text).strip("\n")) for kind, text in parts]
    return [(kind, text) for kind, text in plain if text or kind != "text"]


def seen(body, path):
    """The last words of a conversation, and what came with them."""
    parts = said(parts_of(body, path))
    for name in ("messages", "contents", "input"):
        while not parts and isinstance(body.get(name), list) and len(body[name]) > 1:
            body = {**body, name: body[name][:-1]}
            parts = said(parts_of(body, path))
    results = ["result " + text for kind, text in parts if kind == "result"]
    # Text first, then images: Ollama keeps them apart.
    texts = [text for kind, text in parts if kind == "text"] + ["an image" for kind, _ in parts if kind == "image"]
    return "; ".join(results or texts)


def check_gemini(body):
    """Reads a request with the types of Google's SDK, which forbid what they do not know."""
    try:
        from google.genai import types
    except ImportError:
        return
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    assert set(body) <= known, f"unknown: {set(body) - known}"
    for content in body["contents"]:
        types.Content.model_validate(content)
        assert content["parts"], "a content without parts"
    for model, value in (
        (types.Content, body.get("systemInstruction")),
        (types.ToolConfig, body.get("toolConfig")),
        (types.GenerationConfig, body.get("generationConfig")),
    ):
        if value is not None:
            model.model_validate(value)
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)


def check_ollama(body, path):
    """Reads a request with the types of Ollama's SDK."""
    try:
        from ollama import _types as types
    except ImportError:
        return
    request = types.GenerateRequest if path.startswith("/api/generate") else types.ChatRequest
    assert set(body) <= set(request.model_fields), f"unknown: {set(body) - set(request.model_fields)}"
    assert set(body.get("options", {})) <= set(types.Options.model_fields)
    request.model_validate(body)


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        conversation = json.dumps(body.get("messages") or body.get("contents") or body.get("input") or body.get("prompt"))
        wants_tool = "use the tool" in conversation and "result" not in seen(body, self.path)
        try:
            if "/models/" in self.path:
                check_gemini(body)
            if self.path in ("/api/chat", "/api/generate"):
                check_ollama(body, self.path)
        except (AssertionError, ValueError) as error:
            self.whole({"error": {"code": 400, "message": f"{error}", "status": "INVALID_ARGUMENT"}}, 400)
            return
        if self.path.startswith("/v1/messages/count_tokens"):
            self.whole({"input_tokens": 12})
        elif self.path.startswith("/v1/messages"):
            (self.messages_stream if body.get("stream") else self.messages)(body, wants_tool)
        elif "/models/" in self.path:
            self.gemini(body, wants_tool)
        elif self.path in ("/api/chat", "/api/generate"):
            self.ollama(body, wants_tool)
        elif "/responses" in self.path:
            (self.answers_stream if body.get("stream") else self.answers)(body, wants_tool)
        else:
            (self.chat_stream if body.get("stream") else self.chat)(body, wants_tool)

    def whole(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self, media="text/event-stream"):
        self.send_response(200)
        self.send_header("content-type", media)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")

    def words(self, body):
        return "seen: " + seen(body, self.path)

    def tool_of(self, body):
        tools = []
        for tool in body.get("tools", []):
            tools += [declared["name"] for declared in tool.get("functionDeclarations", [])] or [tool.get("function", tool)["name"]]
        name = "Bash" if "Bash" in tools else tools[0]
        return name, {"command": "echo it-works", "description": "x"} if name == "Bash" else {"city": "Zürich"}

    # --- OpenAI chat completions ---

    def chat(self, body, wants_tool):
        message = {"role": "assistant", "content": self.words(body)}
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
            for word in self.words(body).split(" "):
                chunk({"content": word + " "})
            chunk({}, "stop")
        self.piece("data: " + json.dumps({"id": "c1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}) + "\n\n")
        self.piece("data: [DONE]\n\n")
        self.end_stream()

    # --- OpenAI Responses ---

    def response(self, body, output, status="completed"):
        usage = {
            "input_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
        }
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "model": body["model"], "status": status, "error": None,
            "output": output, "usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        }

    def item(self, body, wants_tool):
        if wants_tool:
            name, arguments = self.tool_of(body)
            return {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": name, "arguments": json.dumps(arguments), "status": "completed"}
        part = {"type": "output_text", "text": self.words(body), "annotations": []}
        return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}

    def answers(self, body, wants_tool):
        self.whole(self.response(body, [self.item(body, wants_tool)]))

    def answers_stream(self, body, wants_tool):
        self.begin_stream()
        number = iter(range(1_000_000))

        def event(name, **data):
            self.piece(f"event: {name}\ndata: {json.dumps({'type': name, 'sequence_number': next(number), **data})}\n\n")

        item = self.item(body, wants_tool)
        event("response.created", response=self.response(body, [], "in_progress"))
        if wants_tool:
            event("response.output_item.added", output_index=0, item={**item, "arguments": "", "status": "in_progress"})
            for at in range(0, len(item["arguments"]), 7):
                event("response.function_call_arguments.delta", item_id="fc_1", output_index=0, delta=item["arguments"][at : at + 7])
            event("response.function_call_arguments.done", item_id="fc_1", output_index=0, arguments=item["arguments"])
        else:
            event("response.output_item.added", output_index=0, item={**item, "content": [], "status": "in_progress"})
            event("response.content_part.added", item_id="msg_1", output_index=0, content_index=0, part={"type": "output_text", "text": "", "annotations": []})
            text = item["content"][0]["text"]
            for word in text.split(" "):
                event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=word + " ")
            event("response.output_text.done", item_id="msg_1", output_index=0, content_index=0, text=text)
            event("response.content_part.done", item_id="msg_1", output_index=0, content_index=0, part=item["content"][0])
        event("response.output_item.done", output_index=0, item=item)
        event("response.completed", response=self.response(body, [item]))
        self.end_stream()

    # --- Gemini ---

    def gemini(self, body, wants_tool):
        usage = {"promptTokenCount": 12, "candidatesTokenCount": 3, "totalTokenCount": 15}

        def chunk(parts, finish=None):
            candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
            return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}], "usageMetadata": usage, "responseId": "r1"}

        if wants_tool:
            name, arguments = self.tool_of(body)
            parts = [{"functionCall": {"name": name, "args": arguments}, "thoughtSignature": "c2lnbmVk"}]
        else:
            parts = [{"text": word + " "} for word in self.words(body).split(" ")]
        for content in body["contents"]:
            first = [part for part in content["parts"] if "functionCall" in part][:1]
            if first and not first[0].get("thoughtSignature"):
                self.whole({"error": {"code": 400, "message": "Function call is missing a thought_signature", "status": "INVALID_ARGUMENT"}}, 400)
                return
        if ":streamGenerateContent" not in self.path:
            self.whole(chunk(parts, "STOP"))
            return
        self.begin_stream()
        for at, part in enumerate(parts):
            self.piece("data: " + json.dumps(chunk([part], "STOP" if at + 1 == len(parts) else None)) + "\r\n\r\n")
        self.end_stream()

    # --- Ollama ---

    def ollama(self, body, wants_tool):
        is_chat = self.path.startswith("/api/chat")

        def line(text, calls=None, **more):
            said = {"message": {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}} if is_chat else {"response": text}
            return {"model": body["model"], "created_at": "2026-11-01T00:00:00Z", **said, "done": False, **more}

        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 3}
        if wants_tool:
            name, arguments = self.tool_of(body)
            lines = [line("", [{"function": {"name": name, "arguments": arguments}}])]
        else:
            lines = [line(word + " ") for word in self.words(body).split(" ")]
        if body.get("stream") is False:
            calls = lines[0].get("message", {}).get("tool_calls") if is_chat else None
            self.whole(line("" if calls else self.words(body), calls, **end))
            return
        self.begin_stream("application/x-ndjson")
        for one in [*lines, line("", **end)]:
            self.piece(json.dumps(one) + "\n")
        self.end_stream()

    # --- Anthropic Messages ---

    def messages(self, body, wants_tool):
        content = [{"type": "text", "text": self.words(body)}]
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
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": self.words(body)})
        event("content_block_stop", index=0)
        event("message_delta", delta={"stop_reason": "tool_use" if wants_tool else "end_turn", "stop_sequence": None}, usage={"output_tokens": 3})
        event("message_stop")
        self.end_stream()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Provider)
    print(server.server_address[1], flush=True)
    server.serve_forever()
