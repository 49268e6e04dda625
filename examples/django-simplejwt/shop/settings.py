"""All there is to it is SIMPLE_JWT below. No user table, no database: the token says who somebody is."""

import os
import secrets

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")

SIMPLE_JWT = {
    # The package takes one algorithm: the one the issuer signs your tokens with (tokens.algorithm, or the profile's).
    "ALGORITHM": os.environ.get("ALGORITHM", "ES256"),
    # PyJWT's client keeps the key set for 300 s and asks again for an unknown `kid`: rotations need nothing done here.
    # This is the jwks_uri of ISSUER/.well-known/openid-configuration, written out: settings should ask nobody.
    "JWK_URL": ISSUER + "/.well-known/jwks.json",
    "ISSUER": ISSUER,
    "AUDIENCE": ISSUER,
    "LEEWAY": 5,
    "USER_ID_CLAIM": "user_id",  # the integer id; "sub" for the UUID
    # Nothing is signed here, so there is nothing to sign with.
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
# Django wants one; nothing here is signed with it.
SECRET_KEY = secrets.token_urlsafe(32)
