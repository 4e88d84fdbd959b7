package main

// faultsV2 are the faults of version 2.
func faultsV2() []fault {
	return []fault{
		{"does not tell a member about itself", "v2-welcome", "expected self with a ua and a remote in the welcome, got"},
		{"takes everybody for away in welcomes", "v2-joined", "bob: expected alice, present, with her sender, as the one member in the welcome, got"},
		{"names places in the language of the sender to all", "v2-places", "bob, who accepts French: expected alice in the country Allemagne, got .*Deutschland"},
		{"sends members of version 1 the frames of version 2", "v2-with-v1", `expected a frame with no keys but \[message sender\], got "(type|seq|from)" in`},
		{"takes anything for a hello", "v2-hello-first", "expected the error protocol-error for a client that does not say hello, got"},
		{"waits a minute for hello", "v2-hello-late", "alice: expected the end of the connection, which is still open after 15s, though it has not said hello"},
		{"takes offence at unknown types", "v2-unknown", `expected a frame of the type \["accepted"\], got the close code 1002`},
		{"closes all bad ids of version 2 with 4000", "v2-bad-id", `expected the close code 4001 "bad-channel-id", got the close code 4000`},
		{"tells away of members that leave", "v2-leave", `expected a frame of the type \["left"\], got nothing in 10s; the last frame was .*away`},
		{"takes members that close for away", "v2-close", `expected to be told that bob left, got \{"member":2,"type":"away"\}`},
		{"ends a channel with 1000", "v2-end", `expected the close code 4015 "channel-ended", got the close code 1000`},
		{"lets anybody end a channel", "v2-end-others", `bob: expected a frame of the type \["error"\], got the close code 4015`},

		{"does not say whose message it is", "v2-message", `bob: expected \{"type":"message","seq":1,"from":1,"message":"hello, bob"\}, got .*"from":0`},
		{"numbers the messages of each member", "v2-seq", `bob: expected the message "message 2" to be accepted with the seq 2, got 1`},
		{"stores repeated messages again", "v2-repeated-n", "alice: expected the message 1 to be accepted again with the seq 1, got 2"},
		{"keeps acks to itself", "v2-delivered", `alice: expected a frame of the type \["delivered"\], got nothing`},
		{"keeps nothing for joiners", "v2-kept", `bob: expected a frame of the type \["message"\], got nothing in 10s, .*when the message 1, "early", was due`},

		{"does not tell who is back", "v2-away", `bob: expected a frame of the type \["back"\], got nothing`},
		{"replays from the start", "v2-resume", `alice, resumed: expected the message 2, "two", got .*one`},
		{"forgets the last n", "v2-resume-n", "expected an n of 2 in the welcome, got"},
		{"keeps the old connection of a resumed seat", "v2-replaced", "alice: expected the end of the connection, which is still open"},
		{"does not compare the first character of tokens", "v2-wrong-token", "mallory: expected to be refused with the close code 4004 .*, got the frame"},
		{"keeps the seats of those who left", "v2-left-for-good", "bob, back: expected to be refused with the close code 4004 .*, got the frame"},
		{"asks for a known address when a seat is resumed", "v2-resume-anywhere", `from a third address: alice, resumed: expected .* got the close code 4012 "address-refused"`},
		{"never gives up a seat", "v2-given-up", `resume_timeout is 2s, and alice has been away for 12s: bob: expected a frame of the type \["left"\], got nothing`},

		{"counts acks as messages", "v2-exchanges", "message 6 of 10 that may be sent: alice: expected a frame .* got the close code 4013"},
		{"does not count away seats", "v2-away-seats", `one too many: expected to be refused with the close code 4011 .*, got the frame`},
		{"does not warn of the end", "v2-ending", `alice: expected a frame of the type \["ending"\], got nothing`},

		{"does not tell who is there over HTTP", "v2-http-join", `bob: expected alice, 1, as the one member in the welcome, got`},
		{"does not wait in long polls", "v2-http-poll", "in a long poll, got none in three"},
		{"takes no notice of Last-Event-ID", "v2-http-stream", `expected the message 2, "newer", after Last-Event-ID: 1, got .*old`},
		{"does not tell posted messages to WebSockets", "v2-http-with-ws", "bob, over a WebSocket: expected"},
		{"asks for no token over HTTP", "v2-http-token", "with no token: expected 401 Unauthorized, got 200 OK"},
		{"has problems in plain text", "v2-http-unknown", "expected application/problem.json with the reason no-such-channel, got"},
		{"calls a full channel gone", "v2-http-full", "one too many: alice: POST .* expected 409 Conflict, got 410 Gone"},
		{"does not let members over HTTP leave", "v2-http-leave", "after bob has left: bob: POST .* expected 401 Unauthorized, got 200"},
		{"does not let a creator over HTTP end a channel", "v2-http-end", "expected 404 Not Found, got"},
	}
}
