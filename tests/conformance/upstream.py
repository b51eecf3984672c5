"""The provider of the suite: OpenAI chat completions and Anthropic Messages on this machine. What it answers is written in
the case that asks; the case is named in the conversation, so that it is found whatever a gateway makes of the rest.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMED = re.compile(rb"case:([a-z0-9_]+)")


class Reply:
    """An answer: a whole body, or pieces of a stream with what happens between them."""

    def __init__(self, status=200, body=None, headers=None, pieces=None, cut=False):
        self.status, self.headers, self.pieces, self.cut = status, headers or {}, pieces, cut
        self.body = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()


class Asked:
    """A request as it came."""

    def __init__(self, path, headers, raw):
        self.path, self.headers, self.raw = path, headers, raw
        self.json = json.loads(raw)


class Upstream:
    def __init__(self, cases, address="127.0.0.1"):
        self.asked = {}
        self.cases = {case.name: case for case in cases}
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send(Reply(200, {"object": "list", "data": []}))

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                found = NAMED.findall(raw)
                case = upstream.cases.get(found[-1].decode()) if found else None
                if case is None:
                    self.send(Reply(404, {"error": {"message": "no such case", "type": "not_found_error"}}))
                    return
                asked = Asked(self.path, self.headers, raw)
                upstream.asked.setdefault(case.name, []).append(asked)
                self.send(case.reply(asked))

            def send(self, reply):
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.pieces is None:
                    if "content-type" not in reply.headers:
                        self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                    return
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in reply.pieces:
                    if isinstance(piece, threading.Event):
                        piece.wait(5)
                        continue
                    self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
                    self.wfile.flush()
                if reply.cut:
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                self.wfile.write(b"0\r\n\r\n")

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
