"""The official SDKs of Anthropic (Python and TypeScript) and OpenAI against the built router, each through a provider of each
kind; and Google's, which says what a request of Gemini looks like.

Usage: sdks.py ROUTER_BINARY FOLDER_OF_NODE_MODULES
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
    ask = {"model": "claude-sonnet-4-6", "max_tokens": 100}

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
        # Before it may stand what the model thought.
        call = [block for block in answer.content if block.type == "tool_use"][0]
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


def responses(url):
    client = openai.OpenAI(api_key="dummy", base_url=f"{url}/v1", max_retries=0)
    ask = {"model": "gpt-4o"}

    answer = client.responses.create(input="héllo", **ask)
    assert answer.output_text.strip() == "seen: héllo", answer
    assert (answer.status, answer.usage.input_tokens, answer.usage.output_tokens) == ("completed", 12, 3), answer

    with client.responses.stream(input="stream it", **ask) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text.strip() == final.output_text.strip() == "seen: stream it", final

    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    answer = client.responses.create(input=[{"role": "user", "content": [{"type": "input_text", "text": "look"}, image]}], **ask)
    assert answer.output_text.strip() == "seen: look; an image", answer

    tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
    history = [{"role": "user", "content": "use the tool"}]
    for streamed in (False, True):
        if streamed:
            with client.responses.stream(input=history, tools=tools, **ask) as stream:
                answer = stream.get_final_response()
        else:
            answer = client.responses.create(input=history, tools=tools, **ask)
        call = [item for item in answer.output if item.type == "function_call"][0]
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Zürich"}), answer
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        turn = [*history, *(item.model_dump(exclude_none=True) for item in answer.output), output]
        answer = client.responses.create(input=turn, tools=tools, **ask)
        assert answer.output_text.strip() == "seen: result sunny", answer


def google(port):
    """Google's own SDK asks the server of the tests: what it sends is what the server takes from the router."""
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="dummy", http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{port}"))
    declared = types.FunctionDeclaration(name="weather", parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}))
    config = types.GenerateContentConfig(
        system_instruction="be brief", max_output_tokens=9, temperature=0.5, top_k=5, tools=[types.Tool(function_declarations=[declared])],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    answer = client.models.generate_content(model="gemini-2.5-pro", contents="use the tool", config=config)
    part = answer.candidates[0].content.parts[0]
    assert (part.function_call.name, part.function_call.args) == ("weather", {"city": "Zürich"}), answer
    assert part.thought_signature == b"signed", answer
    text = "".join(chunk.text for chunk in client.models.generate_content_stream(model="gemini-2.5-pro", contents="stream it"))
    assert text.strip() == "seen: stream it", text


# A provider of each kind: its name in the configuration, and the model that is asked.
def targets(base):
    window = {"contextWindow": 100_000, "supports": ["tools", "images", "thinking", "documents"]}
    return {
        "openai/gpt-4o": {"openai": {"apiKey": "k", "baseUrl": f"{base}/v1"}},
        "anthropic/claude-sonnet-4-6": {"anthropic": {"apiKey": "k", "baseUrl": base}},
        "reasons/own": {"providers": {"reasons": {"kind": "openai-responses", "baseUrl": f"{base}/v1", "models": {"own": window}}}},
        "gemini/gemini-2.5-pro": {"google": {"apiKey": "k", "baseUrl": f"{base}/v1beta"}},
        "here/own": {"providers": {"here": {"kind": "ollama", "baseUrl": base, "models": {"own": window}}}},
        "openrouter/own": {"openrouter": {"apiKey": "k", "baseUrl": f"{base}/api/v1", "models": {"own": window}}},
        "work/own": {"providers": {"work": {"kind": "azure-openai", "baseUrl": base, "apiKey": "k", "models": {"own": window}}}},
    }


def main():
    router = pathlib.Path(sys.argv[1]).resolve()
    typescript = sys.argv[2]
    provider, port = start([sys.executable, str(HERE / "provider.py")])
    try:
        google(port)
        print("ok: Google's SDK asks for what the router asks for")
        for target, configuration in targets(f"http://127.0.0.1:{port}").items():
            with tempfile.TemporaryDirectory() as folder:
                pathlib.Path(folder, "router.json").write_text(json.dumps(configuration))
                pathlib.Path(folder, "my.route").write_text(f'default {{ route "{target}" }}\n')
                command = [str(router), "start", "--port", "0", "--rules", "my.route"]
                serving, line = start(command, cwd=folder, env={"HOME": folder}, stderr=subprocess.DEVNULL)
                try:
                    url = line.split()[-1]
                    claude(url)
                    chat(url)
                    responses(url)
                    subprocess.run(["node", str(HERE / "sdk.mjs"), typescript, url], check=True)
                    print(f"ok: the SDKs of Anthropic and OpenAI through {target}")
                finally:
                    serving.terminate()
                    serving.wait()
    finally:
        provider.terminate()


main()
