package pairing

import (
	"testing"
	"testing/synctest"

	"channelserver/relay"
)

func TestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, relay.Limits{}, Options{})
		a, b := w.pair()
		a.send("  hello \n")
		if got, want := b.read(), `{"message":"hello","sender":{"ua":"one","remote":"192.0.2.1"}}`; got != want {
			t.Errorf("b got %s, want %s", got, want)
		}
		b.send(`"quoted" \ <ü>`)
		if got, want := a.read(), `{"message":"\"quoted\" \\ <ü>","sender":{"ua":"two","remote":"192.0.2.2"}}`; got != want {
			t.Errorf("a got %s, want %s", got, want)
		}
	})
}
