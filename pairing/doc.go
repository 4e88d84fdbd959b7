// Package pairing is the door of docs/protocol.md: both versions over WebSocket, and version 2 over plain HTTP. It turns
// connections into members of a relay.Hub and what they send into messages there. It is the only
// package of the server that knows gorilla/websocket.
//
// # What a connection costs
//
// An idle connection has one goroutine, its reader, on a small stack of its own: the HTTP handler
// has returned, and what is read is handled on a borrowed one (see stack). It has no timer: one sweep serves all
// connections. It has no buffer, neither to read nor to write: whoever
// puts something past a member's cursor writes it, from a pooled buffer, in its own goroutine; only
// when the socket takes no more does a goroutine start that waits for it (see socket).
//
// # What is checked where
//
// The handshake is gorilla's. What a client sends after it passes the gate first, which knows RFC 6455 frame by frame, so that
// every close carries a reason of ours; the assembly makes messages of the frames, in place where they
// have come whole. Fuzzing holds both against gorilla. Whole messages are checked for UTF-8 (and base64url, if
// required) and handed to the hub, which counts them.
package pairing
