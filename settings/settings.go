// Package settings reads what the operator wants from environment variables and arguments.
//
// The struct Settings is the single source: the names of variables and arguments, their
// defaults, the page of --help and the reference in docs/settings.md all come from its fields
// and their tags, and a test holds the reference to it.
//
// Nothing here keeps state between calls. Load reads the process environment, so it must not
// run while other code changes that.
package settings

import (
	"maps"
	"slices"
	"time"

	"channelserver/relay"
)

// Settings is everything an operator can set. The variable of a field is PAIR_ and the words of
// its name in upper case, its argument the same words in lower case: MaxData is PAIR_MAX_DATA and
// --max_data. Load returns values that have been checked; a Settings made by hand has not been.
//
// The tags are: default, the value as it would be written; otherwise, what happens without one,
// in words; unit, the word that stands for the value in --help; desc, what it means; group, the
// heading that starts at this field; old, a former name; unused, that the setting has no effect.
type Settings struct {
	Hostname       Host    `group:"Listening" default:"0.0.0.0" unit:"HOST" desc:"Address or name to listen on. Empty means every address, IPv4 and IPv6."`
	Port           Port    `default:"8000" unit:"PORT" desc:"Port to listen on. 0 means any free one."`
	AllowedOrigins Origins `split_words:"true" otherwise:"empty (any)" unit:"LIST" desc:"Origins whose pages may open channels, separated by commas: https://example.com, with a port if it is not the usual one, https://*.example.com for every subdomain, or null. The page at / needs its own origin in the list. Requests without an Origin, which do not come from pages, are not concerned."`
	Page           Switch  `default:"true" desc:"Serve the pairing page at /, for people who open the server's address in a browser. Without it / is answered 404."`
	TLSCert        string  `split_words:"true" otherwise:"empty (no TLS)" unit:"FILE" desc:"Certificate chain in PEM form, to serve https and wss on the same port. It is read again when it changes. Needs tls_key."`
	TLSKey         string  `split_words:"true" otherwise:"empty (no TLS)" unit:"FILE" desc:"Private key of tls_cert in PEM form."`
	AdminAddr      Address `split_words:"true" default:"127.0.0.1:8001" unit:"HOST:PORT" desc:"Where /metrics and /debug/pprof/ are served. They are for operators: keep strangers out. Empty means nowhere."`
	DrainTimeout   Seconds `split_words:"true" otherwise:"conn_lifespan, or 300 if that is 0" unit:"SECONDS" desc:"How long channels may go on after SIGTERM or SIGINT before they are closed. 0 means that they are closed at once."`

	MaxChannelConnections Seats       `group:"Limits of a channel" split_words:"true" default:"3" unit:"COUNT" desc:"Connections that a channel holds at one time. After the second ever admitted, further ones must come from an address already seen in the channel."`
	ConnLifespan          Seconds     `split_words:"true" default:"300" unit:"SECONDS" desc:"Life of a channel from its creation, whatever is sent. 0 means no limit."`
	MaxExchanges          Count       `split_words:"true" default:"10" unit:"COUNT" desc:"Messages that a channel carries in all. The next one ends the channel. 0 means no limit. Pairing with Firefox Accounts takes 11: give it 20."`
	MaxExchangesAsked     Count       `split_words:"true" default:"1000" unit:"COUNT" desc:"The same for channels whose creator, a version 2 client, asks for more than max_exchanges, as the pairing page does: the most that is granted. 0 means that nothing more is."`
	MaxData               Octets      `split_words:"true" default:"0" unit:"OCTETS" desc:"Octets of message payload that a channel carries in all. 0 means no limit."`
	MaxMessageSize        MessageSize `split_words:"true" default:"65536" unit:"OCTETS" desc:"Octets of one message, at most 16777216 (16 MiB)."`
	ResumeTimeout         Seconds     `split_words:"true" default:"300" unit:"SECONDS" desc:"How long the seat of a version 2 member that has lost its connection waits for it. 0 means that it is given up at once."`
	MaxKept               Octets      `split_words:"true" otherwise:"1048576, or twice max_message_size if that is more" unit:"OCTETS" desc:"Octets that a channel keeps for members that have not read them yet, and in version 2 for those that are away or yet to come. Whoever lags most loses its seat when it is passed. At least twice max_message_size; 0 means no limit."`
	MaxKeptTotal          Octets      `split_words:"true" otherwise:"268435456, or a quarter of the memory limit if that is less" unit:"OCTETS" desc:"The same for all channels together. At nine tenths of it no channels are opened. 0 means no limit."`
	RequireBase64         Switch      `split_words:"true" default:"false" desc:"Refuse messages that are not URL-safe base64."`

	MaxOpeningsPerMinute     Count `group:"Who gets in" split_words:"true" default:"60" unit:"COUNT" desc:"Channels that one address may open in a minute, the /64 of an IPv6 address counting as one. More are refused with 429. 0 means no limit. This and the next two do not concern loopback, nor requests of a trusted proxy that have no X-Forwarded-For."`
	MaxConnectionsPerAddress Count `split_words:"true" default:"200" unit:"COUNT" desc:"WebSockets and requests for events that one address may have at one time. More are refused with 429. 0 means no limit."`
	MaxWrongIdsPerMinute     Count `split_words:"true" default:"60" unit:"COUNT" desc:"Requests for channels or seats that do not exist which one address may make in a minute. More are refused with 429. 0 means no limit."`
	MaxConnections           Count `split_words:"true" default:"100000" unit:"COUNT" desc:"WebSockets and requests for events of the whole server at one time. More are refused with 503, and at nine tenths already those that would open a channel. 0 means as many as the descriptors allow."`
	MaxChannels              Count `split_words:"true" default:"100000" unit:"COUNT" desc:"Living channels of the whole server. More are refused with 503. 0 means no limit."`

	ClientTimeout     Seconds         `group:"Silent and slow peers" split_words:"true" default:"30" unit:"SECONDS" desc:"A connection from which nothing came for this long, neither a message nor the answer to a ping, is closed. 0 means never."`
	HeartbeatInterval Seconds         `split_words:"true" default:"10" old:"heartbeat" unit:"SECONDS" desc:"Idle time after which a connection is sent a ping. It must be less than client_timeout; left at its default, it is at most a third of that. 0 means no pings."`
	WriteTimeout      PositiveSeconds `split_words:"true" default:"10" unit:"SECONDS" desc:"How long a peer may refuse to read what it is sent before it is closed as slow."`

	TrustedProxyList  Proxies  `group:"Where senders are" split_words:"true" default:"10.0.0.0/8,172.16.0.0/12,192.168.0.0/16" unit:"LIST" desc:"Addresses and CIDR blocks, IPv4 and IPv6, of the proxies whose X-Forwarded-For is believed, separated by commas or spaces. A list of your own replaces the default, which is the private networks of IPv4. Empty means that no proxy is believed."`
	ProxyProtocol     Switch   `split_words:"true" default:"false" desc:"Expect a header of the PROXY protocol, version 1 or 2, before anything else, TLS included, on each connection that comes from an address in trusted_proxy_list, and believe it. Connections from elsewhere must not have one."`
	MMDBLoc           string   `split_words:"true" default:"mmdb/latest/GeoLite2-City.mmdb" unit:"FILE" desc:"City database in MaxMind's format. Without a file in the default place, places are left out; a file that was named must be readable. Empty means no places."`
	MMDBCheckInterval Seconds  `split_words:"true" default:"60" unit:"SECONDS" desc:"How often to look whether the database file has changed. 0 means only on SIGHUP."`
	DefaultLang       Language `split_words:"true" default:"en" unit:"LANGUAGE" desc:"Language of place names for senders none of whose languages the database has, as a BCP 47 tag."`

	Debug      Switch     `group:"Logs and statistics" default:"false" desc:"Log whatever helps to find a fault."`
	Verbose    Switch     `default:"false" desc:"Log how each connection ends."`
	HumanLogs  Switch     `split_words:"true" default:"false" desc:"Write logs as text for people instead of JSON lines."`
	StatsdHost StatsdAddr `split_words:"true" otherwise:"empty (off)" unit:"HOST[:PORT]" desc:"Where to send statistics as statsd datagrams. The port is 8125 unless given."`
	MetricName MetricName `split_words:"true" default:"channelserver" unit:"PREFIX" desc:"What the names of statsd statistics begin with, before a dot. Empty means nothing."`

	IPReputationServer string `group:"Without effect" split_words:"true" otherwise:"empty" unit:"TEXT" unused:"true" desc:"Known, so that settings made for Mozilla's channelserver, which never used it, are accepted."`
	IprepMin           string `split_words:"true" otherwise:"empty" unit:"TEXT" unused:"true" desc:"The same."`
	IPViolation        string `split_words:"true" otherwise:"empty" unit:"TEXT" unused:"true" desc:"The same."`

	given map[string]string // by setting name: how a setting that was given was written, `PAIR_PORT="80"`
}

// Limits returns the limits of a channel.
func (s *Settings) Limits() relay.Limits {
	return relay.Limits{
		MaxExchanges:      int(s.MaxExchanges),
		MaxExchangesAsked: int(s.MaxExchangesAsked),
		MaxData:           int64(s.MaxData),
		MaxMessageSize:    int(s.MaxMessageSize),
		MaxConnections:    int(s.MaxChannelConnections),
		Lifespan:          time.Duration(s.ConnLifespan),
		MaxLag:            int64(s.MaxKept),
		MaxKept:           int64(s.MaxKeptTotal),
		ResumeTimeout:     time.Duration(s.ResumeTimeout),
	}
}

// FitMemory lowers max_kept_total, if it was not given, to a quarter of the memory that the process may use,
// in octets; 0 stands for no limit.
func (s *Settings) FitMemory(limit int64) {
	if s.given["max_kept_total"] == "" && limit > 0 {
		s.MaxKeptTotal = min(s.MaxKeptTotal, Octets(limit/4))
	}
}

// MMDBExplicit reports whether the operator set mmdb_loc. If so, a file that cannot be used is an
// error, and an empty MMDBLoc a wish for no places; if not, a missing file only means no places.
func (s *Settings) MMDBExplicit() bool {
	_, ok := s.given["mmdb_loc"]
	return ok
}

// Given lists the settings that were given, as they were written, `--port="9000"`, in order of
// their names: what a start-up log line needs to tell one server from another.
func (s *Settings) Given() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.given)) {
		list = append(list, s.given[name])
	}
	return list
}
