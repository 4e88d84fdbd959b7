package relay_test

import (
	"context"
	"strings"
	"testing"

	"channelserver/relay"
)

func TestBodiesAreCopied(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	a := create(t, h)
	for _, mode := range []relay.Mode{relay.Live, relay.Kept} { // the second keeps what the first is sent
		b := a.joinIn(h, mode)
		for _, text := range []string{"a short one", strings.Repeat("a long one ", 1000)} {
			body := []byte(text)
			a.Send(body, len(body))
			clear(body)
			if got, _ := b.takeAll(); len(got) == 0 || got[len(got)-1] != text {
				t.Errorf("taken: %.60q, want %.20q last", got, text)
			}
		}
	}
}

// What somebody has taken is not used again until it takes the next time, whatever happens to the log.
func TestBodiesLastUntilTheNextTake(t *testing.T) {
	for name, meanwhile := range map[string]func(h *relay.Hub, a, taker, c seat){
		"nothing":              func(*relay.Hub, seat, seat, seat) {},
		"the taker leaves":     func(_ *relay.Hub, _, taker, _ seat) { taker.Leave(relay.Lost) },
		"its member leaves":    func(_ *relay.Hub, _, taker, _ seat) { taker.Member.Leave(relay.Lost) },
		"the channel ends":     func(h *relay.Hub, _, _, _ seat) { h.EndAll(context.Background(), relay.Shutdown, 0) },
		"the sender goes":      func(_ *relay.Hub, a, _, _ seat) { a.Leave(relay.Bye) },
		"the log grows long":   func(_ *relay.Hub, a, _, _ seat) { a.say(strings.Split(strings.Repeat("more ", 2000), " ")...) },
		"somebody else leaves": func(_ *relay.Hub, _, _, c seat) { c.Leave(relay.Bye) },
	} {
		t.Run(name, func(t *testing.T) {
			h := relay.New(relay.Limits{}, relay.Nobody{})
			a := create(t, h)
			taker, c := a.join(h), a.join(h)
			for _, s := range []seat{a, taker, c} {
				s.takeAll()
			}
			a.say("this must last")
			var entries [1]relay.Entry
			if n, _ := taker.Take(entries[:]); n != 1 {
				t.Fatal("nothing was taken")
			}
			c.takeAll()
			meanwhile(h, a, taker, c)
			for range 100 {
				c.Send([]byte("that must not show"), 1)
				a.takeAll()
				c.takeAll()
			}
			if got := string(entries[0].Body); got != "this must last" {
				t.Errorf("it became %q", got)
			}
		})
	}
}
