"""Verifies tokens as a resource server does, with PyJWT. It knows only the issuer's URL.

    verify.py ISSUER [--audience AUD] [--lifespan SECONDS] [--leeway SECONDS] [--strict]

Reads one token per line from standard input and prints one line of JSON for each: {"ok": true, "claims": {...}} or
{"ok": false, "error": "..."}. The verifier discovers the JWKS at ISSUER/.well-known/openid-configuration and caches it
for --lifespan (300 s). An unknown `kid` makes it fetch the JWKS again. With --strict it fetches the JWKS
again only after the lifespan.
"""

import argparse
import json
import os
import sys
import urllib.request

import jwt

ALGORITHMS = ["ES256", "RS256"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("issuer")
    parser.add_argument("--audience", help="default: the issuer")
    parser.add_argument("--lifespan", type=float, default=300)
    parser.add_argument("--leeway", type=float, default=0)
    parser.add_argument("--strict", action="store_true")
    return parser.parse_args()


class Verifier:
    def __init__(self, args):
        self.args = args
        self.client = None

    def keys(self):
        """Returns the JWKS client. Discovery is repeated for every token until it succeeds."""
        if self.client is None:
            url = self.args.issuer.rstrip("/") + "/.well-known/openid-configuration"
            with urllib.request.urlopen(url, timeout=10) as response:
                metadata = json.load(response)
            if metadata["issuer"] != self.args.issuer:
                raise ValueError(f"discovery names the issuer {metadata['issuer']}, not {self.args.issuer}")
            self.client = jwt.PyJWKClient(
                metadata["jwks_uri"],
                lifespan=self.args.lifespan,
                cooldown_duration=self.args.lifespan if self.args.strict else 0,
                timeout=10,
            )
        return self.client

    def verify(self, token):
        return jwt.decode(
            token,
            self.keys().get_signing_key_from_jwt(token),
            algorithms=ALGORITHMS,
            issuer=self.args.issuer,
            audience=self.args.audience or self.args.issuer,
            leeway=self.args.leeway,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )


def main():
    # Requests to the issuer use no proxy, even if the environment configures one.
    os.environ["no_proxy"] = "*"
    verifier = Verifier(arguments())
    for line in iter(sys.stdin.readline, ""):
        try:
            result = {"ok": True, "claims": verifier.verify(line.strip())}
        except (jwt.PyJWTError, OSError, ValueError, KeyError) as error:
            result = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
