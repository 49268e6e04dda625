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
	// The max-age of the issuer's Cache-Control. The issuer publishes a key before it signs, so this is often enough.
	maxAge = 300 * time.Second
	// An unknown kid causes one refetch. The cooldown stops attackers who invent kids from causing one per request.
	cooldown = 30 * time.Second
)

var client = http.Client{Timeout: 5 * time.Second}

// KeySet caches the issuer's JWKS between requests. It needs only the issuer's URL.
type KeySet struct {
	Issuer string

	// The mutex is held during a fetch, so that concurrent requests cause only one.
	mutex   sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time
}

// Key returns the key for kid. It fetches the JWKS if the cache is too old or lacks the key.
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
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err = get(issuer+"/.well-known/openid-configuration", &metadata); err != nil {
		return set, err
	}
	// OpenID Connect Discovery §4.3: do not trust a document about another issuer.
	if metadata.Issuer != issuer {
		return set, errors.New("ISSUER must be exactly the issuer's public URL")
	}
	return set, get(metadata.JWKSURI, &set)
}

func get(url string, into any) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
