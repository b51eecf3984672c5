"""The checklist: what a client of Anthropic Messages must get through a gateway, and what a provider must be asked. The numbers
are those of defects that users of gateways reported; each case says in its own words what is right.
"""

import base64
import json
import re
import threading

from upstream import Reply

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
RUN = {"name": "Run", "description": "Runs.", "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}}}


class Case:
    """One line of the table. `of` is which provider stands behind the gateway: `chat` or `anthropic`."""

    def __init__(self, name, says, check, reply=None, ask=None, stream=True, headers=None, of="chat", path="/v1/messages", method="POST"):
        self.name, self.says, self.check, self.of = name, says, check, of
        self.ask, self.stream, self.headers, self.path, self.method = ask or {}, stream, headers or {}, path, method
        self.answer = reply

    def body(self, model):
        body = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": f"case:{self.name}"}], **self.ask}
        if self.stream:
            body["stream"] = True
        return body

    def reply(self, asked):
        return self.answer(asked) if callable(self.answer) else self.answer


# --- what providers answer ---


def chunk(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    value = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


USAGE = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24, "prompt_tokens_details": {"cached_tokens": 12}}
END = b"data: " + json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n"


def tool(index, call=None, name=None, arguments=""):
    made = {"index": index, "function": {"arguments": arguments}}
    if call:
        made.update(id=call, type="function")
    if name:
        made["function"]["name"] = name
    return {"tool_calls": [made]}


def stream(*deltas, finish="stop"):
    return Reply(pieces=[chunk({"role": "assistant", "content": ""}), *(chunk(delta) for delta in deltas), chunk({}, finish), END])


def whole(message, finish="stop"):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Reply(body={"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE})


# --- what clients read ---


def grammar(got):
    """Every event says its type twice, blocks open and close one at a time, and the stream ends once."""
    stage, open_kind, following = "fresh", None, 0
    for name, data in got.events:
        kind = data["type"]
        assert name == kind, f"the event {kind} is called {name}"
        if kind == "message_start":
            assert stage == "fresh", "a second message_start"
            usage = data["message"]["usage"]
            assert usage["input_tokens"] >= 0 and "output_tokens" in usage, usage
            stage = "open"
        elif kind == "content_block_start":
            assert stage == "open" and open_kind is None, "a block within a block"
            assert data["index"] == following, f"index {data['index']} where {following} follows"
            open_kind, following = data["content_block"]["type"], following + 1
        elif kind == "content_block_delta":
            wanted = {"text_delta": "text", "input_json_delta": "tool_use", "thinking_delta": "thinking", "signature_delta": "thinking"}
            assert open_kind == wanted[data["delta"]["type"]], f"{data['delta']['type']} in {open_kind}"
            assert data["index"] == following - 1, "a delta of another block"
        elif kind == "content_block_stop":
            assert open_kind is not None and data["index"] == following - 1, "a stop without a start"
            open_kind = None
        elif kind == "message_delta":
            assert open_kind is None, "the message ends within a block"
            assert "output_tokens" in data["usage"], "no usage"
            stage = "ending"
        elif kind == "message_stop":
            assert stage == "ending", "message_stop without message_delta"
            stage = "ended"
        elif kind == "error":
            stage = "ended"
        elif kind != "ping":
            raise AssertionError(f"an event {kind}")
    assert stage == "ended", f"the stream stops while {stage}"


def legal(check):
    def both(got, asked):
        assert got.status == 200, f"status {got.status}: {got.text[:200]}"
        grammar(got)
        check(got, asked)

    return both


def calls(got):
    return [(block["name"], block["input"]) for block in got.blocks if block["type"] == "tool_use"]


def equal(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def last(asked):
    assert asked, "the provider was not asked"
    return asked[-1].json


def sent_messages(asked):
    return last(asked)["messages"]


def text_of(message):
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


# --- conversations ---


def called(name, *results, ids=("toolu_1",)):
    uses = [{"type": "tool_use", "id": one, "name": "Run", "input": {"x": one}} for one in ids]
    return [
        {"role": "user", "content": f"case:{name}"},
        {"role": "assistant", "content": [{"type": "text", "text": "I run."}, *uses]},
        *({"role": "user", "content": content} for content in results),
    ]


def result(call, content=None, **more):
    made = {"type": "tool_result", "tool_use_id": call, **more}
    if content is not None:
        made["content"] = content
    return made


def ok(*_):
    return stream({"content": "ok"})


def fine(got, asked):
    assert got.status == 200, f"status {got.status}: {got.text[:200]}"


LONG = "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still_v2"
GATE = threading.Event()


def overflow(got, asked):
    equal(got.status, 400)
    error = got.json["error"]
    equal(error["type"], "invalid_request_error")
    assert re.search(r"prompt is too long: 200000 tokens > 128000|exceed context limit", error["message"]), error["message"]


def results_regrouped(got, asked):
    messages = sent_messages(asked)
    at = next(index for index, message in enumerate(messages) if message.get("tool_calls"))
    following = [message.get("tool_call_id") for message in messages[at + 1 : at + 3]]
    equal(following, [call["id"] for call in messages[at]["tool_calls"]])


def name_fits(got, asked):
    sent = [one["function"]["name"] for one in last(asked)["tools"]][0]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", sent), f"a name of {len(sent)} characters"
    equal(calls(got), [(LONG, {})])


def error_event(got, asked):
    assert not any(data["type"] == "message_stop" for _, data in got.events), "it ends as if it had succeeded"
    assert got.broke or any(data["type"] == "error" for _, data in got.events), "it ends without a word"
    assert any(data["type"] == "error" for _, data in got.events), "the connection breaks without an error event"


def in_time(got, asked):
    assert got.first_text_before_end, "the text is held back until the stream ends"


CHAT = [
    Case("plain_stream", "a stream is in the grammar of the API", legal(lambda got, asked: equal(got.said, "héllo")), stream({"content": "hé"}, {"content": "llo"})),
    Case("plain_whole", "a whole answer has its fields", lambda got, asked: (fine(got, asked), equal(got.json["content"][0]["text"], "hello"), equal(got.json["stop_reason"], "end_turn"), equal(got.json["role"], "assistant")), whole({"content": "hello"}), stream=False),
    Case("at_once", "text goes out as it comes", in_time, lambda asked: Reply(pieces=[chunk({"content": "first"}), GATE, chunk({"content": "last"}), chunk({}, "stop"), END])),
    Case("trap_01", "arguments that come in one piece are in a delta", legal(lambda got, asked: equal(calls(got), [("Run", {"x": "1"})])), stream(tool(0, "call_1", "Run", '{"x":"1"}'), finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_03", "text and a call in one delta are both kept", legal(lambda got, asked: (equal(got.said, "text"), equal(calls(got), [("Run", {"x": "1"})]))), stream({"content": "text", **tool(0, "call_1", "Run", '{"x":"1"}')}, finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_04", "a turn that calls ends in tool_use, whatever the provider says", legal(lambda got, asked: equal(got.stop, "tool_use")), stream(tool(0, "call_1", "Run", "{}"), finish="stop"), {"tools": [RUN]}),
    Case("trap_06", "calls that come interleaved are told apart", legal(lambda got, asked: equal(calls(got), [("Run", {"x": "a"}), ("Run", {"x": "b"})])), stream(tool(0, "call_1", "Run"), tool(1, "call_2", "Run"), tool(0, arguments='{"x":'), tool(1, arguments='{"x":"b"}'), tool(0, arguments='"a"}'), finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_08", "two calls at one index are two", legal(lambda got, asked: equal(calls(got), [("Run", {"x": "a"}), ("Run", {"x": "b"})])), stream(tool(0, "call_1", "Run", '{"x":"a"}'), tool(0, "call_2", "Run", '{"x":"b"}'), finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_10", "thinking behind a call breaks nothing", legal(lambda got, asked: equal(calls(got), [("Run", {"x": "a"})])), stream({"reasoning_content": "one"}, tool(0, "call_1", "Run", '{"x":"a"}'), {"reasoning_content": "two"}, finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_13", "thinking is a signed block before the text", legal(lambda got, asked: (equal([block["type"] for block in got.blocks], ["thinking", "text"]), equal(got.blocks[0]["thinking"], "hm"), equal(bool(got.blocks[0].get("signature")), True))), stream({"reasoning_content": "hm"}, {"content": "yes"})),
    Case("trap_16", "a stream that was answered whole is streamed", legal(lambda got, asked: equal(got.said, "hello")), whole({"content": "hello"})),
    Case("trap_17", "one turn is one call", lambda got, asked: (fine(got, asked), equal(len(asked), 1)), stream(tool(0, "call_1", "Run", "{}"), finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_18", "a character cut in two is whole", legal(lambda got, asked: equal(got.said, "日本🦀")), lambda asked: Reply(pieces=[*(chunk({"content": "日本🦀"})[at : at + 1] for at in range(len(chunk({"content": "日本🦀"})))), chunk({}, "stop"), END])),
    Case("trap_19", "events without a space, with carriage returns and comments are read", legal(lambda got, asked: equal(got.said, "ok")), lambda asked: Reply(pieces=[b": comment\r\n\r\n" + chunk({"content": "ok"}).replace(b"data: ", b"data:").replace(b"\n", b"\r\n"), chunk({}, "stop").replace(b"\n", b"\r\n"), END])),
    Case("trap_21", "a provider that breaks off ends in an error", error_event, lambda asked: Reply(pieces=[chunk({"content": "a"})], cut=True)),
    Case("trap_21_said", "an error in the middle of a stream is one", error_event, lambda asked: Reply(pieces=[chunk({"content": "a"}), b'data: {"error":{"message":"overloaded","code":503}}\n\n'])),
    Case("trap_22", "an error before the stream keeps its status", lambda got, asked: (equal(got.status, 429), equal(got.json["type"], "error"), equal(got.json["error"]["type"], "rate_limit_error")), Reply(429, {"error": {"message": "slow down", "type": "rate_limit_error"}}, {"retry-after": "7"})),
    Case("trap_25", "input is estimated in message_start", legal(lambda got, asked: equal(got.events[0][1]["message"]["usage"]["input_tokens"] > 0, True)), ok),
    Case("trap_26", "the true input stands in message_delta", legal(lambda got, asked: equal([data["usage"].get("input_tokens", 0) + data["usage"].get("cache_read_input_tokens", 0) for _, data in got.events if data["type"] == "message_delta"], [20])), ok),
    Case("trap_27", "cached tokens are counted once", lambda got, asked: (fine(got, asked), equal((got.json["usage"]["input_tokens"], got.json["usage"].get("cache_read_input_tokens"), got.json["usage"]["output_tokens"]), (8, 12, 4))), whole({"content": "x"}), stream=False),
    Case("trap_28", "what a filter refused is a refusal", legal(lambda got, asked: equal(got.stop, "refusal")), stream({"content": "x"}, finish="content_filter")),
    Case("trap_29", "length wins over a call", legal(lambda got, asked: equal(got.stop, "max_tokens")), stream(tool(0, "call_1", "Run", '{"x'), finish="length"), {"tools": [RUN]}),
    Case("trap_31", "a call without arguments has an empty object", lambda got, asked: (fine(got, asked), equal(calls(got), [("Run", {})])), whole({"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "Run", "arguments": ""}}]}, "tool_calls"), {"tools": [RUN]}, stream=False),
    Case("trap_32", "ids of calls are of Anthropic's form", legal(lambda got, asked: equal([bool(re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])) for block in got.blocks], [True])), stream(tool(0, "functions.Run:0", "Run", "{}"), finish="tool_calls"), {"tools": [RUN]}),
    Case("trap_35", "thinking of the history does not become the model's words", lambda got, asked: (fine(got, asked), equal(any("secret thought" in text_of(message) for message in sent_messages(asked)), False)), ok, {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "secret thought", "signature": "EqQB"}, {"type": "text", "text": "hello"}]}, {"role": "user", "content": "case:trap_35"}]}),
    Case("trap_37", "results stand behind their calls", lambda got, asked: (fine(got, asked), results_regrouped(got, asked)), ok, {"tools": [RUN], "messages": called("trap_37", [result("toolu_2", "two"), {"type": "text", "text": "between"}, result("toolu_1", "one")], ids=("toolu_1", "toolu_2"))}),
    Case("trap_39", "a result of an unknown kind is not lost", lambda got, asked: (fine(got, asked), equal(any(message["role"] == "tool" and "Glob" in text_of(message) for message in sent_messages(asked)), True)), ok, {"tools": [RUN], "messages": called("trap_39", [result("toolu_1", [{"type": "tool_reference", "tool_name": "Glob"}])])}),
    Case("trap_41", "an empty result says that it is empty", lambda got, asked: (fine(got, asked), equal([bool(text_of(message)) for message in sent_messages(asked) if message["role"] == "tool"], [True])), ok, {"tools": [RUN], "messages": called("trap_41", [result("toolu_1")])}),
    Case("trap_41_failed", "a result that failed says so", lambda got, asked: (fine(got, asked), equal(["rror" in text_of(message) for message in sent_messages(asked) if message["role"] == "tool"], [True])), ok, {"tools": [RUN], "messages": called("trap_41_failed", [result("toolu_1", "gone", is_error=True)])}),
    Case("trap_45", "names that are too long are shortened and restored", legal(name_fits), lambda asked: stream(tool(0, "call_1", asked.json["tools"][0]["function"]["name"], "{}"), finish="tool_calls"), {"tools": [{**RUN, "name": LONG}]}),
    Case("trap_46", "rules in the middle of a conversation arrive, and not as a model's words", lambda got, asked: (fine(got, asked), equal([message["role"] != "assistant" for message in sent_messages(asked) if "the rules" in text_of(message)], [True])), ok, {"messages": [{"role": "user", "content": "case:trap_46"}, {"role": "system", "content": "the rules"}]}),
    Case("trap_47", "an image in a result arrives", lambda got, asked: (fine(got, asked), equal(PNG in asked[-1].raw.decode(), True)), ok, {"tools": [RUN], "messages": called("trap_47", [result("toolu_1", [{"type": "text", "text": "see"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}])])}),
    Case("document", "a document arrives", lambda got, asked: (fine(got, asked), equal("JVBERi0xLjQK" in asked[-1].raw.decode(), True)), ok, {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}}, {"type": "text", "text": "case:document"}]}]}),
    Case("trap_53", "a field that nobody knows is no error", lambda got, asked: fine(got, asked), ok, {"context_management": {"edits": []}, "safeguards": [], "something_new": 1}, headers={"anthropic-beta": "context-management-2025-06-27"}),
    Case("trap_56", "the billing header stays out of the prompt", lambda got, asked: (fine(got, asked), equal("billing-header" in asked[-1].raw.decode(), False), equal("You are" in asked[-1].raw.decode(), True)), ok, {"system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1a2b3;"}, {"type": "text", "text": "You are."}]}),
    Case("trap_57", "a tool of Anthropic's own is not sent on as it stands", lambda got, asked: (fine(got, asked), equal("web_search_20250305" in asked[-1].raw.decode(), False)), ok, {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}], "tool_choice": {"type": "auto"}}),
    Case("no_tools", "an empty list of tools is not sent", lambda got, asked: (fine(got, asked), equal(last(asked).get("tools", "absent") in ("absent", None), True)), ok, {"tools": []}),
    Case("trap_61", "what is too long is said in Anthropic's words, with the provider's numbers", overflow, Reply(400, {"error": {"message": "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.", "type": "invalid_request_error", "code": "context_length_exceeded"}})),
    Case("trap_65", "a time to wait is in whole seconds", lambda got, asked: (equal(got.status, 429), equal(bool(re.fullmatch(r"\d+", got.headers.get("retry-after", ""))), True)), Reply(429, {"error": {"message": "slow down"}}, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"})),
    Case("trap_66", "a query behind the path changes nothing", lambda got, asked: fine(got, asked), ok, path="/v1/messages?beta=true"),
    Case("bearer", "a key in either header is taken", lambda got, asked: fine(got, asked), ok, headers={"authorization": "Bearer KEY", "x-api-key": None}),
    Case("key_kept", "the client's key goes nowhere", lambda got, asked: (fine(got, asked), equal("KEY" in str(asked[-1].headers), False)), ok),
    Case("trap_30", "tokens are counted, tools and rules with them", lambda got, asked: (fine(got, asked), equal(got.json["input_tokens"] > 400, True)), whole({"content": "x"}), {"system": "word " * 250, "tools": [{**RUN, "description": "word " * 250}]}, stream=False, path="/v1/messages/count_tokens"),
    Case("models", "models are listed in Anthropic's form", lambda got, asked: (fine(got, asked), equal({"id", "type"} <= set(got.json["data"][0]), True), equal("has_more" in got.json, True)), None, stream=False, path="/v1/models?limit=1000", method="GET"),
    Case("hello", "the probe of the client is answered", lambda got, asked: equal(got.status in (200, 404), True), None, stream=False, path="/api/hello", method="HEAD"),
]

START = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}


def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


CLAUDE = [
    event("message_start", message=START), event("ping"), event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "héllo"}), event("something_new", number=1), event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3}), event("message_stop"),
]
SYSTEM = [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2;"}, {"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}]
ERROR = b'{"type": "error",  "error": {"type": "invalid_request_error", "message": "thinking: signature is bound to a different conversation", "details": {"x": 1}}, "request_id": "req_1"}'


def claude(*_):
    return Reply(pieces=CLAUDE)


ANTHROPIC = [
    Case("claude_stream", "the answer of Anthropic comes through, new kinds of events too", lambda got, asked: (fine(got, asked), equal(got.raw, b"".join(CLAUDE))), claude, of="anthropic"),
    Case("trap_63", "the request goes to Anthropic with every number and unknown field as it stands", lambda got, asked: (fine(got, asked), equal([mark in asked[-1].raw.replace(b" ", b"") for mark in (b'"n":9007199254740993', b'"f":1.0')], [True, True])), claude, {"unknown": {"n": 9007199254740993, "f": 1.0}}, of="anthropic"),
    Case("trap_64", "the list of system blocks is untouched", lambda got, asked: (fine(got, asked), equal(last(asked)["system"], SYSTEM)), claude, {"system": SYSTEM}, of="anthropic"),
    Case("headers", "the version and the beta flags go on", lambda got, asked: (fine(got, asked), equal(asked[-1].headers.get("anthropic-version"), "2023-06-01"), equal("some-beta-1" in asked[-1].headers.get("anthropic-beta", ""), True)), claude, headers={"anthropic-beta": "some-beta-1,other-2"}, of="anthropic"),
    Case("trap_62", "an error of Anthropic comes back byte for byte", lambda got, asked: (equal(got.status, 400), equal(got.raw, ERROR)), Reply(400, ERROR), of="anthropic"),
    Case("overloaded", "529 stays 529", lambda got, asked: equal(got.status, 529), Reply(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), of="anthropic"),
    Case("key_changed", "Anthropic is called with the gateway's own key", lambda got, asked: (fine(got, asked), equal("KEY" in str(asked[-1].headers), False), equal("provider-secret" in str(asked[-1].headers), True)), claude, of="anthropic"),
    Case("claude_cut", "a stream of Anthropic that breaks off ends in an error", error_event, lambda asked: Reply(pieces=CLAUDE[:4], cut=True), of="anthropic"),
]
