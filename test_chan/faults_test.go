package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fault of the fake, the one check that must fail by it, and what that must say: a pattern. Faults
// of grosser kinds fail several checks, named with spaces between; each must say this.
type fault struct{ words, checks, says string }

func faults() []fault { return slices.Concat(faultsV1(), faultsV2(), grossFaults()) }

func faultsV1() []fault {
	return []fault{
		{"leaves the channelid out of the first frame", "first-frame", `expected the first frame \{"link":"/v1/ws/...","channelid":"..."\}, got "\{\\"link\\"`},
		{"tells joiners another channel", "join", "expected the second member of a channel to be told the link of the first, .*, got"},
		{"tells no sender of answers", "simple-connection", "alice: expected a sender in the envelope, got"},
		{"truncates messages of more than 1 KiB", "full-exchange", `expected the message .* \(1366 octets\) .*, got .* \(1024 octets\)`},
		{"sends the second message after the third", "order", `expected the message "second", got "third"`},
		{"relays to the first other member only", "broadcast", `carol: expected a message, got nothing in 10s, when the message "to both" was due`},
		{"echoes messages to their sender", "no-echo", "alice: expected the message of bob, got an echo"},
		{"does not trim messages", "trim", `expected the message "text with space inside", got " \\t`},
		{"takes channels with the same User-Agent for one", "channels-apart", `dave: expected the message "for dave", got "for bob"`},
		{"relays binary messages", "binary-ignored", `expected the message "text", got "binary"`},
		{"has channel ids of 32 hex digits", "channel-id", "expected a link of /v1/ws/ and 22 characters of canonical base64url, got"},
		{"has another key in envelopes", "frame-shapes", `expected a frame with no keys but \[message sender\], got "seq" in`},
		{"loses characters beyond the basic plane", "utf8", "expected the message .*👩"},
		{"relays what is not UTF-8", "bad-utf8", `after the message "\\xff": alice: expected the end of the connection, which is still open`},
		{"accepts + and / in base64", "base64", `after the message "ab\+/": carol: expected the end`},

		{"sends empty pongs", "ping", `expected a pong with the payload "are you there" of the ping, got one with ""`},
		{"loses all but the first fragment", "fragments", `expected the message "fragäments", got "frag"`},
		{"ends the connection without answering a close frame", "close-handshake", "expected the close code 1000 .* got an end without a close frame"},
		{"accepts unmasked frames", "protocol-errors", "after an unmasked frame: alice: expected the end"},
		{"does not add up the sizes of fragments", "message-too-big", "after two fragments of 32769 octets: carol: expected the end"},
		{"waits for each peer to read", "slow-peer", "while carol reads nothing, message .*: bob: expected a message, got nothing"},

		{"keeps channels that have carried too many messages", "max-exchange", "the channel has ended, but can be joined: carol: expected to be refused, got the frame"},
		{"has another code for those who did not send too much", "max-exchange-code", `bob: expected the close code 4013 "too-many-messages", got the close code 1000 "bye"`},
		{"counts messages after it has looked at the limit", "exact-exchanges", "expected 10 to arrive, got 11"},
		{"counts messages in one octet", "no-max-exchange", "message 256 of 300: bob: expected a message, got the close code 4013"},
		{"does not mind a first message that is too large", "max-data", "after 2560 octets, of which max_data allows 2048: bob: expected the end"},
		{"counts characters for octets", "max-data-exact", "after one octet more than max_data, which is 2048: bob: expected the end"},
		{"counts octets after it has looked at the limit", "exact-data", "expected 5 to arrive before max_data of 2048 ends the channel, got 6"},

		{"compares the first characters of ids only", "bad-connection", "bob: expected to be refused, got the frame"},
		{"closes unknown ids with 1000", "no-such-channel", `an id that never was: alice: expected the close code 4004 "no-such-channel", got the close code 1000 "bye"`},
		{"does not tell malformed ids from unknown ones", "bad-channel-id", `the id "x": alice: expected the close code 4001 "bad-channel-id", got the close code 4004`},
		{"wants a slash at the end", "no-slash", "the upgrade was answered with HTTP status 404"},
		{"closes a member that is left alone", "stays", "after bob has left: "},
		{"ends a channel when one too many comes", "max-connections", `after one too many was refused: member 2 of 3: expected a message, got the close code 4011`},
		{"gives no reason when a channel is full", "channel-full", `expected the close code 4011 "channel-full", got the close code 1000`},
		{"looks for a free seat and takes it later", "exact-seats", "expected 3 members in the end, got [4-9]"},
		{"never frees a seat", "seat-freed", "after a member of a full channel has left: the next one: expected a first frame, got the close code 4011"},
		{"knows the first address only", "address-rule", `from the address of the second member, 127.0.0.2: bob again: expected a first frame, got the close code 4012`},
		{"forgets who has left", "address-refused", "after bob has left: carol: expected to be refused, got the frame"},
		{"compares whole IPv6 addresses", "address-network", "from the /64 of the first member: alice again: expected a first frame, got the close code 4012"},

		{"starts the clock of a channel anew with each message", "max-period", "conn_lifespan is 8s: bob: expected the end of the connection, which is still open"},
		{"closes expired channels with 1000", "channel-expired", `alice: expected the close code 4008 "channel-expired", got the close code 1000`},
		{"sends pings too late", "heartbeat", "expected a ping after 4s of silence, got none in twice that time"},
		{"does not count pongs as a sign of life", "silent-client", "alice, who answers pings, came with the silent one"},
		{"does not say that a client was silent", "client-timeout", `expected the close code 4010 "client-timeout", got the close code 1000`},

		{"does not tell the User-Agent", "sender", "expected the sender to have the User-Agent"},
		{"believes X-Forwarded-For from strangers", "forged-address", "got 192.0.2.66, which the client claims in X-Forwarded-For"},
		{"takes the leftmost address of X-Forwarded-For", "forwarded", `expected the remote 198.51.100.9 .*, got "192.0.2.66"`},
		{"leaves out the region", "places", `expected the region "Bayern", got ""`},
		{"takes no notice of weights", "places-weights", `expected the country "Allemagne", got "Germany"`},
		{"knows languages by their whole tag only", "places-match", `Accept-Language "de-AT": expected the country "Deutschland", got "Germany"`},
		{"takes German for the default", "places-default", `expected the country "Germany", got "Deutschland"`},
		{"tells what it does not know as empty", "places-unknown", `expected \[country remote\] to be told, got map\[city:`},

		{"tells load balancers that it is ill", "lbheartbeat", "expected 200 OK, got 503"},
		{"has a heartbeat page in plain text", "heartbeat-page", `expected a JSON object, got "ok"`},
		{"does not tell its commit", "version", "expected an object with version, commit and build, got"},
		{"answers plain requests for a link with 200", "plain-request", "expected a status from 400 to 499, got 200"},
		{"answers plain requests with 400", "upgrade-required", "expected 426 Upgrade Required, got 400"},
		{"allows origins that begin like the allowed one", "origin", `with the Origin "https://pairing.example.stranger.example": expected HTTP status 403, got an upgrade`},
		{"opens channels while it drains", "drain", "while the server drains, a new channel: expected HTTP status 503, got an upgrade"},
		{"is killed by the second signal", "shutdown", `expected the close code 1001 "shutdown", got an end without a close frame`},
	}
}

// grossFaults are about those parts of a promise that several checks look at.
func grossFaults() []fault {
	return []fault{
		{"tells a channelid that is not the one in the link", "channel-id", "expected the channelid .*, as in the link, got"},
		{"has no max_exchanges", "max-exchange max-exchange-code exact-exchanges v2-exchanges", "expected the end of the connection, which is still open"},
		{"delivers one message too many", "max-exchange exact-exchanges", `expected no message after 10, got \["one too many"\]|expected 10 to arrive, got 11`},
		{"has no max_message_size", "message-too-big", "after 65537 octets: alice: expected the end of the connection, which is still open"},
		{"lets in whoever knows the id", "address-rule address-refused address-network", "carol: expected to be refused, got the frame"},
		{"never ends a channel that expires", "max-period channel-expired", "expected the end of the connection, which is still open"},
		{"ends channels too soon", "max-period", "expected the channel to live for 8s, got the close code 4008"},
		{"sends no pings", "heartbeat silent-client", "got none in twice that time|alice, who answers pings, came with the silent one"},
		{"sends pings to busy clients", "heartbeat", "expected no ping before 4s of silence, got one after"},
		{"does not notice silent clients", "silent-client client-timeout", "expected the end of the connection, which is still open"},
		{"names places in the language of the reader", "places places-weights places-match", "with Accept-Language .*: expected the c(ity|ountry) .*, got"},
		{"ends living channels at the start of a drain", "drain", "alice: expected living channels to go on while the server drains, for 5s, got the close code 1012 .* after"},
		{"does not tell load balancers of a drain", "drain shutdown", "while the server drains, expected 503 from /__lbheartbeat__, got 200 OK"},
	}
}

// silent is a reporter that tells nobody.
type silent struct{}

func (silent) progress(string, string) {}
func (silent) done(result)             {}

// runFake runs checks against a fake with a fault, in a bubble of its own.
func runFake(t *testing.T, fault string, change func(*knobs), checks []check) []result {
	var results []result
	synctest.Test(t, func(t *testing.T) {
		r := &runner{launch: launchFake(fault, change), patience: 10 * time.Second, servers: 4, checks: 8, report: silent{}}
		results = r.run(context.Background(), checks)
	})
	return results
}

func TestNoFault(t *testing.T) {
	for _, r := range runFake(t, "", nil, allChecks()) {
		if r.verdict != held {
			t.Errorf("%s on a server without faults: %s, %s", r.check.name, r.verdict, r.reason)
		}
	}
}

func TestEachFaultFailsItsCheck(t *testing.T) {
	for _, f := range faults() {
		t.Run(strings.ReplaceAll(f.words, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, r := range runFake(t, f.words, nil, allChecks()) {
				expected := slices.Contains(strings.Fields(f.checks), r.check.name)
				switch {
				case !expected && r.verdict != held:
					t.Errorf("a server that %s should fail %s only, but %s: %s, %s", f.words, f.checks, r.check.name, r.verdict, r.reason)
				case expected && r.verdict != failed:
					t.Errorf("a server that %s should fail %s: %s %s", f.words, r.check.name, r.verdict, r.reason)
				case expected && !regexp.MustCompile(f.says).MatchString(r.reason):
					t.Errorf("a server that %s fails %s with the words\n%s\nwhich do not match\n%s", f.words, r.check.name, r.reason, f.says)
				}
			}
		})
	}
}

func TestEveryCheckHasItsFault(t *testing.T) {
	for _, c := range allChecks() {
		if !slices.ContainsFunc(faults(), func(f fault) bool { return f.checks == c.name }) {
			t.Errorf("the check %s has no fault on which it alone fails", c.name)
		}
	}
}
