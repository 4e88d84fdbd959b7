// Package pairing is the door of docs/protocol.md: both versions over WebSocket, and version 2 over plain HTTP. It turns
// connections into members of a relay.Hub and what they send into messages there. It is the only
// package that knows gorilla/websocket.
//
// # What a connection costs
//
// An idle connection has one goroutine, its reader, on a small stack of its own: the HTTP handler
// has returned. It has no timer: one sweep serves all connections. It has no write buffer: whoever
// puts something past a member's cursor writes it, from a pooled buffer, in its own goroutine; only
// when the socket takes no more does a goroutine start that waits for it (see socket).
//
// # What is checked where
//
// What a client sends passes the gate first, which knows RFC 6455 frame by frame and ends the
// connection before gorilla sees what it may not see; so every close carries a reason of ours.
// Texts and control frames that have come whole are then unmasked where they lie; gorilla does the handshake, and puts
// together what comes in parts. Whole messages are checked for UTF-8 (and base64url, if required) and
// handed to the hub, which counts them.
package pairing
