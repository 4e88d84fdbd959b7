package main

import (
	"fmt"
	"strconv"
	"time"
)

// knobs are the settings of a server that checks depend on (docs/protocol.md section 3). For a
// server that the tester has not started, zero durations are not known.
type knobs struct {
	MaxExchanges   int // 0 is no limit, as in all sizes and counts here
	MaxData        int
	MaxMessageSize int
	MaxConnections int
	Lifespan       time.Duration
	ClientTimeout  time.Duration
	Heartbeat      time.Duration
	ResumeTimeout  time.Duration
	DrainTimeout   time.Duration
	RequireBase64  bool
	Origin         string // the one allowed; empty is any
	TrustLoopback  bool   // X-Forwarded-For from loopback is believed, and places is the database
	Own            bool   // the tester has started the server, and may signal it
}

// defaultKnobs returns the defaults of the protocol.
func defaultKnobs() knobs {
	return knobs{MaxExchanges: 10, MaxMessageSize: 65536, MaxConnections: 3}
}

// environment returns the settings as PAIR_* variables, for a server that listens on this port of
// 127.0.0.1 and finds its database of places at this path.
func (k knobs) environment(port int, places string) []string {
	seconds := func(d, otherwise time.Duration) string {
		if d == 0 {
			d = otherwise
		}
		return strconv.Itoa(int(d / time.Second))
	}
	proxies := ""
	if k.TrustLoopback {
		proxies = "127.0.0.1"
	}
	lifespan := 300 * time.Second
	return []string{
		"PAIR_HOSTNAME=127.0.0.1",
		"PAIR_PORT=" + strconv.Itoa(port),
		"PAIR_ADMIN_ADDR=",
		"PAIR_STATSD_HOST=",
		"PAIR_MMDB_LOC=" + places,
		"PAIR_TRUSTED_PROXY_LIST=" + proxies,
		"PAIR_DEFAULT_LANG=en",
		"PAIR_MAX_EXCHANGES=" + strconv.Itoa(k.MaxExchanges),
		"PAIR_MAX_DATA=" + strconv.Itoa(k.MaxData),
		"PAIR_MAX_MESSAGE_SIZE=" + strconv.Itoa(k.MaxMessageSize),
		"PAIR_MAX_CHANNEL_CONNECTIONS=" + strconv.Itoa(k.MaxConnections),
		"PAIR_CONN_LIFESPAN=" + seconds(k.Lifespan, lifespan),
		"PAIR_CLIENT_TIMEOUT=" + seconds(k.ClientTimeout, 30*time.Second),
		"PAIR_HEARTBEAT_INTERVAL=" + seconds(k.Heartbeat, 10*time.Second),
		"PAIR_RESUME_TIMEOUT=" + seconds(k.ResumeTimeout, lifespan),
		"PAIR_DRAIN_TIMEOUT=" + seconds(k.DrainTimeout, lifespan),
		"PAIR_REQUIRE_BASE64=" + strconv.FormatBool(k.RequireBase64),
		"PAIR_ALLOWED_ORIGINS=" + k.Origin,
	}
}

// A setup is how a server must be set for some checks, which then share one.
type setup string

const (
	plain     setup = "plain"     // as it comes
	endless   setup = "endless"   // any number of messages
	data      setup = "data"      // little data
	lifespan  setup = "lifespan"  // short lives
	silence   setup = "silence"   // little patience with silent clients
	base64url setup = "base64url" // base64url and nothing else
	origins   setup = "origins"   // one allowed origin
	proxied   setup = "proxied"   // loopback is a trusted proxy, and places are known
	drained   setup = "drained"   // drained, with a short patience
	shutDown  setup = "shut-down" // drained, and then told to stop at once
	resuming  setup = "resuming"  // away seats are given up soon
	expiring  setup = "expiring"  // lives short enough for the warning to come at once
)

// apply returns the knobs of a server that is started for this setup.
func (s setup) apply(k knobs) knobs {
	k.Own = true
	if s != data {
		k.MaxData = 0
	}
	switch s {
	case endless:
		k.MaxExchanges = 0
	case data:
		if k.MaxData == 0 {
			k.MaxData = 2048 // as the Python tester had it
		}
	case lifespan:
		k.Lifespan = 8 * time.Second
	case silence:
		k.Heartbeat, k.ClientTimeout = 4*time.Second, 12*time.Second
	case base64url:
		k.RequireBase64 = true
	case origins:
		k.Origin = "https://pairing.example"
	case proxied:
		k.TrustLoopback = true
	case drained:
		k.DrainTimeout = 5 * time.Second
	case shutDown:
		k.DrainTimeout = 60 * time.Second
	case resuming:
		k.ResumeTimeout = 2 * time.Second
	case expiring:
		k.Lifespan = 31 * time.Second
	}
	return k
}

// missing returns what a server with these knobs lacks for the setup, or "".
func (s setup) missing(k knobs) string {
	need := func(there bool, format string, args ...any) string {
		if there {
			return ""
		}
		return fmt.Sprintf(format, args...)
	}
	const own = "it needs a server that the tester starts itself, with "
	switch s {
	case plain:
		if k.RequireBase64 {
			return "it sends messages that are not base64, which the server refuses"
		}
		return need(k.Origin == "", "the server answers one origin only")
	case endless:
		return need(k.MaxExchanges == 0, "it needs a server without max_exchanges, and here it is %d; see --max-exchanges", k.MaxExchanges)
	case data:
		return need(k.MaxData > 0, "it needs a server with max_data; say how much with --max-data or TEST_MAX_DATA")
	case lifespan:
		return need(k.Lifespan > 0, "it needs to know the server's conn_lifespan, and waits for so long; see --conn-lifespan")
	case silence:
		return need(k.Heartbeat > 0 && k.ClientTimeout > k.Heartbeat, "it needs to know the server's heartbeat_interval and client_timeout, and waits for so long; see --heartbeat-interval and --client-timeout")
	case base64url:
		return need(k.RequireBase64, "it needs a server with require_base64; see --require-base64")
	case origins:
		return need(k.Origin != "", "it needs a server with allowed_origins; see --allowed-origin")
	case proxied:
		return need(k.TrustLoopback, own+"loopback as a trusted proxy and a database of places")
	case drained, shutDown:
		return need(k.Own, own+"signals")
	case resuming:
		return need(k.ResumeTimeout > 0, own+"a short resume_timeout")
	case expiring:
		return need(k.Own, own+"a conn_lifespan of a little over 30 s")
	}
	return "unknown setup " + string(s)
}

// longest returns about how long the checks of a setup wait for clocks.
func (s setup) longest() time.Duration {
	k := s.apply(defaultKnobs())
	switch s {
	case shutDown, expiring:
		return 0 // they do not wait for the end
	}
	return max(k.Lifespan, k.ClientTimeout, k.DrainTimeout, k.ResumeTimeout)
}
