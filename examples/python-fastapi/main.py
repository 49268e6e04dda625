"""A resource server in Python: FastAPI and PyJWT. It verifies tokens offline and fetches only the JWKS.

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8080 PORT=9000 .venv/bin/python main.py
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
# HTTPBearer itself responds with 403 in some versions; claims() below responds with 401.
bearer = HTTPBearer(auto_error=False)
app = FastAPI()


@cache
def keys() -> jwt.PyJWKClient:
    """Returns the JWKS client. It caches for 300 s and refetches for an unknown `kid`, at most once in 30 s."""
    # @cache stores only a success: if the issuer is unavailable, the next request retries.
    with urllib.request.urlopen(ISSUER + "/.well-known/openid-configuration", timeout=5) as response:
        metadata = json.load(response)
    # OpenID Connect Discovery §4.3: do not trust a document about another issuer.
    if metadata["issuer"] != ISSUER:
        raise RuntimeError("ISSUER must be exactly the issuer's public URL")
    return jwt.PyJWKClient(metadata["jwks_uri"], lifespan=300, cooldown_duration=30, timeout=5)


# Not async: FastAPI runs it on a thread, so that fetching the JWKS does not block other requests.
def claims(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> dict[str, Any]:
    """Returns the claims of a valid access token. A handler that depends on it runs only for a valid token."""
    invalid_token = HTTPException(401, "invalid token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if credentials is None:
        raise invalid_token
    try:
        payload = jwt.decode(
            credentials.credentials,
            # A PyJWK: PyJWT also requires the token's `alg` to match the key's.
            keys().get_signing_key_from_jwt(credentials.credentials),
            # This server chooses the accepted algorithms; the token's header does not.
            algorithms=["ES256", "RS256"],
            issuer=ISSUER,
            audience=ISSUER,
            leeway=5,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWKClientConnectionError, OSError) as error:
        raise HTTPException(503, "the issuer's JWKS is unavailable") from error
    except jwt.PyJWTError as error:
        raise invalid_token from error
    # Reject refresh tokens, which may be signed by the same keys.
    if payload.get("token_type") != "access":
        raise invalid_token
    return payload


@app.get("/me")
def me(token: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, Any]:
    return {name: token.get(name) for name in ("sub", "username", "sid")}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "9000")))
