"""A resource server in Python: FastAPI and PyJWT, offline but for the key set.

    pip install -r requirements.txt && ISSUER=http://127.0.0.1:8080 PORT=9000 python main.py
"""

import json
import os
import urllib.request
from functools import cache
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")
# HTTPBearer's own refusal is a 403 in some versions: we make ours.
bearer = HTTPBearer(auto_error=False)
app = FastAPI()


@cache
def keys() -> jwt.PyJWKClient:
    """The key set. It is kept for 300 s; an unknown `kid` makes the client ask again, once in 30 s at most."""
    # Only success is remembered: with the issuer away at the start, the next request tries again.
    with urllib.request.urlopen(ISSUER + "/.well-known/openid-configuration", timeout=5) as answer:
        found = json.load(answer)
    # OpenID Connect Discovery §4.3: a document about another issuer is not ours to trust.
    if found["issuer"] != ISSUER:
        raise RuntimeError("ISSUER must be the issuer's public URL, to the letter")
    return jwt.PyJWKClient(found["jwks_uri"], lifespan=300, cooldown_duration=30, timeout=5)


# Not async: FastAPI runs it on a thread, so that a fetch of the key set holds up nobody else.
def claims(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> dict[str, Any]:
    """What a good token says; a handler that depends on it is reached with a good token only."""
    refused = HTTPException(401, "invalid token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if sent is None:
        raise refused
    try:
        found = jwt.decode(
            sent.credentials,
            keys().get_signing_key_from_jwt(sent.credentials),  # a PyJWK: its own `alg` must be the token's, too
            algorithms=["ES256", "RS256"],  # ours, never the token's choice
            issuer=ISSUER,
            audience=ISSUER,
            leeway=5,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWKClientConnectionError, OSError) as error:
        raise HTTPException(503, "the issuer's keys can't be had") from error
    except jwt.PyJWTError as error:
        raise refused from error
    # Refresh tokens may be signed by the same keys; they are not for us.
    if found.get("token_type") != "access":
        raise refused
    return found


@app.get("/me")
def me(token: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, Any]:
    return {name: token.get(name) for name in ("sub", "username", "sid")}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "9000")))
