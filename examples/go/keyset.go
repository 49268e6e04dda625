package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// As long as the issuer's Cache-Control says; it publishes a key before signing with it, so this is soon enough.
	maxAge = 300 * time.Second
	// An unknown kid is worth one question, but strangers who invent some must not make us ask at will.
	cooldown = 30 * time.Second
)

var client = http.Client{Timeout: 5 * time.Second}

// KeySet keeps the issuer's public keys between requests. It knows the issuer's URL and nothing else.
type KeySet struct {
	Issuer string

	mutex   sync.Mutex // held while asking, so that a crowd of requests asks once
	set     jose.JSONWebKeySet
	fetched time.Time
}

// Key finds a key, asking the issuer for what is old or unknown.
func (k *KeySet) Key(kid string) (*jose.JSONWebKey, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	age := time.Since(k.fetched)
	if age > maxAge || (len(k.set.Key(kid)) == 0 && age > cooldown) {
		set, err := fetch(k.Issuer)
		if err != nil {
			return nil, err
		}
		k.set, k.fetched = set, time.Now()
	}
	found := k.set.Key(kid)
	if len(found) == 0 {
		return nil, errToken
	}
	return &found[0], nil
}

func fetch(issuer string) (set jose.JSONWebKeySet, err error) {
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err = get(issuer+"/.well-known/openid-configuration", &found); err != nil {
		return set, err
	}
	// OpenID Connect Discovery §4.3: a document about another issuer is not ours to trust.
	if found.Issuer != issuer {
		return set, errors.New("ISSUER must be the issuer's public URL, to the letter")
	}
	return set, get(found.JWKSURI, &set)
}

func get(url string, into any) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
