#!/usr/bin/env python3
"""Asks a gateway everything on the checklist, and prints a table: what is right, what is not, and why.

    run.py --router target/debug/router                       this project's router, started here
    run.py --gateway NAME --serve COMMAND ...                 another gateway; see benches/gateways/README.md
    run.py --json FILE                                        the results for a table of several gateways

It ends with 1 when a case of this project's router fails. Everything stays on this machine.
"""

import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from cases import ANTHROPIC, CHAT, GATE
from upstream import Upstream

PATIENCE = 15


class Got:
    """An answer as a client reads it."""

    def __init__(self, status, headers, raw, broke, first_text_before_end=False):
        self.status, self.headers, self.raw, self.broke = status, headers, raw, broke
        self.first_text_before_end = first_text_before_end
        self.text = raw.decode(errors="replace")
        self.events = []
        for one in self.text.replace("\r\n", "\n").split("\n\n"):
            lines = dict(line.split(":", 1) for line in one.split("\n") if ":" in line and not line.startswith(":"))
            if "data" in lines and lines["data"].strip() != "[DONE]":
                self.events.append((lines.get("event", "").strip(), json.loads(lines["data"])))

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def blocks(self):
        if not self.events:
            return self.json["content"]
        blocks = []
        for _, data in self.events:
            if data["type"] == "content_block_start":
                blocks.append(dict(data["content_block"]))
                blocks[-1]["json"] = ""
            elif data["type"] == "content_block_delta":
                delta, block = data["delta"], blocks[-1]
                for name in ("text", "thinking"):
                    block[name] = block.get(name, "") + delta[name] if name in delta else block.get(name, "")
                block["signature"] = delta.get("signature", block.get("signature"))
                block["json"] += delta.get("partial_json", "")
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["json"] or "{}")
        return [block for block in blocks if block["type"] != "text" or block.get("text")]

    @property
    def said(self):
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")

    @property
    def stop(self):
        return [data["delta"]["stop_reason"] for _, data in self.events if data["type"] == "message_delta"][-1]


def ask(url, case, model, key, more):
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": key, **more}
    for name, value in case.headers.items():
        headers[name] = None if value is None else value.replace("KEY", key)
    headers = {name: value for name, value in headers.items() if value is not None}
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=PATIENCE)
    body = None if case.method in ("GET", "HEAD") else json.dumps(case.body(model), ensure_ascii=False).encode()
    connection.request(case.method, case.path, body, headers)
    answer = connection.getresponse()
    raw, broke, early = b"", False, False
    try:
        while piece := answer.read1(65536):
            raw += piece
            if b"first" in raw and not GATE.is_set():
                early = True
                GATE.set()
    except (http.client.HTTPException, OSError):
        broke = True
    connection.close()
    return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, raw, broke, early)


def check(url, cases, upstream, model, key, more):
    """What went wrong, by case; none where nothing did."""
    found = {}
    for case in cases:
        GATE.clear()
        wrong = None
        try:
            got = ask(url, case, model, key, more)
            # The key of the client is a word of its own, so that it is known where it goes.
            asked = upstream.asked.get(case.name, [])
            for one in asked:
                one.headers = str(one.headers).replace(key, "KEY") if case.name.startswith("key") else one.headers
            case.check(got, asked)
        except Exception as error:  # Whatever a gateway answers, the next case is asked.
            wrong = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
        found[case.name] = wrong
    return found


def wait_until_it_serves(url, process, patience):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the gateway ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=2)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the gateway does not serve")


def router(binary, port):
    """This project's router before the upstream, in a folder of its own."""
    folder = tempfile.mkdtemp()
    models = {"own": {"contextWindow": 200_000, "supports": ["tools", "images", "thinking", "documents"]}}
    configuration = {
        "providers": {"chat": {"baseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": "provider-secret", "models": models}},
        "anthropic": {"baseUrl": f"http://127.0.0.1:{port}", "apiKey": "provider-secret"},
    }
    pathlib.Path(folder, "router.json").write_text(json.dumps(configuration))
    rules = 'rule claude { when model is "claude-sonnet-4-6" route model }\ndefault { route "chat/own" }\n'
    pathlib.Path(folder, "my.route").write_text(rules)
    command = [str(pathlib.Path(binary).resolve()), "start", "--port", "0", "--rules", "my.route"]
    process = subprocess.Popen(command, cwd=folder, env={"HOME": folder}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return process, process.stdout.readline().split()[-1], "own", "claude-sonnet-4-6"


def table(results):
    """A Markdown table of several gateways."""
    names = list(results)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for case in CHAT + ANTHROPIC:
        marks = []
        for name in names:
            found = results[name]
            marks.append("–" if case.name not in found else "yes" if found[case.name] is None else "no")
        lines.append(f"| {case.says} | " + " | ".join(marks) + " |")
    scores = []
    for name in names:
        found = results[name]
        scores.append(f"{sum(wrong is None for wrong in found.values())} of {len(found)}")
    lines.append("| **right** | " + " | ".join(scores) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--router", help="the binary of this project's router")
    parser.add_argument("--gateway", help="the name of another one")
    parser.add_argument("--serve", help="a command that serves it; {upstream} is where the provider is, {port} where to serve")
    parser.add_argument("--model", default="own")
    parser.add_argument("--claude", help="a model that goes to the provider as Anthropic; without one those cases are left out")
    parser.add_argument("--key", default="client-secret-key")
    parser.add_argument("--header", action="append", default=[], help="NAME: VALUE, sent with every request; {upstream} is filled in")
    parser.add_argument("--address", default="127.0.0.1", help="where the provider listens, for gateways that call no such address")
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("--json", help="where the results are added to those of other gateways")
    parser.add_argument("--table", action="store_true", help="only print the table of --json")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(pathlib.Path(arguments.json).read_text())))
        return 0
    upstream = Upstream(CHAT + ANTHROPIC, arguments.address)
    more = dict(header.replace("{upstream}", f"{arguments.address}:{upstream.port}").split(": ", 1) for header in arguments.header)
    name = arguments.gateway or "claude-router"
    if arguments.router:
        process, url, model, claude = router(arguments.router, upstream.port)
    else:
        port = 18_400 + os.getpid() % 1_000
        command = arguments.serve.replace("{upstream}", f"{arguments.address}:{upstream.port}").replace("{port}", str(port))
        process = subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        url, model, claude = f"http://127.0.0.1:{port}", arguments.model, arguments.claude
    try:
        wait_until_it_serves(url, process, arguments.patience)
        found = check(url, CHAT, upstream, model, arguments.key, more)
        if claude:
            found.update(check(url, ANTHROPIC, upstream, claude, arguments.key, more))
    finally:
        if arguments.router:
            process.terminate()
        else:
            os.killpg(process.pid, 9)
        process.wait()
    for case in CHAT + ANTHROPIC:
        if found.get(case.name):
            print(f"{name}: {case.name}: {case.says}: {found[case.name][:200]}")
    print(f"{name}: {sum(wrong is None for wrong in found.values())} of {len(found)} are right")
    if arguments.json:
        path = pathlib.Path(arguments.json)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, name: found}, indent=1))
    return int(bool(arguments.router) and any(found.values()))


if __name__ == "__main__":
    threading.stack_size(1 << 20)
    sys.exit(main())
