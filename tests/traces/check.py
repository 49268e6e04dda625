"""Tests the traces of a build with the feature `traces`. A collector parses them with OpenTelemetry's own definitions.

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
    """Accepts OTLP over HTTP on a free port and stores the bodies. It rejects requests while `status` is not 200."""

    def __init__(self):
        self.bodies = []
        self.paths = []
        self.status = 200
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


def attributes_of(item):
    """The attributes of a span or a resource."""
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in item.attributes}


class Server:
    """Countersign with a collector, in its own folder."""

    def __init__(self, binary, collector, folder):
        with open(os.path.join(folder, "countersign.toml"), "w") as settings:
            settings.write(f"server.listen = '127.0.0.1:0'\ntraces.collector = '{collector}'\nlog.level = 'trace'\n")
        env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {"OTEL_BSP_SCHEDULE_DELAY": "200"}
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen([binary, "serve"], cwd=folder, env=env, stderr=self.log, stdin=subprocess.DEVNULL)
        self.url = self.wait_for_url()

    def wait_for_url(self):
        for _ in range(200):
            for line in self.read_log().splitlines():
                if " serving url=" in line:
                    return line.split(" serving url=")[1].split()[0]
            time.sleep(0.1)
        raise SystemExit("countersign did not start: " + self.read_log())

    def read_log(self):
        with open(self.log.name) as log:
            return log.read()

    def post(self, path, body, **headers):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"} | headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, response.read(), response.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def request_spans(check, binary, folder):
    collector = Collector()
    server = Server(binary, collector.url, folder)
    account = {"username": SECRETS["name"], "password": SECRETS["password"], "email": SECRETS["email"]}
    check(server.post("/register", account)[0] == 200, "a registration succeeds")
    traceparent = f"00-{TRACE}-{PARENT}-01"
    status, body, headers = server.post("/auth?secret=in-the-query", account, traceparent=traceparent)
    check(status == 200, "a sign-in succeeds", body)
    token = json.loads(body)["jwt"]
    server.post("/auth/no/such/path", account)
    check(server.stop() == 0, "the server exits with 0", server.read_log())

    check({path for path in collector.paths} == {("/v1/traces", "application/x-protobuf")}, "spans are sent to /v1/traces as protobuf", collector.paths)
    resource = attributes_of(collector.resources()[0].resource)
    check(resource.get("service.name") == "countersign" and resource.get("service.version"), "the resource names the service", resource)
    by_name = {span.name: span for span in collector.spans() if span.trace_id.hex() == TRACE}
    request = by_name.get("POST /auth")
    check(request is not None and request.parent_span_id.hex() == PARENT, "the request span is a child of the caller's span", by_name)
    check(request.kind == Span.SPAN_KIND_SERVER and request.status.code == Status.STATUS_CODE_UNSET, "the request span is a server span", request)
    attributes = attributes_of(request)
    expected = {"http.request.method": "POST", "http.route": "/auth", "http.response.status_code": 200, "request": headers["X-Request-Id"]}
    check(expected.items() <= attributes.items(), "the request span has method, route, status and request id", attributes)
    for name in ["password.check", "store.read", "store.write", "token.sign"]:
        inner = by_name.get(name)
        check(inner is not None and inner.parent_span_id == request.span_id, f"{name} is a child of the request span", list(by_name))
        check(inner and request.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano <= request.end_time_unix_nano, f"{name} is within the time of the request span")
    others = [span for span in collector.spans() if span.trace_id.hex() != TRACE]
    check(any(span.name == "POST /register" and not span.parent_span_id for span in others), "a request without traceparent starts a trace")
    check(any(span.name == "POST" for span in others), "the span of a request without a route has no path in its name", [span.name for span in others])
    sent = b"".join(collector.bodies)
    for secret in [*SECRETS.values(), token, "in-the-query", "no/such/path"]:
        check(secret.encode() not in sent, f"no span contains {secret}")
    check("request{" not in server.read_log(), "the log has no span prefix")


def unavailable_collector(check, binary, folder):
    collector = Collector()
    collector.status = 500
    server = Server(binary, collector.url, folder)
    account = {"username": "anna", "password": SECRETS["password"], "email": "anna@example.com"}
    check(server.post("/register", account)[0] == 200, "requests succeed while the collector rejects spans")
    collector.status = 200
    time.sleep(1)
    check(server.post("/auth", account)[0] == 200, "requests succeed after the collector has recovered")
    check(server.stop() == 0, "the server exits with 0", server.read_log())
    check("POST /auth" in {span.name for span in collector.spans()}, "the recovered collector gets new spans")
    offline = Server(binary, "http://127.0.0.1:1", tempfile.mkdtemp(dir=folder))
    check(offline.post("/register", account)[0] == 200 and offline.stop() == 0, "requests succeed without a collector", offline.read_log())


def main():
    counts = {True: 0, False: 0}
    binary = os.path.abspath(sys.argv[1])
    for case in [request_spans, unavailable_collector]:
        def check(passed, what, details=""):
            counts[bool(passed)] += 1
            if not passed:
                print(f"FAILED: {case.__name__}: {what}: {details}")

        with tempfile.TemporaryDirectory() as folder:
            case(check, binary, folder)
    print(f"test result: {'FAILED' if counts[False] else 'ok'}. {counts[True]} passed; {counts[False]} failed;")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
