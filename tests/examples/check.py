"""Runs every resource server of examples/ against a real Countersign: good tokens, bad ones, and a rotation meanwhile.

Each example is one result. Where its language is not installed, it is reported as SKIPPED and left out.
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
from issuer import ELSEWHERE, Issuer, claims_of, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")
NODE = os.path.join(ROOT, ".test-tools", "node")
LEEWAY = 5  # the examples' own
BOTH = ("ES256", "RS256")
NODE_20 = ("node", ["node", "--version"], (20, 0))


class Skipped(Exception):
    pass


class Example:
    """A folder of examples/: what it needs (tool, least version), how it is made ready, and how it is run."""

    def __init__(self, folder, run, prepare=None, needs=(), algorithms=BOTH, variant="", answers=None, **environment):
        self.folder, self.run, self.prepare, self.needs, self.algorithms = folder, run, prepare, needs, algorithms
        self.name = f"examples/{folder}{variant}"
        self.answers = answers or {}  # where a refusal isn't 401
        self.environment, self.process, self.faults, self.checks = environment, None, [], 0

    def start(self, issuer_url, log):
        for need in self.needs:
            require(*need)
        self.port = free_port()
        self.where = place(self.folder)
        variables = os.environ | {"ISSUER": issuer_url, "PORT": str(self.port), "no_proxy": "*"} | self.environment
        if self.prepare:
            done = subprocess.run(self.prepare, cwd=self.where, env=variables, stdout=log, stderr=log)
            if done.returncode:
                raise RuntimeError(f"{' '.join(self.prepare)} failed")
        command = [part.format(port=self.port) for part in self.run]
        # A group of its own, for what starts a process of its own in turn.
        self.process = subprocess.Popen(command, cwd=self.where, env=variables, stdout=log, stderr=log, start_new_session=True)
        until(f"{self.name} to listen", self.listening)

    def listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{' '.join(self.run)} ended at once")
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(10)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)

    def ask(self, token):
        """Status and body of GET /me with that token, or with none."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/me")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, None

    def that(self, true, what, shown=""):
        self.checks += 1
        if not true:
            self.faults.append(f"{what}: {shown}")

    def takes(self, token, what):
        status, said = self.ask(token)
        claims = claims_of(token)
        as_told = status == 200 and all(said[name] == claims[name] for name in ("sub", "username", "sid"))
        self.that(as_told, what, (status, said))

    def refuses(self, token, what):
        status, _ = self.ask(token)
        self.that(status == self.answers.get(what, 401), f"refuses {what}", status)


def require(tool, command, least):
    if not shutil.which(tool):
        raise Skipped(f"{tool} is not installed")
    said = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"GOTOOLCHAIN": "local"})
    plain = re.sub(r"\x1b\[[\d;]*m", "", said.stdout + said.stderr)  # mvn colours its name
    found = re.search(r"(\d+)(?:\.(\d+))?", plain)
    if not found or tuple(int(part or 0) for part in found.groups()) < least:
        raise Skipped(f"{tool} is too old: {'.'.join(map(str, least))} is needed")


def place(folder):
    """Where the example is run: Node's stands beside the packages that were installed for the tests."""
    if folder not in ("node-express", "snippets"):
        return os.path.join(EXAMPLES, folder)
    if not os.path.isdir(os.path.join(NODE, "node_modules", "jose")):
        raise Skipped("no packages in .test-tools/node: see the step tools")
    return shutil.copytree(os.path.join(EXAMPLES, folder), os.path.join(NODE, folder), dirs_exist_ok=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def built():
    """Countersign and the Rust example, by their paths."""
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
        *(django_with(algorithm) for algorithm in BOTH),
    ]


def django_with(algorithm):
    """djangorestframework-simplejwt takes one algorithm, so it is tried with each."""
    run = [sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"]
    # Version 5.5.1 lets PyJWT's TypeError about the wrong kind of key through: refused, but as a fault of the server's.
    answers = {"another key's kid": 500}
    return Example("django-simplejwt", run, algorithms=(algorithm,), variant=f" {algorithm}", answers=answers, ALGORITHM=algorithm)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(issuer, good, other):
    """Tokens nobody may take, by name; `good` is the algorithm's own kind, `other` another's."""
    header, body, signature = good.split(".")
    kid = jwt.get_unverified_header(good)["kid"]
    claims = claims_of(good)
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    # PyJWT rightly refuses to make this one, so it is put together by hand.
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
        "another key's kid": issuer.sign(good, {"kid": jwt.get_unverified_header(other)["kid"]}),
        "no end": issuer.sign(good, without=["exp"]),
        "what is not yet valid": issuer.sign(good, nbf=int(time.time()) + 3600),
        "a refresh token": issuer.sign(good, token_type="refresh"),
        "another issuer": issuer.sign(good, iss=ELSEWHERE),
        "another audience": issuer.sign(good, aud=ELSEWHERE),
    }


def before(example, issuer, good, bad):
    """What holds with the keys there are; the first questions also show that the key set is kept."""
    asked = issuer.door.fetches
    for alg in example.algorithms:
        example.takes(good[alg], f"takes {alg}")
    example.that(issuer.door.fetches == asked + 1, "asks for the key set once", issuer.door.fetches - asked)
    for alg in set(BOTH) - set(example.algorithms):
        example.refuses(good[alg], f"{alg}, which is not its own")
    alg = example.algorithms[0]
    for what, token in (bad | forged(issuer, good[alg], good["RS256" if alg == "ES256" else "ES256"])).items():
        example.refuses(token, what)
    asked = issuer.door.fetches
    for invented in range(20):
        example.refuses(issuer.sign(good[alg], {"kid": f"invented-{invented}"}), "an invented kid")
    example.that(issuer.door.fetches <= asked + 2, "strangers can't make it ask at will", issuer.door.fetches - asked)
    example.takes(good[alg], "takes a good token after all that")


def after(example, good, new):
    """What holds once every key has been replaced under the running server."""
    for alg in example.algorithms:
        example.takes(good[alg], f"takes a token by the retiring {alg} key")
        # It asks for the new key once its cool-down has passed.
        until(f"{example.name} to take a token by the new {alg} key", lambda: example.ask(new[alg])[0] == 200)
        example.takes(new[alg], f"takes a token by the new {alg} key")
        example.takes(good[alg], f"takes a token by the retiring {alg} key, with the new key set")


def snippet(name, interpreter, needs, issuer, good, bad):
    """The README's few lines: they print the user's name for a good token, and fail for a bad one."""
    example = Example(f"snippets/{name}", [])
    for need in needs:
        require(*need)
    command = [interpreter, os.path.join(place("snippets"), name), issuer.url]
    verify = lambda token: subprocess.run([*command, token], capture_output=True, text=True)
    for alg in BOTH:
        done = verify(good[alg])
        example.that(done.stdout == "ann\n" and done.returncode == 0, f"takes {alg}", done.stderr)
    for what, token in (bad | forged(issuer, good["ES256"], good["RS256"])).items():
        if token is not None and what != "no end":  # short as they are, they leave it to the issuer that tokens end
            done = verify(token)
            example.that(done.returncode != 0 and not done.stdout, f"refuses {what}", done.stdout)
    return example


class Results:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def of(self, example):
        for fault in example.faults:
            print(f"FAILED: {example.name}: {fault}")
        self.passed, self.failed = self.passed + (not example.faults), self.failed + bool(example.faults)
        print(f"{example.name}: {example.checks} checks, {len(example.faults)} failed", flush=True)

    def skipped(self, name, why):
        # As with cargo's own, a skip is among those that passed; scripts/test takes it out again.
        self.passed += 1
        print(f"SKIPPED {name}: {why}", flush=True)


def guarded(example, log, work, *arguments):
    """Whatever goes wrong with one example is its own fault and stops no other."""
    try:
        work(*arguments)
        return True
    except Skipped:
        raise
    except Exception as error:
        log.flush()
        with open(log.name, errors="replace") as said:
            example.faults.append(f"{error}\n{said.read()[-4000:]}")
        return False


def check(results, issuer, rows, scratch):
    bad = {"an expired token": issuer.expired()}
    good = issuer.tokens()
    bad["another issuer by the same keys"] = issuer.mint(f"tokens.issuer={ELSEWHERE}")
    bad["another audience by the same keys"] = issuer.mint(f"tokens.audience={ELSEWHERE}")
    bad["an impostor's token"] = issuer.impostor()
    until("the short-lived token to end", lambda: time.time() > claims_of(bad["an expired token"])["exp"] + LEEWAY + 1)
    tried, running = [], []
    for at, example in enumerate(rows):
        log = open(os.path.join(scratch, f"example-{at}.log"), "w+")
        try:
            started = guarded(example, log, example.start, issuer.url, log)
        except Skipped as why:
            results.skipped(example.name, why)
            continue
        tried.append(example)
        if started:
            running.append((example, log))
            guarded(example, log, before, example, issuer, good, bad)
    for name, interpreter, needs in (("verify.py", sys.executable, []), ("verify.mjs", "node", [NODE_20])):
        try:
            results.of(snippet(name, interpreter, needs, issuer, good, bad))
        except Skipped as why:
            results.skipped(f"examples/snippets/{name}", why)
    issuer.run("keys", "rotate", "--now", "--alg", "all")
    new = issuer.tokens(but_not=[jwt.get_unverified_header(token)["kid"] for token in good.values()])
    for example, log in running:
        guarded(example, log, after, example, good, new)
    for example in tried:
        results.of(example)


def main():
    os.environ["no_proxy"] = "*"
    paths, results = built(), Results()
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
