"""Counts the instructions of one small request through the built binary, with callgrind.

Usage: benches/request.py ROUTER [OTHER_ROUTER]
A local server plays the provider. Each binary serves 200 and then 1,200 requests on one connection; the difference
is what a thousand requests take. With two binaries, the ratio of the first to the second is printed too.
Needs valgrind and Python 3. Instructions of waiting threads vary by one in a hundred from run to run.
"""

import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

REPLY = json.dumps({
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 2},
}).encode()
CHAT = json.dumps({
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m-2",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
}).encode()
RULES = "".join(
    f'rule r{n} {{ when prompt contains "keyword{n}" and tokens > {1000 + n} route "m-1" }}\n' for n in range(100)
) + "default { route model }\n"
HEADERS = {
    "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "sk-ant-api03-client",
    "user-agent": "claude-cli/2.1.332 (external, cli)", "accept": "application/json", "x-app": "cli",
    "x-stainless-lang": "js", "x-stainless-runtime": "node", "anthropic-beta": "interleaved-thinking-2025-05-14",
}


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        reply = CHAT if "chat" in self.path else REPLY
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


def count(router, provider, model, requests):
    with tempfile.TemporaryDirectory() as folder:
        base = f"http://127.0.0.1:{provider}"
        configuration = {"providers": {
            "one": {"kind": "anthropic", "baseUrl": base, "apiKey": "k", "models": {"m-1": {}}},
            "two": {"kind": "openai-compatible", "baseUrl": base + "/v1", "apiKey": "k", "models": {"m-2": {}}},
        }}
        with open(f"{folder}/router.json", "w", encoding="utf-8") as file:
            json.dump(configuration, file)
        with open(f"{folder}/my.route", "w", encoding="utf-8") as file:
            file.write(RULES)
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", router, "start", "--port", "0"]
        served = subprocess.Popen(
            command + ["--rules", "my.route", "--log-level", "warn"], cwd=folder, env={**os.environ, "HOME": folder},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        port = int(re.search(r":(\d+)\s*$", served.stdout.readline()).group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello."}]})
        for _ in range(requests):
            connection.request("POST", "/v1/messages", body, HEADERS)
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
        served.send_signal(signal.SIGTERM)
        _, log = served.communicate(timeout=120)
        return int(re.search(r"Collected : (\d+)", log).group(1))


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    for name, model in [("forwarded", "m-1"), ("translated", "m-2")]:
        figures = []
        for router in sys.argv[1:3]:
            router = os.path.abspath(router)
            figures.append((count(router, port, model, 1200) - count(router, port, model, 200)) // 1000)
        ratio = f"  ratio {figures[0] / figures[1]:.3f}" if len(figures) == 2 else ""
        print(f"{name:12} {'  '.join(f'{figure:,}' for figure in figures)}{ratio}", flush=True)


main()
