"""Tests every resource server of examples/ with a real Countersign: valid tokens, invalid tokens, and a key rotation.

Each example is one result. An example whose language is not installed is reported as SKIPPED.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import jwt
from issuer import ELSEWHERE, Issuer, claims_of, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")
NODE = os.path.join(ROOT, ".test-tools", "node")
LEEWAY = 5  # seconds, as in the examples
BOTH = ("ES256", "RS256")
NODE_20 = ("node", ["node", "--version"], (20, 0))


class Skipped(Exception):
    pass


class Example:
    """A folder of examples/: the required tools and versions, the build command and the run command."""

    def __init__(self, folder, run, prepare=None, needs=(), algorithms=BOTH, variant="", statuses=None, **environment):
        self.folder = folder
        self.run = run
        self.prepare = prepare
        self.needs = needs
        self.algorithms = algorithms
        self.name = f"examples/{folder}{variant}"
        self.statuses = statuses or {}  # rejections with another status than 401
        self.environment = environment
        self.process = None
        self.faults = []
        self.checks = 0

    def start(self, issuer_url, log):
        for need in self.needs:
            require(*need)
        self.port = free_port()
        self.path = example_path(self.folder)
        variables = os.environ | {"ISSUER": issuer_url, "PORT": str(self.port), "no_proxy": "*"} | self.environment
        if self.prepare:
            done = subprocess.run(self.prepare, cwd=self.path, env=variables, stdout=log, stderr=log)
            if done.returncode:
                raise RuntimeError(f"{' '.join(self.prepare)} failed")
        command = [part.format(port=self.port) for part in self.run]
        # A new process group, so that stop() also ends child processes.
        self.process = subprocess.Popen(command, cwd=self.path, env=variables, stdout=log, stderr=log, start_new_session=True)
        wait_until(f"{self.name} listens", self.listening)

    def listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{' '.join(self.run)} exited at once")
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(10)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)

    def request(self, token):
        """Sends GET /me with a token, or without one. Returns status and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/me")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, None

    def check(self, passed, what, details=""):
        self.checks += 1
        if not passed:
            self.faults.append(f"{what}: {details}")

    def accepts(self, token, what):
        status, body = self.request(token)
        claims = claims_of(token)
        matches = status == 200 and all(body[name] == claims[name] for name in ("sub", "username", "sid"))
        self.check(matches, what, (status, body))

    def rejects(self, token, what):
        status, _ = self.request(token)
        self.check(status == self.statuses.get(what, 401), f"rejects {what}", status)


def require(tool, command, minimum):
    if not shutil.which(tool):
        raise Skipped(f"{tool} is not installed")
    output = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"GOTOOLCHAIN": "local"})
    plain = re.sub(r"\x1b\[[\d;]*m", "", output.stdout + output.stderr)  # mvn colours its name
    found = re.search(r"(\d+)(?:\.(\d+))?", plain)
    if not found or tuple(int(part or 0) for part in found.groups()) < minimum:
        raise Skipped(f"{tool} is too old: {'.'.join(map(str, minimum))} or later is required")


def example_path(folder):
    """Returns the folder in which an example runs. Node examples run next to the packages installed for the tests."""
    if folder not in ("node-express", "snippets"):
        return os.path.join(EXAMPLES, folder)
    if not os.path.isdir(os.path.join(NODE, "node_modules", "jose")):
        raise Skipped("no packages in .test-tools/node; run scripts/test-tools")
    return shutil.copytree(os.path.join(EXAMPLES, folder), os.path.join(NODE, folder), dirs_exist_ok=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def build():
    """Builds Countersign and the Rust example, and returns their paths by name."""
    command = ["cargo", "build", "--locked", "--bin", "countersign", "--example", "rust-axum"]
    done = subprocess.run(command + ["--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines())
    return {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}


def examples(rust, scratch):
    go = os.path.join(scratch, "go-server")
    return [
        Example("java", ["mvn", "-q", "-B", "exec:java"], ["mvn", "-q", "-B", "compile"],
                [("mvn", ["mvn", "-v"], (3, 6)), ("javac", ["javac", "-version"], (17, 0))]),
        Example("go", [go], ["go", "build", "-o", go, "."], [("go", ["go", "env", "GOVERSION"], (1, 24))]),
        Example("rust-axum", [rust]),
        Example("node-express", ["node", "server.mjs"], needs=[NODE_20]),
        Example("python-fastapi", [sys.executable, "main.py"]),
        *(django_example(algorithm) for algorithm in BOTH),
    ]


def django_example(algorithm):
    """The Django example for one algorithm, because djangorestframework-simplejwt accepts only one."""
    run = [sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"]
    # Version 5.5.1 does not catch PyJWT's TypeError for a key of the wrong type, so this rejection is a server error.
    statuses = {"another key's kid": 500}
    return Example("django-simplejwt", run, algorithms=(algorithm,), variant=f" {algorithm}", statuses=statuses, ALGORITHM=algorithm)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(issuer, valid, other):
    """Returns tokens that every example must reject, by name. `valid` and `other` are signed with different algorithms."""
    header, body, signature = valid.split(".")
    kid = jwt.get_unverified_header(valid)["kid"]
    claims = claims_of(valid)
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    # PyJWT refuses to sign with a public key as the HMAC secret, so this token is built manually.
    confused = part({"alg": "HS256", "kid": kid, "typ": "JWT"}) + "." + body
    pem = issuer.run("keys", "export", kid) + "\n"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(confused.encode(), pem.encode())
    return {
        "no token": None,
        "nonsense": "a.b.c",
        "a changed signature": f"{header}.{body}.{flipped}",
        "changed claims": f"{header}.{part(claims | {'username': 'root'})}.{signature}",
        "alg none": f"{part({'alg': 'none', 'kid': kid, 'typ': 'JWT'})}.{body}.",
        "a public key as HMAC secret": f"{confused}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "another key's kid": issuer.sign(valid, {"kid": jwt.get_unverified_header(other)["kid"]}),
        "a token without exp": issuer.sign(valid, without=["exp"]),
        "a token that is not valid yet": issuer.sign(valid, nbf=int(time.time()) + 3600),
        "a refresh token": issuer.sign(valid, token_type="refresh"),
        "another issuer": issuer.sign(valid, iss=ELSEWHERE),
        "another audience": issuer.sign(valid, aud=ELSEWHERE),
    }


def before(example, issuer, valid, invalid):
    """Checks before the rotation. The first requests also show that the JWKS is cached."""
    fetches = issuer.proxy.fetches
    for alg in example.algorithms:
        example.accepts(valid[alg], f"accepts {alg}")
    example.check(issuer.proxy.fetches == fetches + 1, "fetches the JWKS once", issuer.proxy.fetches - fetches)
    for alg in set(BOTH) - set(example.algorithms):
        example.rejects(valid[alg], f"a token of the unsupported algorithm {alg}")
    alg = example.algorithms[0]
    for what, token in (invalid | forged(issuer, valid[alg], valid["RS256" if alg == "ES256" else "ES256"])).items():
        example.rejects(token, what)
    fetches = issuer.proxy.fetches
    for invented in range(20):
        example.rejects(issuer.sign(valid[alg], {"kid": f"invented-{invented}"}), "an invented kid")
    example.check(issuer.proxy.fetches <= fetches + 2, "invented key ids cause at most two JWKS requests", issuer.proxy.fetches - fetches)
    example.accepts(valid[alg], "still accepts a valid token")


def after(example, valid, new):
    """Checks after a rotation of every key of the running server."""
    for alg in example.algorithms:
        example.accepts(valid[alg], f"accepts a token of the retiring {alg} key")
        # The example fetches the new key once its cooldown has passed.
        wait_until(f"{example.name} accepts a token of the new {alg} key", lambda: example.request(new[alg])[0] == 200)
        example.accepts(new[alg], f"accepts a token of the new {alg} key")
        example.accepts(valid[alg], f"accepts a token of the retiring {alg} key with the new JWKS")


def snippet(name, interpreter, needs, issuer, valid, invalid):
    """Tests a snippet of the README: it prints the user name for a valid token and fails for an invalid one."""
    example = Example(f"snippets/{name}", [])
    for need in needs:
        require(*need)
    command = [interpreter, os.path.join(example_path("snippets"), name), issuer.url]
    verify = lambda token: subprocess.run([*command, token], capture_output=True, text=True)
    for alg in BOTH:
        done = verify(valid[alg])
        example.check(done.stdout == "ann\n" and done.returncode == 0, f"accepts {alg}", done.stderr)
    for what, token in (invalid | forged(issuer, valid["ES256"], valid["RS256"])).items():
        if token is not None and what != "a token without exp":  # the short snippets do not require exp
            done = verify(token)
            example.check(done.returncode != 0 and not done.stdout, f"rejects {what}", done.stdout)
    return example


class Results:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def add(self, example):
        for fault in example.faults:
            print(f"FAILED: {example.name}: {fault}")
        self.passed += not example.faults
        self.failed += bool(example.faults)
        print(f"{example.name}: {example.checks} checks, {len(example.faults)} failed", flush=True)

    def add_skipped(self, name, reason):
        # As in cargo's results, a skipped example counts as passed. scripts/test subtracts it again.
        self.passed += 1
        print(f"SKIPPED {name}: {reason}", flush=True)


def run_isolated(example, log, work, *arguments):
    """Runs `work` and records any exception as a fault of the example, so that the other examples still run."""
    try:
        work(*arguments)
        return True
    except Skipped:
        raise
    except Exception as error:
        log.flush()
        with open(log.name, errors="replace") as output:
            example.faults.append(f"{error}\n{output.read()[-4000:]}")
        return False


def check(results, issuer, rows, scratch):
    invalid = {"an expired token": issuer.expired()}
    valid = issuer.tokens()
    invalid["a token of another issuer with the same keys"] = issuer.mint(f"tokens.issuer={ELSEWHERE}")
    invalid["a token for another audience with the same keys"] = issuer.mint(f"tokens.audience={ELSEWHERE}")
    invalid["an impostor's token"] = issuer.impostor()
    wait_until("the short-lived token expires", lambda: time.time() > claims_of(invalid["an expired token"])["exp"] + LEEWAY + 1)
    tested = []
    running = []
    for index, example in enumerate(rows):
        log = open(os.path.join(scratch, f"example-{index}.log"), "w+")
        try:
            started = run_isolated(example, log, example.start, issuer.url, log)
        except Skipped as reason:
            results.add_skipped(example.name, reason)
            continue
        tested.append(example)
        if started:
            running.append((example, log))
            run_isolated(example, log, before, example, issuer, valid, invalid)
    for name, interpreter, needs in (("verify.py", sys.executable, []), ("verify.mjs", "node", [NODE_20])):
        try:
            results.add(snippet(name, interpreter, needs, issuer, valid, invalid))
        except Skipped as reason:
            results.add_skipped(f"examples/snippets/{name}", reason)
    issuer.run("keys", "rotate", "--now", "--alg", "all")
    new = issuer.tokens(excluded_kids=[jwt.get_unverified_header(token)["kid"] for token in valid.values()])
    for example, log in running:
        run_isolated(example, log, after, example, valid, new)
    for example in tested:
        results.add(example)


def main():
    os.environ["no_proxy"] = "*"
    paths = build()
    results = Results()
    with tempfile.TemporaryDirectory() as scratch:
        rows = examples(paths["rust-axum"], scratch)
        issuer = Issuer(paths["countersign"], scratch)
        try:
            issuer.ready()
            check(results, issuer, rows, scratch)
        finally:
            for example in rows:
                example.stop()
            issuer.stop()
    print(f"test result: {'FAILED' if results.failed else 'ok'}. {results.passed} passed; {results.failed} failed;")
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
