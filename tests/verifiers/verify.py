"""A resource server's verifier, by PyJWT: knows the issuer's URL and nothing else.

    verify.py ISSUER [--audience AUD] [--lifespan SECONDS] [--leeway SECONDS] [--strict]

Reads one token a line from standard input and answers each with one line of JSON: {"ok": true, "claims": {...}} or
{"ok": false, "error": "..."}. The key set is found by ISSUER/.well-known/openid-configuration and kept between lines for
--lifespan (300 s); an unknown `kid` makes it ask again, unless --strict: then only the lifespan's end does.
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
        """The key set's client; the discovery is repeated until it has succeeded once."""
        if self.client is None:
            url = self.args.issuer.rstrip("/") + "/.well-known/openid-configuration"
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)
            if found["issuer"] != self.args.issuer:
                raise ValueError(f"discovery names the issuer {found['issuer']}, not {self.args.issuer}")
            self.client = jwt.PyJWKClient(
                found["jwks_uri"],
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
    # No proxy: the issuer is asked directly, whatever the environment says.
    os.environ["no_proxy"] = "*"
    verifier = Verifier(arguments())
    for line in iter(sys.stdin.readline, ""):
        try:
            answer = {"ok": True, "claims": verifier.verify(line.strip())}
        except (jwt.PyJWTError, OSError, ValueError, KeyError) as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
