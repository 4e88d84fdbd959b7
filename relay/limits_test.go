package relay_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"channelserver/relay"
)

// crowd is how many goroutines meet at a limit.
const crowd = 300

// atOnce runs f(0), ..., f(n-1) in as many goroutines, which all start together.
func atOnce(n int, f func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// around calls f with a number of attempts of one below a limit, at it and above it.
func around(t *testing.T, limit int, f func(t *testing.T, attempts int)) {
	for _, attempts := range []int{limit - 1, limit, limit + 1, 2 * limit} {
		t.Run(fmt.Sprintf("%d of %d", attempts, limit), func(t *testing.T) { f(t, attempts) })
	}
}

// Limits on what a channel carries: never one message or octet over, never one under, whoever
// sends at the same time; and all that was accepted reaches everyone before the end does.
func TestMessageLimitsAreExactUnderRaces(t *testing.T) {
	const size = 7
	for _, test := range []struct {
		name   string
		limits relay.Limits
		want   relay.Reason
	}{
		{"MaxExchanges", relay.Limits{MaxExchanges: crowd}, relay.TooManyMessages},
		{"MaxData", relay.Limits{MaxData: crowd * size}, relay.TooMuchData},
		{"MaxData and a bit", relay.Limits{MaxData: crowd*size + size - 1}, relay.TooMuchData},
		{"both", relay.Limits{MaxExchanges: crowd, MaxData: crowd * size}, relay.TooManyMessages},
	} {
		t.Run(test.name, func(t *testing.T) {
			around(t, crowd, func(t *testing.T, attempts int) {
				var count tally
				h := relay.New(test.limits, &count)
				members := drains(t, h, 4)
				var accepted, refused atomic.Int64
				atOnce(attempts, func(i int) {
					switch why := members[i%len(members)].member.Send(make([]byte, size), size); why {
					case relay.None:
						accepted.Add(1)
					case test.want:
						refused.Add(1)
					default:
						t.Errorf("Send = %v", why)
					}
				})

				want := min(attempts, crowd)
				if a, r := int(accepted.Load()), int(refused.Load()); a != want || r != attempts-want {
					t.Errorf("%d messages accepted and %d refused, want %d and %d", a, r, want, attempts-want)
				}
				if m, o := count.messages.Load(), count.octets.Load(); int(m) != want || int(o) != want*size {
					t.Errorf("%d messages of %d octets observed, want %d", m, o, want)
				}
				end, channels := relay.None, 1
				if attempts > crowd {
					end, channels = test.want, 0
				}
				if got := h.Stats().Channels; got != channels {
					t.Errorf("%d channels live, want %d", got, channels)
				}
				got := 0
				for i, m := range members {
					if err := m.check(); err != nil {
						t.Errorf("member %d: %v", i, err)
					}
					if m.end != end {
						t.Errorf("member %d ended with %v, want %v", i, m.end, end)
					}
					got += len(m.got)
				}
				if got != want*(len(members)-1) {
					t.Errorf("%d deliveries, want %d", got, want*(len(members)-1))
				}
			})
		})
	}
}

func TestOneOctetOverMaxDataIsTooMuch(t *testing.T) {
	h := relay.New(relay.Limits{MaxData: 100}, relay.Nobody{})
	a := create(t, h)
	a.say("x")
	if why := a.Send(make([]byte, 99), 99); why != relay.None {
		t.Errorf("octets 2 to 100: %v", why)
	}
	if why := a.Send(nil, 0); why != relay.None { // no octet, no harm
		t.Errorf("an empty message: %v", why)
	}
	if why := a.Send([]byte("x"), 1); why != relay.TooMuchData {
		t.Errorf("octet 101: %v", why)
	}
}

func TestSeatsAreExactUnderRaces(t *testing.T) {
	around(t, crowd, func(t *testing.T, attempts int) {
		h := relay.New(relay.Limits{MaxConnections: crowd}, relay.Nobody{})
		first := create(t, h)
		seated := make([]*relay.Attachment, attempts) // each element by one goroutine
		var refused atomic.Int64
		atOnce(attempts-1, func(i int) {
			m, why := h.Join(first.ChannelID(), home, nil, new(bell), relay.Live)
			switch why {
			case relay.None:
				seated[i] = m
			case relay.ChannelFull:
				refused.Add(1)
			default:
				t.Errorf("Join = %v", why)
			}
		})
		want := min(attempts, crowd)
		if got := int(refused.Load()); got != attempts-want {
			t.Errorf("%d were refused, want %d", got, attempts-want)
		}
		expectStats(t, h, relay.Stats{Connections: want, Channels: 1})

		// Seats given up are free again: as many as left may come, and not one more.
		var left, joined atomic.Int64
		for _, m := range seated {
			if m != nil && left.Add(1) <= crowd/2 {
				m.Leave(relay.Bye)
			}
		}
		free := crowd - h.Stats().Connections
		atOnce(free+1, func(int) {
			if _, why := h.Join(first.ChannelID(), home, nil, new(bell), relay.Live); why == relay.None {
				joined.Add(1)
			}
		})
		if int(joined.Load()) != free {
			t.Errorf("%d joined, want %d, for so many seats were free", joined.Load(), free)
		}
		expectStats(t, h, relay.Stats{Connections: crowd, Channels: 1})
	})
}

// Seats change hands all the time, and at no moment are there too many.
func TestSeatsAreNeverOneOverWhileMembersComeAndGo(t *testing.T) {
	const limit = 10
	h := relay.New(relay.Limits{MaxConnections: limit}, relay.Nobody{})
	first := create(t, h)
	var inside, joins atomic.Int64
	inside.Add(1)
	atOnce(crowd, func(int) {
		m, why := h.Join(first.ChannelID(), home, nil, new(bell), relay.Live)
		if why != relay.None {
			return
		}
		joins.Add(1)
		if n := inside.Add(1); n > limit { // counted late and discounted early, so never too many
			t.Errorf("%d members are seated, the limit is %d", n, limit)
		}
		m.Send([]byte("x"), 1)
		inside.Add(-1)
		m.Leave(relay.Bye)
	})
	if joins.Load() < limit-1 {
		t.Errorf("%d joined, though %d seats were free", joins.Load(), limit-1)
	}
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1, Octets: h.Stats().Octets})
}

// Of a crowd of strangers, each with an address of its own, one gets the second seat.
func TestTheAddressRuleIsExactUnderRaces(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	first := create(t, h)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	var winner atomic.Int64
	var admitted atomic.Int64
	atOnce(crowd, func(i int) {
		switch _, why := h.Join(first.ChannelID(), address(i), nil, new(bell), relay.Live); why {
		case relay.None:
			admitted.Add(1)
			winner.Store(int64(i))
		case relay.AddressRefused:
		default:
			t.Errorf("Join = %v", why)
		}
	})
	if admitted.Load() != 1 {
		t.Fatalf("%d strangers were admitted, want 1", admitted.Load())
	}

	// From then on, everyone from the two addresses is admitted, and nobody else.
	atOnce(crowd, func(i int) {
		from, want := address(int(winner.Load())), relay.None
		switch i % 3 {
		case 0:
			from = home
		case 1:
			from, want = address(crowd+i), relay.AddressRefused
		}
		if _, why := h.Join(first.ChannelID(), from, nil, new(bell), relay.Live); why != want {
			t.Errorf("Join from %v = %v, want %v", from, why, want)
		}
	})
}

func TestTheAddressRule(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second string // "" is unknown
		third         string
		want          relay.Reason
	}{
		{"the first one's", "192.0.2.1", "192.0.2.2", "192.0.2.1", relay.None},
		{"the second one's", "192.0.2.1", "192.0.2.2", "192.0.2.2", relay.None},
		{"a stranger's", "192.0.2.1", "192.0.2.2", "192.0.2.3", relay.AddressRefused},
		{"a neighbour's in IPv4", "192.0.2.1", "192.0.2.1", "192.0.2.0", relay.AddressRefused},
		{"the same /64", "2001:db8:1:2::1", "192.0.2.2", "2001:db8:1:2:ffff:ffff:ffff:ffff", relay.None},
		{"the next /64", "2001:db8:1:2::1", "192.0.2.2", "2001:db8:1:3::1", relay.AddressRefused},
		{"with a zone", "fe80::1%eth0", "192.0.2.2", "fe80::2%eth1", relay.None},
		{"mapped, first plain", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", relay.None},
		{"mapped, first mapped", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.1", relay.None},
		{"mapped, but another", "::ffff:192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3", relay.AddressRefused},
		{"unknown", "192.0.2.1", "192.0.2.2", "", relay.AddressRefused},
		{"unknown like the first", "", "192.0.2.2", "", relay.AddressRefused},
		{"unknown like both", "", "", "", relay.AddressRefused},
		{"known after unknown ones", "", "", "192.0.2.1", relay.AddressRefused},
		{"the address that stands for unknown", "", "", "::", relay.AddressRefused},
		{"the IPv4 address that stands for unknown", "", "", "0.0.0.0", relay.AddressRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := func(text string) netip.Addr {
				if text == "" {
					return netip.Addr{}
				}
				return netip.MustParseAddr(text)
			}
			h := relay.New(relay.Limits{}, relay.Nobody{})
			first, why := h.Create(address(test.first), nil, new(bell), relay.Live, 0)
			if why != relay.None {
				t.Fatalf("Create = %v", why)
			}
			second, why := h.Join(first.ChannelID(), address(test.second), nil, new(bell), relay.Live)
			if why != relay.None {
				t.Fatalf("the second connection: %v", why)
			}
			second.Leave(relay.Bye) // the rule counts connections ever admitted, not seats
			for range 2 {
				if _, why := h.Join(first.ChannelID(), address(test.third), nil, new(bell), relay.Live); why != test.want {
					t.Errorf("a connection from %q: %v, want %v", test.third, why, test.want)
				}
			}
		})
	}
}

// A refused connection is not admitted, so its address does not become known, and it takes none of
// the two free places.
func TestRefusedConnectionsDoNotCount(t *testing.T) {
	h := relay.New(relay.Limits{MaxConnections: 1}, relay.Nobody{})
	a := create(t, h)
	for range 3 {
		if _, why := h.Join(a.ChannelID(), office, nil, new(bell), relay.Live); why != relay.ChannelFull {
			t.Errorf("Join of a full channel = %v", why)
		}
	}
	expectStats(t, h, relay.Stats{Connections: 1, Channels: 1})

	h = relay.New(relay.Limits{MaxConnections: 2}, relay.Nobody{})
	a = create(t, h)
	b := a.join(h)
	if _, why := h.Join(a.ChannelID(), cafe, nil, new(bell), relay.Live); why != relay.ChannelFull {
		t.Errorf("Join of a full channel by a stranger = %v", why)
	}
	b.Leave(relay.Bye)
	if _, why := h.Join(a.ChannelID(), cafe, nil, new(bell), relay.Live); why != relay.AddressRefused {
		t.Errorf("Join by a stranger refused before = %v", why)
	}
}

func TestJoinOfNoChannel(t *testing.T) {
	h := relay.New(relay.Limits{}, relay.Nobody{})
	if m, why := h.Join(relay.NewID(), home, nil, new(bell), relay.Live); m != nil || why != relay.NoSuchChannel {
		t.Errorf("Join = %v, %v", m, why)
	}
	expectStats(t, h, relay.Stats{})
}

func TestExchangesThatAreAskedFor(t *testing.T) {
	for _, test := range []struct{ limit, asked, most, want int }{
		{2, 0, 5, 2}, {2, 1, 5, 2}, {2, 4, 5, 4}, {2, 6, 5, 5}, {2, 6, 0, 2}, {3, 6, 1, 3}, {0, 2, 5, 0},
	} {
		h := relay.New(relay.Limits{MaxExchanges: test.limit, MaxExchangesAsked: test.most}, relay.Nobody{})
		a, _ := h.Create(home, nil, new(bell), relay.Kept, test.asked)
		if got := a.Member.Limits().MaxExchanges; got != test.want {
			t.Errorf("%+v: the channel has %d", test, got)
		}
		for range test.want {
			if why := a.Send(nil, 0); why != relay.None {
				t.Fatalf("%+v: %v", test, why)
			}
		}
		if why := a.Send(nil, 0); (why == relay.TooManyMessages) != (test.want > 0) {
			t.Errorf("%+v: one more message got %v", test, why)
		}
	}
}
