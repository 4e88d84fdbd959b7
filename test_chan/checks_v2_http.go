package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// httpChecksV2 are about version 2 over plain HTTP.
func httpChecksV2() []check {
	return []check{
		{"v2-http-join", v2, "Channels are minted and joined with POST, answered with 201 and a welcome.", plain, 0, joinHTTP},
		{"v2-http-poll", v2, "A message that is posted is answered with 200 and accepted, and reaches a long poll, as a JSON array.", plain, 0, pollHTTP},
		{"v2-http-stream", v2, "Events are streamed as text/event-stream, after the seq that Last-Event-ID names.", plain, 0, streamHTTP},
		{"v2-http-with-ws", v2, "A member over HTTP and one over a WebSocket hear each other.", plain, 0, httpWithWebSocket},
		{"v2-http-token", v2, "A missing or wrong token is answered with 401.", plain, 0, tokenHTTP},
		{"v2-http-unknown", v2, "An unknown channel is answered with 404 and a problem (RFC 9457) with the reason no-such-channel.", plain, 0, unknownHTTP},
		{"v2-http-full", v2, "A full channel is answered with 409, a message that is too big with 413.", plain, 65537, fullHTTP},
		{"v2-http-leave", v2, "A member leaves with DELETE, answered with 204.", plain, 0, leaveHTTP},
		{"v2-http-end", v2, "The creator ends the channel with DELETE, answered with 204; others are answered with 403.", plain, 0, endHTTP},
	}
}

// pathHTTP is where channels are minted over HTTP.
const pathHTTP = "/v2/channels"

// A poster is a member of version 2 over HTTP.
type poster struct {
	t       *T
	name    string
	welcome frameV2
	n       int
}

// post takes a seat over HTTP, in a new channel or the one with this id.
func (t *T) post(ctx context.Context, name, id string) (*poster, error) {
	path := pathHTTP
	if id != "" {
		path += "/" + id + "/members"
	}
	got, err := t.request(ctx, http.MethodPost, path, nil, "{}")
	if err != nil {
		return nil, err
	}
	p := &poster{t: t, name: name}
	if got.status != http.StatusCreated {
		return nil, fmt.Errorf("%s: POST %s: expected 201 Created, got %v", name, path, got)
	}
	if err := json.Unmarshal([]byte(got.body), &p.welcome); err != nil || p.welcome.ChannelID == "" || p.welcome.Member == "" || p.welcome.Resume == "" {
		return nil, fmt.Errorf("%s: POST %s: expected a welcome, got %v", name, path, got)
	}
	return p, nil
}

func (t *T) postPair(ctx context.Context) (alice, bob *poster, err error) {
	if alice, err = t.post(ctx, "alice", ""); err != nil {
		return nil, nil, err
	}
	bob, err = t.post(ctx, "bob", alice.welcome.ChannelID)
	return alice, bob, err
}

// channel returns the path of something in the channel.
func (p *poster) channel(more string) string { return pathHTTP + "/" + p.welcome.ChannelID + more }

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// do sends a request with the member's token, and expects this status.
func (p *poster) do(ctx context.Context, status int, method, path, body string) (*answer, error) {
	got, err := p.t.request(ctx, method, path, bearer(p.welcome.Resume), body)
	if err == nil && got.status != status {
		err = fmt.Errorf("%s: %s %s: expected %d %s, got %v", p.name, method, path, status, http.StatusText(status), got)
	}
	return got, err
}

// send posts a message, which the server must accept with this seq.
func (p *poster) send(ctx context.Context, text string, seq int) error {
	p.n++
	body, _ := json.Marshal(object{"n": p.n, "message": text})
	got, err := p.do(ctx, http.StatusOK, http.MethodPost, p.channel("/messages"), string(body))
	if err != nil {
		return err
	}
	var f frameV2
	if err := json.Unmarshal([]byte(got.body), &f); err != nil || f.N == nil || *f.N != p.n || f.Seq != seq {
		return fmt.Errorf("%s: expected the message %d to be accepted with the seq %d, got %v", p.name, p.n, seq, got)
	}
	return nil
}

// poll asks for what came after a seq until a message is there, and expects it to be this one.
func (p *poster) poll(ctx context.Context, after int, text string) error {
	wait := max(int(p.t.patience.Seconds()/2), 1)
	for range 3 { // presence may come first
		got, err := p.do(ctx, http.StatusOK, http.MethodGet, p.channel("/events?after="+strconv.Itoa(after)+"&wait="+strconv.Itoa(wait)), "")
		if err != nil {
			return err
		}
		var events []frameV2
		if err := json.Unmarshal([]byte(got.body), &events); err != nil {
			return fmt.Errorf("%s: expected a JSON array of events, got %v", p.name, got)
		}
		for _, f := range events {
			if f.Type != "message" {
				continue
			}
			if f.Seq != after+1 || f.Message == nil || *f.Message != text {
				return fmt.Errorf("%s: expected the message %d, %q, got %v", p.name, after+1, text, got)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: expected the message %d, %q, in a long poll, got none in three", p.name, after+1, text)
}

func joinHTTP(ctx context.Context, t *T) error {
	alice, bob, err := t.postPair(ctx)
	if err != nil {
		return err
	}
	if there := bob.welcome.Members; len(there) != 1 || there[0].Member != alice.welcome.Member {
		return fmt.Errorf("bob: expected alice, %s, as the one member in the welcome, got %+v", alice.welcome.Member, there)
	}
	return nil
}

func pollHTTP(ctx context.Context, t *T) error {
	alice, bob, err := t.postPair(ctx)
	if err != nil {
		return err
	}
	return errors.Join(together(2, func(i int) error {
		if i == 0 {
			return bob.poll(ctx, 0, "for bob")
		}
		if err := t.wait(ctx, 200*time.Millisecond, "letting a long poll begin"); err != nil {
			return err
		}
		return alice.send(ctx, "for bob", 1)
	}), bob.send(ctx, "for alice", 2), alice.poll(ctx, 1, "for alice"))
}

func streamHTTP(ctx context.Context, t *T) error {
	alice, bob, err := t.postPair(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(alice.send(ctx, "old", 1), alice.send(ctx, "newer", 2)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	header := bearer(bob.welcome.Resume)
	header.Set("Accept", "text/event-stream")
	header.Set("Last-Event-ID", "1")
	response, err := t.send(ctx, http.MethodGet, bob.channel("/events"), header, "")
	if err != nil {
		return fmt.Errorf("expected a stream of events, got: %w", err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("expected 200 OK and text/event-stream, got %s and %q", response.Status, kind)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data:")
		var f frameV2
		if !ok || json.Unmarshal([]byte(text), &f) != nil || f.Type != "message" {
			continue // comments, ids and presence
		}
		if f.Message == nil || *f.Message != "newer" {
			return fmt.Errorf(`expected the message 2, "newer", after Last-Event-ID: 1, got %s`, text)
		}
		return nil
	}
	return fmt.Errorf(`expected the message 2, "newer", in the stream, got its end: %w`, lines.Err())
}

func httpWithWebSocket(ctx context.Context, t *T) error {
	alice, err := t.post(ctx, "alice", "")
	if err != nil {
		return err
	}
	bob, err := t.sit(ctx, "bob, over a WebSocket", visit{path: linkV2(&alice.welcome)}, nil)
	if err != nil {
		return err
	}
	if err := alice.send(ctx, "posted", 1); err != nil {
		return err
	}
	if err := bob.gets(ctx, 1, "posted"); err != nil {
		return err
	}
	if err := bob.sends(ctx, "sent", 2); err != nil {
		return err
	}
	return alice.poll(ctx, 1, "sent")
}

func tokenHTTP(ctx context.Context, t *T) error {
	alice, err := t.post(ctx, "alice", "")
	if err != nil {
		return err
	}
	for what, header := range map[string]http.Header{"no token": nil, "a wrong token": bearer("AAAAAAAAAAAAAAAAAAAAAA")} {
		got, err := t.request(ctx, http.MethodPost, alice.channel("/messages"), header, `{"n":1,"message":"stolen"}`)
		if err != nil {
			return err
		}
		if got.status != http.StatusUnauthorized {
			return fmt.Errorf("with %s: expected 401 Unauthorized, got %v", what, got)
		}
	}
	return nil
}

func unknownHTTP(ctx context.Context, t *T) error {
	got, err := t.request(ctx, http.MethodPost, pathHTTP+"/"+strings.Repeat("A", 22)+"/members", nil, "{}")
	if err != nil {
		return err
	}
	if got.status != http.StatusNotFound {
		return fmt.Errorf("expected 404 Not Found, got %v", got)
	}
	if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") || !strings.Contains(got.body, "no-such-channel") {
		return fmt.Errorf("expected application/problem+json with the reason no-such-channel, got %q: %s", kind, short(got.body))
	}
	return nil
}

func fullHTTP(ctx context.Context, t *T) error {
	n, err := t.seats()
	if err != nil {
		return err
	}
	alice, err := t.post(ctx, "alice", "")
	if err != nil {
		return err
	}
	for i := range n - 1 {
		if _, err := t.post(ctx, fmt.Sprintf("member %d", i+2), alice.welcome.ChannelID); err != nil {
			return err
		}
	}
	if _, err := alice.do(ctx, http.StatusConflict, http.MethodPost, alice.channel("/members"), "{}"); err != nil {
		return fmt.Errorf("one too many: %w", err)
	}
	body, _ := json.Marshal(object{"n": 1, "message": strings.Repeat("m", t.knobs.MaxMessageSize+1)})
	_, err = alice.do(ctx, http.StatusRequestEntityTooLarge, http.MethodPost, alice.channel("/messages"), string(body))
	return err
}

func leaveHTTP(ctx context.Context, t *T) error {
	alice, bob, err := t.postPair(ctx)
	if err != nil {
		return err
	}
	if _, err := bob.do(ctx, http.StatusNoContent, http.MethodDelete, bob.channel("/members/me"), ""); err != nil {
		return err
	}
	if _, err := bob.do(ctx, http.StatusUnauthorized, http.MethodPost, bob.channel("/messages"), `{"n":1,"message":"from beyond"}`); err != nil {
		return fmt.Errorf("after bob has left: %w", err)
	}
	return alice.send(ctx, "still here", 1)
}

func endHTTP(ctx context.Context, t *T) error {
	alice, bob, err := t.postPair(ctx)
	if err != nil {
		return err
	}
	if _, err := bob.do(ctx, http.StatusForbidden, http.MethodDelete, bob.channel(""), ""); err != nil {
		return err
	}
	if _, err := alice.do(ctx, http.StatusNoContent, http.MethodDelete, alice.channel(""), ""); err != nil {
		return err
	}
	_, err = bob.do(ctx, http.StatusNotFound, http.MethodPost, bob.channel("/members"), "{}")
	return err
}
