"""Shows that the verifiers are verifiers: against an issuer of its own, they take what is good and refuse what is not.

The integration tests rely on their judgement of Countersign's tokens; this is where that judgement is tested.
"""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = os.path.dirname(os.path.abspath(__file__))
VERIFIERS = {
    "verify.py": [sys.executable, os.path.join(HERE, "verify.py")],
    "verify.mjs": ["node", os.path.join(HERE, "verify.mjs")],
}


class Issuer:
    """A key set on a free port, which counts how often it is asked for."""

    def __init__(self):
        self.keys, self.fetches = {}, 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def answer(self, path):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        self.fetches += 1
        return {"keys": [self.jwk(kid) for kid in self.keys]}

    def add(self, kid, alg):
        private = ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, 2048)
        self.keys[kid] = (alg, private)

    def jwk(self, kid):
        alg, private = self.keys[kid]
        kind = jwt.algorithms.ECAlgorithm if alg == "ES256" else jwt.algorithms.RSAAlgorithm
        public = json.loads(kind.to_jwk(private.public_key()))
        public.pop("key_ops", None)
        return public | {"kid": kid, "alg": alg, "use": "sig"}

    def token(self, kid, headers=None, **claims):
        now = int(time.time())
        alg, private = self.keys[kid]
        whole = {"iss": self.url, "aud": self.url, "sub": "somebody", "iat": now, "nbf": now, "exp": now + 60} | claims
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, private, algorithm=alg, headers={"kid": kid} | (headers or {}))


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(issuer):
    """Tokens nobody may take, by name."""
    good = issuer.token("one")
    header, body, signature = good.split(".")
    pem = issuer.keys["two"][1].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    # PyJWT rightly refuses to make this one, so it is put together by hand.
    confused = part({"alg": "HS256", "kid": "two", "typ": "JWT"}) + "." + body
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(confused.encode(), pem)
    return {
        "expired": issuer.token("one", exp=int(time.time()) - 60),
        "not yet valid": issuer.token("one", nbf=int(time.time()) + 60),
        "another issuer": issuer.token("one", iss="https://elsewhere.example"),
        "another audience": issuer.token("one", aud="https://elsewhere.example"),
        "no subject": issuer.token("one", sub=None),
        "no end": issuer.token("one", exp=None),
        "changed signature": f"{header}.{body}.{flipped}",
        "changed claims": f"{header}.{part({'sub': 'admin', 'iss': issuer.url, 'aud': issuer.url, 'exp': 9999999999})}.{signature}",
        "alg none": f"{part({'alg': 'none', 'kid': 'one'})}.{body}.",
        "public key as HMAC secret": f"{confused}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "another key's kid": issuer.token("one", headers={"kid": "three"}),
        "unknown kid": issuer.token("one", headers={"kid": "nowhere"}),
        "nonsense": "a.b.c",
        "nothing": "",
    }


class Check:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def that(self, true, what, shown=""):
        self.passed, self.failed = self.passed + bool(true), self.failed + (not true)
        if not true:
            print(f"FAILED: {what}: {shown}")


def ask(process, token):
    process.stdin.write(token + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def run(check, name, command):
    issuer = Issuer()
    issuer.add("one", "ES256")
    issuer.add("two", "RS256")
    issuer.add("three", "ES256")
    start = lambda *more: subprocess.Popen(
        command + [issuer.url, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with start() as usual, start("--strict") as strict:
        for kid in ["one", "two"]:
            answer = ask(usual, issuer.token(kid))
            check.that(answer["ok"] and answer["claims"]["sub"] == "somebody", f"{name} takes {kid}", answer)
        check.that(issuer.fetches == 1, f"{name} keeps the key set", issuer.fetches)
        for what, token in forged(issuer).items():
            answer = ask(usual, token)
            check.that(not answer["ok"] and answer["error"], f"{name} refuses: {what}", answer)
        check.that(ask(strict, issuer.token("one"))["ok"], f"{name} --strict takes a known key")
        fetches = issuer.fetches
        issuer.add("four", "ES256")
        check.that(not ask(strict, issuer.token("four"))["ok"], f"{name} --strict knows no newer key")
        check.that(issuer.fetches == fetches, f"{name} --strict asks for no newer key", issuer.fetches - fetches)
        check.that(ask(usual, issuer.token("four"))["ok"], f"{name} asks again for an unknown kid")
        check.that(issuer.fetches == fetches + 1, f"{name} asks once", issuer.fetches - fetches)
        usual.stdin.close()
        strict.stdin.close()
    check.that(usual.returncode == 0 and strict.returncode == 0, f"{name} ends when its input does")


def main():
    check = Check()
    for name, command in VERIFIERS.items():
        run(check, name, command)
    print(f"test result: {'FAILED' if check.failed else 'ok'}. {check.passed} passed; {check.failed} failed;")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
