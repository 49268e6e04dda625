import sys, jwt
issuer, token = sys.argv[1:]
# Create the client once: it caches the JWKS and refetches it for new keys.
keys = jwt.PyJWKClient(issuer + "/.well-known/jwks.json")
key = keys.get_signing_key_from_jwt(token)
claims = jwt.decode(token, key, algorithms=["ES256", "RS256"], issuer=issuer, audience=issuer)
print(claims["username"] if claims["token_type"] == "access" else sys.exit("not an access token"))
