"""A real Countersign in a folder of its own, behind a door that counts who asks for the key set."""

import http.client
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.request

import jwt

PASSWORD = "four words are enough"
ELSEWHERE = "https://elsewhere.example"
DEADLINE = 60


def until(what, found):
    """The first true answer of `found`; an error after DEADLINE."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.1)
    raise TimeoutError(f"waited {DEADLINE} s for {what}")


class Door(http.server.ThreadingHTTPServer):
    """Passes GET requests on to the issuer, whose public URL it is, and counts those for the key set."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Passage)
        self.address, self.fetches = None, 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Passage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.fetches += self.path == "/.well-known/jwks.json"
        inner = http.client.HTTPConnection(self.server.address, timeout=10)
        inner.request("GET", self.path)
        answer = inner.getresponse()
        body = answer.read()
        inner.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "Cache-Control", "ETag"):
            if value := answer.getheader(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Issuer:
    """`countersign serve`, its command line, and one user called ann."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.door = Door()
        self.url = self.door.url
        self.environment = os.environ | {"COUNTERSIGN_SERVER__PUBLIC_URL": self.url, "COUNTERSIGN_LOG__FORMAT": "json"}
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0"], cwd=folder, env=self.environment, stdout=self.log, stderr=self.log
        )

    def ready(self):
        self.door.address = until("the issuer to serve", self.listening)
        self.post("/register", {"username": "ann", "email": "ann@example.org", "password": PASSWORD})

    def listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"countersign ended: {self.said()}")
        lines = (json.loads(line) for line in self.said().splitlines() if line.startswith("{"))
        return next((line["listen"] for line in lines if line.get("message") == "serving"), None)

    def said(self):
        with open(self.log.name) as log:
            return log.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def run(self, *command, stdin=None):
        """A command of the CLI, beside the running server: what it prints."""
        done = subprocess.run(
            [self.binary, *command], cwd=self.folder, env=self.environment, input=stdin, text=True, capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"countersign {' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def post(self, path, body):
        request = urllib.request.Request(f"http://{self.door.address}{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def set(self, name, value):
        self.run("settings", "set", f"profiles.jwt_issuer.{name}", value)

    def sign_in(self, what, wanted):
        """A token of a sign-in, as soon as the server has taken up what makes `wanted(header, claims)` true."""

        def try_once():
            token = self.post("/auth", {"username": "ann", "password": PASSWORD})["jwt"]
            return token if wanted(jwt.get_unverified_header(token), claims_of(token)) else None

        return until(what, try_once)

    def tokens(self, but_not=()):
        """One token of each algorithm, by none of the keys in `but_not`."""
        found = {}
        for alg in ("RS256", "ES256"):
            self.set("algorithm", alg)
            fits = lambda header, _: header["alg"] == alg and header["kid"] not in but_not
            found[alg] = self.sign_in(f"a token by a new {alg} key", fits)
        return found

    def expired(self):
        """A token that lived for one second: wait for its end before using it."""
        self.set("access_lifetime", "1")
        token = self.sign_in("a short-lived token", lambda _, claims: claims["exp"] - claims["iat"] == 1)
        self.set("access_lifetime", "24h")
        self.sign_in("a long-lived token", lambda _, claims: claims["exp"] - claims["iat"] > 1)
        return token

    def mint(self, *settings):
        return self.run("token", "mint", "--user", "ann", *(part for one in settings for part in ("--set", one)))

    def impostor(self):
        """A token of another issuer with keys of its own, which claims to be this one."""
        apart = ["data_dir=apart/data", "keys_dir=apart/keys", "database.url=sqlite:apart/data/countersign.db"]
        flags = [part for one in apart for part in ("--set", one)]
        self.run("keys", "rotate", *flags)
        self.run("users", "create", "ann", "--email", "ann@example.org", "--password-stdin", *flags, stdin=PASSWORD)
        return self.mint(f"tokens.issuer={self.url}", f"tokens.audience={self.url}", *apart)

    def sign(self, like, header=None, without=(), **claims):
        """A token by the key of the token `like`, with its claims changed."""
        kid = jwt.get_unverified_header(like)["kid"]
        with open(os.path.join(self.folder, "keys", f"{kid}.pem")) as file:
            private = file.read()
        whole = {name: value for name, value in (claims_of(like) | claims).items() if name not in without}
        return jwt.encode(whole, private, jwt.get_unverified_header(like)["alg"], {"kid": kid} | (header or {}))


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})
