"""SIMPLE_JWT below is the whole configuration. No user table or database is needed: the token identifies the user."""

import os
import secrets

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")

SIMPLE_JWT = {
    # The package accepts one algorithm: the one that signs your tokens (tokens.algorithm or the profile's).
    "ALGORITHM": os.environ.get("ALGORITHM", "ES256"),
    # PyJWT's client caches the JWKS for 300 s and refetches it for an unknown `kid`: rotations need no change here.
    # This is the jwks_uri of ISSUER/.well-known/openid-configuration, written out: settings should make no requests.
    "JWK_URL": ISSUER + "/.well-known/jwks.json",
    "ISSUER": ISSUER,
    "AUDIENCE": ISSUER,
    "LEEWAY": 5,
    # The integer id. Use "sub" for the UUID.
    "USER_ID_CLAIM": "user_id",
    # This server signs nothing, so it needs no signing key.
    "SIGNING_KEY": None,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"]
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# Django requires a secret key; this server signs nothing with it.
SECRET_KEY = secrets.token_urlsafe(32)
