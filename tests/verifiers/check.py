"""Tests that the verifiers accept valid tokens and reject invalid ones, against a simulated issuer.

The integration tests rely on these verifiers.
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
    """An issuer on a free port that counts the requests for its JWKS."""

    def __init__(self):
        self.keys = {}
        self.fetches = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(issuer.document(self.path)).encode()
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

    def document(self, path):
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
        payload = {"iss": self.url, "aud": self.url, "sub": "user", "iat": now, "nbf": now, "exp": now + 60} | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, private, algorithm=alg, headers={"kid": kid} | (headers or {}))


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(issuer):
    """Returns tokens that every verifier must reject, by name."""
    header, body, signature = issuer.token("one").split(".")
    pem = issuer.keys["two"][1].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    # PyJWT refuses to sign with a public key as the HMAC secret, so this token is built manually.
    confused = part({"alg": "HS256", "kid": "two", "typ": "JWT"}) + "." + body
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(confused.encode(), pem)
    return {
        "expired": issuer.token("one", exp=int(time.time()) - 60),
        "not yet valid": issuer.token("one", nbf=int(time.time()) + 60),
        "another issuer": issuer.token("one", iss="https://elsewhere.example"),
        "another audience": issuer.token("one", aud="https://elsewhere.example"),
        "no subject": issuer.token("one", sub=None),
        "no exp": issuer.token("one", exp=None),
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
        self.passed = 0
        self.failed = 0

    def that(self, passed, what, details=""):
        self.passed += bool(passed)
        self.failed += not passed
        if not passed:
            print(f"FAILED: {what}: {details}")


def verify(process, token):
    process.stdin.write(token + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def run(check, name, command):
    issuer = Issuer()
    issuer.add("one", "ES256")
    issuer.add("two", "RS256")
    issuer.add("three", "ES256")
    start = lambda *options: subprocess.Popen(
        command + [issuer.url, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with start() as default, start("--strict") as strict:
        for kid in ["one", "two"]:
            result = verify(default, issuer.token(kid))
            check.that(result["ok"] and result["claims"]["sub"] == "user", f"{name} accepts a token of key {kid}", result)
        check.that(issuer.fetches == 1, f"{name} caches the JWKS", issuer.fetches)
        for what, token in forged(issuer).items():
            result = verify(default, token)
            check.that(not result["ok"] and result["error"], f"{name} rejects: {what}", result)
        check.that(verify(strict, issuer.token("one"))["ok"], f"{name} --strict accepts a token of a known key")
        fetches = issuer.fetches
        issuer.add("four", "ES256")
        check.that(not verify(strict, issuer.token("four"))["ok"], f"{name} --strict rejects a token of a newer key")
        check.that(issuer.fetches == fetches, f"{name} --strict does not fetch the JWKS again", issuer.fetches - fetches)
        check.that(verify(default, issuer.token("four"))["ok"], f"{name} accepts a token of a newer key")
        check.that(issuer.fetches == fetches + 1, f"{name} fetches the JWKS once more", issuer.fetches - fetches)
        default.stdin.close()
        strict.stdin.close()
    check.that(default.returncode == 0 and strict.returncode == 0, f"{name} exits when its input ends")


def main():
    check = Check()
    for name, command in VERIFIERS.items():
        run(check, name, command)
    print(f"test result: {'FAILED' if check.failed else 'ok'}. {check.passed} passed; {check.failed} failed;")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
