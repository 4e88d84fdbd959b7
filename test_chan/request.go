package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// An answer is a whole HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *answer) String() string {
	return fmt.Sprintf("%d %s with %s", a.status, http.StatusText(a.status), short(a.body))
}

// object returns the body as a JSON object.
func (a *answer) object() (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(a.body), &object); err != nil {
		return nil, fmt.Errorf("expected a JSON object, got %s", short(a.body))
	}
	return object, nil
}

// client returns the HTTP client of the check. It keeps to its own connections and follows nothing.
func (t *T) client() *http.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.http == nil {
		t.http = &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					return t.dial(ctx, netip.Addr{}, network, address)
				},
			},
		}
	}
	return t.http
}

// send sends a request; the caller must close the body of the response.
func (t *T) send(ctx context.Context, method, path string, header http.Header, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, t.base.String()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "test_chan ("+t.check+")")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return t.client().Do(r)
}

// request sends a request and reads the whole answer, within the patience of the check.
func (t *T) request(ctx context.Context, method, path string, header http.Header, body string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	response, err := t.send(ctx, method, path, header, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: expected an answer, got: %w", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s %s: cannot read the answer: %w", method, path, err)
	}
	return &answer{response.StatusCode, response.Header, string(text)}, nil
}
