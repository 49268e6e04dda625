// A resource server in Go: net/http and go-jose, offline but for the key set.
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

// What two clocks may differ by.
const leeway = 5 * time.Second

var errToken = errors.New("invalid token")

// Claims is what the token says, and all this server knows of the user.
type Claims struct {
	jwt.Claims
	Username  string `json:"username"`
	Session   string `json:"sid"`
	TokenType string `json:"token_type"`
}

// verify returns errToken for a bad token, and another error if the issuer's keys can't be had.
func verify(keys *KeySet, raw string) (Claims, error) {
	var claims Claims
	// The algorithms are ours, never the token's choice.
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
	wanted := jwt.Expected{Issuer: keys.Issuer, AnyAudience: jwt.Audience{keys.Issuer}}
	// go-jose takes a token without an end; we don't. And refresh tokens may be signed by the same keys: not for us.
	if claims.ValidateWithLeeway(wanted, leeway) != nil || claims.Expiry == nil || claims.Subject == "" || claims.TokenType != "access" {
		return claims, errToken
	}
	return claims, nil
}

// requireToken reaches the handler with a good token only.
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
			log.Printf("asking for the key set: %v", err)
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
