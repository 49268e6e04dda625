"""A real Countersign in its own folder, behind a reverse proxy that counts JWKS requests."""

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
TIMEOUT = 60


def wait_until(what, condition):
    """Polls `condition` and returns its first true result. Raises TimeoutError after TIMEOUT seconds."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    raise TimeoutError(f"timed out after {TIMEOUT} s: {what}")


class CountingProxy(http.server.ThreadingHTTPServer):
    """Forwards GET requests to the issuer and counts JWKS requests. Its URL is the issuer's public URL."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.address = None
        self.fetches = 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.fetches += self.path == "/.well-known/jwks.json"
        connection = http.client.HTTPConnection(self.server.address, timeout=10)
        connection.request("GET", self.path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        self.send_response(response.status)
        for name in ("Content-Type", "Cache-Control", "ETag"):
            if value := response.getheader(name):
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
        self.proxy = CountingProxy()
        self.url = self.proxy.url
        self.environment = os.environ | {"COUNTERSIGN_SERVER__PUBLIC_URL": self.url, "COUNTERSIGN_LOG__FORMAT": "json"}
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0"], cwd=folder, env=self.environment, stdout=self.log, stderr=self.log
        )

    def ready(self):
        self.proxy.address = wait_until("the issuer logs its address", self.listening)
        self.post("/register", {"username": "ann", "email": "ann@example.org", "password": PASSWORD})

    def listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"countersign exited: {self.read_log()}")
        lines = (json.loads(line) for line in self.read_log().splitlines() if line.startswith("{"))
        return next((line["listen"] for line in lines if line.get("message") == "serving"), None)

    def read_log(self):
        with open(self.log.name) as log:
            return log.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def run(self, *command, stdin=None):
        """Runs a command of the CLI and returns its standard output."""
        done = subprocess.run(
            [self.binary, *command], cwd=self.folder, env=self.environment, input=stdin, text=True, capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"countersign {' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def post(self, path, body):
        request = urllib.request.Request(f"http://{self.proxy.address}{path}", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def set(self, name, value):
        self.run("settings", "set", f"profiles.jwt_issuer.{name}", value)

    def sign_in(self, what, accepts):
        """Signs in until the server has applied a change that makes `accepts(header, claims)` true. Returns the token."""

        def try_once():
            token = self.post("/auth", {"username": "ann", "password": PASSWORD})["jwt"]
            return token if accepts(jwt.get_unverified_header(token), claims_of(token)) else None

        return wait_until(what, try_once)

    def tokens(self, excluded_kids=()):
        """Returns a token of each algorithm, signed by a key that is not in `excluded_kids`."""
        tokens = {}
        for alg in ("RS256", "ES256"):
            self.set("algorithm", alg)
            matches = lambda header, _: header["alg"] == alg and header["kid"] not in excluded_kids
            tokens[alg] = self.sign_in(f"a new {alg} key signs", matches)
        return tokens

    def expired(self):
        """Returns a token with a lifetime of 1 s. The caller must wait until it has expired."""
        self.set("access_lifetime", "1")
        token = self.sign_in("the short lifetime applies", lambda _, claims: claims["exp"] - claims["iat"] == 1)
        self.set("access_lifetime", "24h")
        self.sign_in("the long lifetime applies", lambda _, claims: claims["exp"] - claims["iat"] > 1)
        return token

    def mint(self, *settings):
        return self.run("token", "mint", "--user", "ann", *(part for setting in settings for part in ("--set", setting)))

    def impostor(self):
        """Returns a token with this issuer's `iss`, signed by a key of another issuer."""
        other_settings = ["data_dir=apart/data", "keys_dir=apart/keys", "database.url=sqlite:apart/data/countersign.db"]
        flags = [part for setting in other_settings for part in ("--set", setting)]
        self.run("keys", "rotate", *flags)
        self.run("users", "create", "ann", "--email", "ann@example.org", "--password-stdin", *flags, stdin=PASSWORD)
        return self.mint(f"tokens.issuer={self.url}", f"tokens.audience={self.url}", *other_settings)

    def sign(self, like, header=None, without=(), **claims):
        """Returns a token with the claims of the token `like` except `claims`, signed by the same key."""
        kid = jwt.get_unverified_header(like)["kid"]
        with open(os.path.join(self.folder, "keys", f"{kid}.pem")) as file:
            private = file.read()
        payload = {name: value for name, value in (claims_of(like) | claims).items() if name not in without}
        return jwt.encode(payload, private, jwt.get_unverified_header(like)["alg"], {"kid": kid} | (header or {}))


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})
