#!/usr/bin/env python3
"""Writes what a client and a server of models say to each other into a fixture, standing between them.

    python record.py --to http://127.0.0.1:18000 --port 19000 --out ../../tests/fixtures/servers/NAME.json
                     [--note KEY=VALUE]... [--replace OLD=NEW]...

The client is pointed at http://127.0.0.1:PORT; ^C ends the recording. The fixture is written anew after every exchange:

    {"notes": {"server": "…"}, "exchanges": [
      {"request":  {"method": "POST", "path": "/v1/completions", "headers": {"content-type": "…"}, "json": {…}},
       "response": {"status": 200, "headers": {"content-type": "…"}, "json": {…}}}, …]}

in the order in which the requests came. A body is "json" where its JSON, written again as compactly, is what was sent
to the byte, else "text", else "base64"; an empty one is left out. A body that came in HTTP chunks is "chunks", a list
of such pieces, as they came: for a stream of events, mostly one event each. An exchange that the client left in the
middle has "left": true and the chunks until then; one that the server did, "broken": true.
Kept of the headers are the ones below; a key is never written, only that there was one: "authorization": "(left out)".
--replace changes bodies of answers alone, for paths of this machine (not where they run over the border of two chunks).
"""

import argparse
import base64
import http.client
import json
import os
import select
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

REQUEST_HEADERS = ("accept", "content-type")
RESPONSE_HEADERS = ("content-type", "retry-after", "server", "www-authenticate", "location")
# Those that concern one connection: each side of this program has its own.
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length", "date"}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def piece(data):
    """A part of a body as the fixture has it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def body_fields(data):
    if not data:
        return {}
    text = piece(data)
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text)
        if compact(value) == text:
            return {"json": value}
    except ValueError:
        pass
    return {"text": text}


class Fixture:
    def __init__(self, path, notes):
        self.path, self.notes, self.exchanges, self.lock = path, notes, [], threading.Lock()

    def begin(self):
        exchange = {}
        with self.lock:
            self.exchanges.append(exchange)
        return exchange

    def write(self):
        with self.lock:
            lines = []
            for exchange in self.exchanges:
                if "response" not in exchange:
                    continue
                request = compact(exchange["request"])
                response = dict(exchange["response"])
                chunks = response.pop("chunks", None)
                told = compact(response)
                if chunks is not None:
                    # One event a line is what a person can read and a comparison can show.
                    told = told[:-1] + ',"chunks":[\n  ' + ",\n  ".join(map(compact, chunks)) + "]}"
                lines.append('{"request":' + request + ',\n "response":' + told + "}")
            text = '{"notes":' + compact(self.notes) + ',"exchanges":[\n' + ",\n".join(lines) + "\n]}\n"
            json.loads(text)
            with open(self.path + ".partial", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(self.path + ".partial", self.path)


def chunks_of(answer):
    """The body's HTTP chunks with their borders as the server set them, which http.client's own reading loses."""
    while True:
        size = int(answer.fp.readline().split(b";")[0], 16)
        data = answer.fp.read(size)
        if len(data) < size:
            raise ConnectionError("the server left in the middle of a chunk")
        answer.fp.readline()
        if size == 0:
            return
        yield data


class Between(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format, *values):
        pass

    def client_left(self):
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def handle_one(self):
        exchange = self.server.fixture.begin()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kept = {name: self.headers[name] for name in REQUEST_HEADERS if self.headers[name]}
        if self.headers["authorization"]:
            kept["authorization"] = "(left out)"
        exchange["request"] = {"method": self.command, "path": self.path, "headers": kept, **body_fields(body)}
        target = self.server.target
        connection = http.client.HTTPConnection(target.hostname, target.port or 80)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_HEADERS | {"accept-encoding"}}
            connection.request(self.command, target.path.rstrip("/") + self.path, body or None, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.close_connection = True
            print(f"{self.command} {self.path}: no answer of the server: {error}", flush=True)
            return
        told = exchange["response"] = {
            "status": answer.status,
            "headers": {name: answer.getheader(name) for name in RESPONSE_HEADERS if answer.getheader(name)},
        }
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        if answer.chunked:
            self.pass_chunks(answer, told)
        else:
            data = answer.read()
            told.update(body_fields(self.replaced(data)))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        if told.get("left"):
            # So that the server learns it now, not when its answer is forgotten here.
            connection.sock and connection.sock.shutdown(socket.SHUT_RDWR)
        answer.close()
        connection.close()
        self.server.fixture.write()
        print(f"{self.command} {self.path}: {answer.status}", "(left)" if told.get("left") else "", flush=True)

    def pass_chunks(self, answer, told):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunks = told["chunks"] = []
        try:
            for data in chunks_of(answer):
                if self.client_left():
                    raise BrokenPipeError
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                chunks.append(piece(self.replaced(data)))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            told["left"] = True
            self.close_connection = True
        except (OSError, ValueError):
            told["broken"] = True
            self.close_connection = True

    def replaced(self, data):
        for old, new in self.server.replacements:
            data = data.replace(old, new)
        return data

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_one


def pair(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} has no '='")
    return key, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, help="the server's address, without /v1")
    parser.add_argument("--port", type=int, default=19000, help="the port to listen on, on this machine alone")
    parser.add_argument("--out", required=True, help="the fixture's path")
    parser.add_argument("--note", type=pair, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--replace", type=pair, action="append", default=[], metavar="OLD=NEW")
    given = parser.parse_args()
    target = urlsplit(given.to)
    if target.scheme != "http" or not target.hostname:
        parser.error(f"--to {given.to}: an address as http://HOST:PORT is needed")
    os.makedirs(os.path.dirname(os.path.abspath(given.out)), exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Between)
    server.daemon_threads = True
    server.target = target
    server.fixture = Fixture(given.out, dict(given.note))
    server.replacements = [(old.encode(), new.encode()) for old, new in given.replace]
    # ^C as well as a plain kill, also where the shell that started it in the background has ^C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"http://127.0.0.1:{given.port} to {given.to}, into {given.out}; ^C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    server.fixture.write()


if __name__ == "__main__":
    main()
