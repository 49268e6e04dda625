"""Shows that a build with traces sends them: to a collector that reads what comes with OpenTelemetry's own definitions.

    check.py PATH_OF_COUNTERSIGN
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRETS = {"password": "correct horse battery staple", "name": "marvin the spanned", "email": "marvin@spans.example"}


class Collector:
    """Takes OTLP over HTTP on a free port and keeps what came, until it is told to be ill."""

    def __init__(self):
        self.bodies, self.paths, self.status = [], [], 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.status == 200:
                    collector.paths.append((self.path, self.headers["Content-Type"]))
                    collector.bodies.append(body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def resources(self):
        return [spans for body in self.bodies for spans in ExportTraceServiceRequest.FromString(body).resource_spans]

    def spans(self):
        return [span for resource in self.resources() for scope in resource.scope_spans for span in scope.spans]


def words(attributes):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


class Server:
    """Countersign with a collector, in a folder of its own."""

    def __init__(self, binary, collector, folder):
        with open(os.path.join(folder, "countersign.toml"), "w") as settings:
            settings.write(f"server.listen = '127.0.0.1:0'\ntraces.collector = '{collector}'\nlog.level = 'trace'\n")
        env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {"OTEL_BSP_SCHEDULE_DELAY": "200"}
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen([binary, "serve"], cwd=folder, env=env, stderr=self.log, stdin=subprocess.DEVNULL)
        self.url = self.wait_for_url()

    def wait_for_url(self):
        for _ in range(200):
            for line in self.said().splitlines():
                if " serving url=" in line:
                    return line.split(" serving url=")[1].split()[0]
            time.sleep(0.1)
        raise SystemExit("it does not serve: " + self.said())

    def said(self):
        with open(self.log.name) as log:
            return log.read()

    def post(self, path, body, **headers):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"} | headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read(), refusal.headers

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def journey(that, binary, folder):
    collector = Collector()
    server = Server(binary, collector.url, folder)
    account = {"username": SECRETS["name"], "password": SECRETS["password"], "email": SECRETS["email"]}
    that(server.post("/register", account)[0] == 200, "somebody registers")
    traceparent = f"00-{TRACE}-{PARENT}-01"
    status, body, headers = server.post("/auth?secret=in-the-query", account, traceparent=traceparent)
    that(status == 200, "and signs in", body)
    token = json.loads(body)["jwt"]
    server.post("/auth/no/such/path", account)
    that(server.stop() == 0, "the server stops well", server.said())

    that({path for path in collector.paths} == {("/v1/traces", "application/x-protobuf")}, "where OTLP goes", collector.paths)
    named = words(collector.resources()[0].resource.attributes)
    that(named.get("service.name") == "countersign" and named.get("service.version"), "the service is named", named)
    mine = {span.name: span for span in collector.spans() if span.trace_id.hex() == TRACE}
    request = mine.get("POST /auth")
    that(request is not None and request.parent_span_id.hex() == PARENT, "the request goes on from the caller's span", mine)
    that(request.kind == Span.SPAN_KIND_SERVER and request.status.code == Status.STATUS_CODE_UNSET, "it is a server's span", request)
    told = words(request.attributes)
    expected = {"http.request.method": "POST", "http.route": "/auth", "http.response.status_code": 200, "request": headers["X-Request-Id"]}
    that(expected.items() <= told.items(), "it says what was asked and answered", told)
    for name in ["password.check", "store.read", "store.write", "token.sign"]:
        inner = mine.get(name)
        that(inner is not None and inner.parent_span_id == request.span_id, f"{name} is part of it", list(mine))
        that(inner and request.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano <= request.end_time_unix_nano, f"{name} lies in it")
    others = [span for span in collector.spans() if span.trace_id.hex() != TRACE]
    that(any(span.name == "POST /register" and not span.parent_span_id for span in others), "one without a caller's begins a trace")
    that(any(span.name == "POST" for span in others), "what no route takes has no path in its name", [span.name for span in others])
    sent = b"".join(collector.bodies)
    for secret in [*SECRETS.values(), token, "in-the-query", "no/such/path"]:
        that(secret.encode() not in sent, f"nobody's business is not sent: {secret}")
    that("request{" not in server.said(), "the log's lines are as without traces")


def ill_collector(that, binary, folder):
    collector = Collector()
    collector.status = 500
    server = Server(binary, collector.url, folder)
    account = {"username": "anna", "password": SECRETS["password"], "email": "anna@example.com"}
    that(server.post("/register", account)[0] == 200, "a collector that refuses stops nobody")
    collector.status = 200
    time.sleep(1)
    that(server.post("/auth", account)[0] == 200, "nor does it later")
    that(server.stop() == 0, "the server stops well", server.said())
    that("POST /auth" in {span.name for span in collector.spans()}, "once it is well it gets what comes")
    nobody = Server(binary, "http://127.0.0.1:1", tempfile.mkdtemp(dir=folder))
    that(nobody.post("/register", account)[0] == 200 and nobody.stop() == 0, "no collector at all stops nobody", nobody.said())


def main():
    counts = {True: 0, False: 0}
    binary = os.path.abspath(sys.argv[1])
    for case in [journey, ill_collector]:
        def that(true, what, shown=""):
            counts[bool(true)] += 1
            if not true:
                print(f"FAILED: {case.__name__}: {what}: {shown}")

        with tempfile.TemporaryDirectory() as folder:
            case(that, binary, folder)
    print(f"test result: {'FAILED' if counts[False] else 'ok'}. {counts[True]} passed; {counts[False]} failed;")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
