// A resource server in Go: net/http and go-jose. It verifies tokens offline and fetches only the JWKS.
//
//	ISSUER=http://127.0.0.1:8080 PORT=9000 go run .
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The tolerated difference between the clocks.
const leeway = 5 * time.Second

var errToken = errors.New("invalid token")

// Claims are the token's claims. They are all that this server knows about the user.
type Claims struct {
	jwt.Claims
	Username  string `json:"username"`
	Session   string `json:"sid"`
	TokenType string `json:"token_type"`
}

// verify returns errToken for an invalid token, and another error if the JWKS is unavailable.
func verify(keys *KeySet, raw string) (Claims, error) {
	var claims Claims
	// This server chooses the accepted algorithms; the token's header does not.
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return claims, errToken
	}
	header := token.Headers[0]
	key, err := keys.Key(header.KeyID)
	if err != nil {
		return claims, err
	}
	if key.Algorithm != header.Algorithm || token.Claims(key.Key, &claims) != nil {
		return claims, errToken
	}
	expected := jwt.Expected{Issuer: keys.Issuer, AnyAudience: jwt.Audience{keys.Issuer}}
	// go-jose accepts a token without exp; this server does not. It also rejects refresh tokens, which may be signed by
	// the same keys.
	if claims.ValidateWithLeeway(expected, leeway) != nil || claims.Expiry == nil || claims.Subject == "" || claims.TokenType != "access" {
		return claims, errToken
	}
	return claims, nil
}

// requireToken calls the handler only for requests with a valid access token.
func requireToken(keys *KeySet, handler func(http.ResponseWriter, Claims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims, err := verify(keys, raw)
		switch {
		case err == nil:
			handler(w, claims)
		case errors.Is(err, errToken):
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			log.Printf("cannot fetch the JWKS: %v", err)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

func me(w http.ResponseWriter, claims Claims) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"sub": claims.Subject, "username": claims.Username, "sid": claims.Session})
}

func main() {
	keys := &KeySet{Issuer: cmp.Or(os.Getenv("ISSUER"), "http://127.0.0.1:8080")}
	http.HandleFunc("GET /me", requireToken(keys, me))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"), nil))
}
