package admission

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

// want enters and fails the test unless the answer is as wanted; none is to be let in.
func want(t *testing.T, g *Guard, v Visit, why Why) *Pass {
	t.Helper()
	pass, refusal := g.Enter(v)
	got := none
	if refusal != nil {
		got = refusal.Why
	}
	if got != why || (pass == nil) == (why == none) {
		t.Fatalf("%+v: pass %v, refused for %q; want %q", v, pass, got, why)
	}
	return pass
}

// crowd lets n visitors in at once, and returns the passes of those who got in.
func crowd(g *Guard, n int, v Visit) []*Pass {
	var (
		mu     sync.Mutex
		passes []*Pass
		tasks  sync.WaitGroup
	)
	for range n {
		tasks.Go(func() {
			if pass, refusal := g.Enter(v); refusal == nil {
				mu.Lock()
				defer mu.Unlock()
				passes = append(passes, pass)
			}
		})
	}
	tasks.Wait()
	return passes
}

// Each quota lets exactly as many in as it says, whether they come one by one or all at once.
func TestQuotasAreExact(t *testing.T) {
	const n = 10
	for _, c := range []struct {
		why    Why
		limits Limits
		visit  Visit
	}{
		{Openings, Limits{OpeningsPerMinute: n}, Visit{Addr: one, New: true}},
		{Connections, Limits{Connections: n}, Visit{Addr: one, Holds: true}},
		{WrongIDs, Limits{WrongIDsPerMinute: n}, Visit{Addr: one, Wrong: true}},
		{TotalConnections, Limits{TotalConnections: n}, Visit{Addr: one, Holds: true}},
		{TotalChannels, Limits{TotalChannels: n}, Visit{Addr: one, New: true}},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := New(Options{Limits: c.limits})
			for range n - 1 {
				want(t, g, c.visit, none)
			}
			want(t, g, c.visit, none)
			want(t, g, c.visit, c.why)
			if c.why <= WrongIDs {
				elsewhere := c.visit
				elsewhere.Addr = two
				want(t, g, elsewhere, none)
			}
		})
		for _, crowded := range []int{n - 1, n, n + 1, 20 * n} {
			synctest.Test(t, func(t *testing.T) {
				g := New(Options{Limits: c.limits})
				if got, most := len(crowd(g, crowded, c.visit)), min(crowded, n); got != most {
					t.Errorf("%s: %d of %d got in, want %d", c.why, got, crowded, most)
				}
				for i, count := range g.Refused() {
					wanted := uint64(0)
					if Whys()[i] == c.why {
						wanted = uint64(max(0, crowded-n))
					}
					if count != wanted {
						t.Errorf("%s: %d refused for %s, want %d", c.why, count, Whys()[i], wanted)
					}
				}
			})
		}
		synctest.Test(t, func(t *testing.T) { // 0 turns it off
			if got := len(crowd(New(Options{}), 20*n, c.visit)); got != 20*n {
				t.Errorf("%s: without a limit %d of %d got in", c.why, got, 20*n)
			}
		})
	}
}

// What is given back can be had again, exactly once.
func TestPlacesAreGivenBack(t *testing.T) {
	const n = 5
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{Connections: n, TotalConnections: n + 1}})
		v := Visit{Addr: one, Holds: true}
		for range 3 {
			passes := crowd(g, 4*n, v)
			if len(passes) != n {
				t.Fatalf("%d got in, want %d", len(passes), n)
			}
			var tasks sync.WaitGroup
			for _, pass := range passes {
				tasks.Go(func() {
					pass.Hijacked()
					pass.Leave()
					pass.Leave()
				})
			}
			tasks.Wait()
		}
		if sockets := g.pressure.sockets.Load(); g.connections != 0 || sockets != 0 {
			t.Errorf("%d connections and %d sockets are left", g.connections, sockets)
		}
	})
}

// A tenth of all connections is left to those who join.
func TestRoomToJoin(t *testing.T) {
	g := New(Options{Limits: Limits{TotalConnections: 20}})
	for range 18 {
		want(t, g, Visit{Addr: one, Holds: true, New: true}, none)
	}
	want(t, g, Visit{Addr: one, Holds: true, New: true}, TotalConnections)
	want(t, g, Visit{Addr: one, Holds: true}, none)
	want(t, g, Visit{Addr: one, Holds: true}, none)
	want(t, g, Visit{Addr: one, Holds: true}, TotalConnections)
	want(t, g, Visit{Addr: one, Wrong: true}, none) // stays for nobody
}

// Channels that are about to be opened count until the hub counts them.
func TestChannelsInTheMaking(t *testing.T) {
	var held atomic.Int64
	g := New(Options{Limits: Limits{TotalChannels: 2}, Holds: func() Holdings { return Holdings{Channels: int(held.Load())} }})
	v := Visit{Addr: one, New: true, Holds: true}
	a, b := want(t, g, v, none), want(t, g, v, none)
	want(t, g, v, TotalChannels)
	held.Add(1)
	a.Opened()
	a.Opened() // counts once
	want(t, g, v, TotalChannels)
	b.Leave() // it was never opened
	held.Add(1)
	want(t, g, v, TotalChannels)
	held.Add(-1)
	want(t, g, v, none)
	want(t, g, Visit{Addr: one, Holds: true}, none) // joining is another matter
}

// At nine tenths of what may be kept no channel is opened, and those that live go on.
func TestTotalKept(t *testing.T) {
	var kept atomic.Int64
	g := New(Options{Limits: Limits{TotalKept: 1000}, Holds: func() Holdings { return Holdings{Kept: kept.Load()} }})
	for octets, why := range map[int64]Why{899: none, 900: TotalKept, 901: TotalKept} {
		kept.Store(octets)
		want(t, g, Visit{Addr: one, New: true}, why)
		want(t, g, Visit{Addr: one, Holds: true}, none)
	}
}

// Tokens come back evenly, and the time to wait is the time until the next one.
func TestRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{OpeningsPerMinute: 6}})
		v := Visit{Addr: one, New: true}
		crowd(g, 6, v)
		_, refusal := g.Enter(v)
		if refusal == nil || refusal.RetryAfter() != "10" || refusal.Status() != http.StatusTooManyRequests {
			t.Fatalf("refused with %+v", refusal)
		}
		time.Sleep(refusal.Wait - time.Millisecond)
		_, refusal = g.Enter(v)
		if refusal == nil || refusal.RetryAfter() != "1" {
			t.Fatalf("too early: %+v", refusal)
		}
		time.Sleep(time.Millisecond)
		want(t, g, v, none)
		want(t, g, v, Openings)
		time.Sleep(time.Hour)
		if got := len(crowd(g, 20, v)); got != 6 {
			t.Errorf("after an hour %d got in, want 6", got)
		}
	})
}

// What is refused takes nothing from the address, and one quota nothing from another.
func TestRefusalsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{OpeningsPerMinute: 2, Connections: 1, WrongIDsPerMinute: 2}})
		pass := want(t, g, Visit{Addr: one, New: true, Holds: true}, none)
		for range 9 {
			want(t, g, Visit{Addr: one, New: true, Holds: true}, Connections)
			want(t, g, Visit{Addr: one, Wrong: true, Holds: true}, Connections)
		}
		pass.Leave()
		want(t, g, Visit{Addr: one, New: true, Holds: true}, none).Leave()
		want(t, g, Visit{Addr: one, Wrong: true, Holds: true}, none).Leave()
		want(t, g, Visit{Addr: one, Wrong: true, Holds: true}, none).Leave()
		want(t, g, Visit{Addr: one, Wrong: true, Holds: true}, WrongIDs)
		want(t, g, Visit{Addr: one, Holds: true}, none) // a right one is no neighbour's fault
	})
}

// A wrong token shown by who is in counts once, and against later wrong ids.
func TestErred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Limits: Limits{WrongIDsPerMinute: 2}})
		pass := want(t, g, Visit{Addr: one, Holds: true}, none)
		pass.Erred()
		pass.Erred()
		wrong := want(t, g, Visit{Addr: one, Wrong: true, Holds: true}, none)
		wrong.Erred() // has been counted at the door
		want(t, g, Visit{Addr: one, Wrong: true}, WrongIDs)
		time.Sleep(30 * time.Second)
		want(t, g, Visit{Addr: one, Wrong: true}, none)
		want(t, g, Visit{Addr: one, Wrong: true}, WrongIDs)
	})
}

func TestWhatIsOneAddress(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		same                bool
	}{
		{"IPv4", "192.0.2.1", "192.0.2.2", false},
		{"mapped", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"a /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true},
		{"beside it", "2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"unknown", "", "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := New(Options{Limits: Limits{OpeningsPerMinute: 1}})
			first, _ := netip.ParseAddr(c.first)
			second, _ := netip.ParseAddr(c.second)
			want(t, g, Visit{Addr: first, New: true}, none)
			if _, refusal := g.Enter(Visit{Addr: second, New: true}); (refusal != nil) != c.same {
				t.Errorf("%s: refused %v, want %v", c.name, refusal, c.same)
			}
		})
	}
}

// The operator's own machines have no quota, but the server's bounds are for all.
func TestExempt(t *testing.T) {
	for _, v := range []Visit{
		{Addr: netip.MustParseAddr("127.0.0.1")},
		{Addr: netip.MustParseAddr("127.9.9.9")},
		{Addr: netip.IPv6Loopback()},
		{Exempt: true},
	} {
		v.New, v.Wrong, v.Holds = true, true, true
		g := New(Options{Limits: Limits{OpeningsPerMinute: 1, Connections: 1, WrongIDsPerMinute: 1, TotalConnections: 9}})
		for range 9 {
			want(t, g, v, none).Erred()
		}
		want(t, g, v, TotalConnections)
	}
}

func TestNobodyGuards(t *testing.T) {
	var g *Guard
	pass, refusal := g.Enter(Visit{Addr: one, New: true, Holds: true})
	if pass != nil || refusal != nil {
		t.Errorf("pass %v, refusal %v", pass, refusal)
	}
	pass.Hijacked()
	pass.Opened()
	pass.Erred()
	pass.Leave()
}

// Every bound has a word, a status and words for people of its own.
func TestRefusals(t *testing.T) {
	words := map[string]bool{}
	for _, why := range Whys() {
		r := Refusal{Why: why}
		if why.String() == "" || words[why.String()] {
			t.Errorf("bound %d: word %q", why, why)
		}
		words[why.String()] = true
		status := http.StatusServiceUnavailable
		if why == Openings || why == Connections || why == WrongIDs {
			status = http.StatusTooManyRequests
		}
		if r.Status() != status || r.RetryAfter() != "1" || len(r.Detail()) < 20 {
			t.Errorf("%s: %d, %s, %q", why, r.Status(), r.RetryAfter(), r.Detail())
		}
	}
	for wait, seconds := range map[time.Duration]string{time.Second: "1", time.Second + 1: "2", 59 * time.Second: "59"} {
		if r := (Refusal{Wait: wait}); r.RetryAfter() != seconds {
			t.Errorf("%v: %s, want %s", wait, r.RetryAfter(), seconds)
		}
	}
}
