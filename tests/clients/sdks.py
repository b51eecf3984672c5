"""The official SDKs of Anthropic and OpenAI against the built router, each through a provider of either API.

Usage: sdks.py ROUTER_BINARY
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import anthropic
import openai

warnings.simplefilter("ignore", DeprecationWarning)
HERE = pathlib.Path(__file__).parent
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def start(command, **more):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
    return process, process.stdout.readline().strip()


def claude(url):
    client = anthropic.Anthropic(api_key="dummy", base_url=url, max_retries=0)
    ask = {"model": "claude-sonnet-4-5", "max_tokens": 100}

    answer = client.messages.create(messages=[{"role": "user", "content": "héllo"}], **ask)
    assert answer.content[0].text.strip() == "seen: héllo", answer
    assert (answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens) == ("end_turn", 12, 3), answer

    with client.messages.stream(messages=[{"role": "user", "content": "stream it"}], **ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.strip() == "seen: stream it", text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3), final

    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    answer = client.messages.create(messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, image]}], **ask)
    assert answer.content[0].text.strip() == "seen: look; an image", answer

    tools = [{"name": "weather", "description": "The weather.", "input_schema": WEATHER}]
    messages = [{"role": "user", "content": "use the tool"}]
    for streamed in (False, True):
        if streamed:
            with client.messages.stream(messages=messages, tools=tools, **ask) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(messages=messages, tools=tools, **ask)
        call = answer.content[0]
        assert (call.type, call.name, call.input, answer.stop_reason) == ("tool_use", "weather", {"city": "Zürich"}, "tool_use"), answer
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turn = [*messages, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        answer = client.messages.create(messages=turn, tools=tools, **ask)
        assert answer.content[0].text.strip() == "seen: result sunny", answer

    counted = client.messages.count_tokens(model=ask["model"], messages=[{"role": "user", "content": "x"}])
    assert counted.input_tokens > 0, counted
    try:
        client.messages.create(messages=[{"role": "nobody", "content": "x"}], **ask)
    except anthropic.BadRequestError as error:
        assert "nobody" in str(error), error
    else:
        raise AssertionError("a wrong role passes")


def chat(url):
    client = openai.OpenAI(api_key="dummy", base_url=f"{url}/v1", max_retries=0)
    ask = {"model": "gpt-4o"}

    answer = client.chat.completions.create(messages=[{"role": "user", "content": "héllo"}], **ask)
    assert answer.choices[0].message.content.strip() == "seen: héllo", answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 3), answer

    text = ""
    for chunk in client.chat.completions.create(messages=[{"role": "user", "content": "stream it"}], stream=True, **ask):
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
    assert text.strip() == "seen: stream it", text

    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    answer = client.chat.completions.create(messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, image]}], **ask)
    assert answer.choices[0].message.content.strip() == "seen: look; an image", answer

    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    messages = [{"role": "user", "content": "use the tool"}]
    answer = client.chat.completions.create(messages=messages, tools=tools, **ask).choices[0]
    call = answer.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments), answer.finish_reason) == ("weather", {"city": "Zürich"}, "tool_calls"), answer
    turn = [*messages, answer.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(messages=turn, tools=tools, **ask)
    assert answer.choices[0].message.content.strip() == "seen: result sunny", answer
    assert len(list(client.models.list())) > 0


def main():
    router = pathlib.Path(sys.argv[1]).resolve()
    provider, port = start([sys.executable, str(HERE / "provider.py")])
    try:
        for target in ("gpt-4o", "claude-sonnet-4-5"):
            with tempfile.TemporaryDirectory() as folder:
                base = f"http://127.0.0.1:{port}"
                configuration = {"openai": {"apiKey": "k", "baseUrl": f"{base}/v1"}, "anthropic": {"apiKey": "k", "baseUrl": base}}
                pathlib.Path(folder, "router.json").write_text(json.dumps(configuration))
                pathlib.Path(folder, "my.route").write_text(f'default {{ route "{target}" }}\n')
                command = [str(router), "start", "--port", "0", "--rules", "my.route"]
                serving, line = start(command, cwd=folder, env={"HOME": folder}, stderr=subprocess.DEVNULL)
                try:
                    url = line.split()[-1]
                    claude(url)
                    chat(url)
                    print(f"ok: the Anthropic and the OpenAI SDK through {target}")
                finally:
                    serving.terminate()
                    serving.wait()
    finally:
        provider.terminate()


main()
