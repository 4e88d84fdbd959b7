// Package load puts a measured load on a server that relays messages between the two members of a channel,
// leanly enough not to be the bottleneck: frames are made by hand over net.Conn, buffers are used again, and no goroutine
// waits for a connection that is idle. channelctl load is made of it, and so are comparisons with other servers.
//
// Its parts:
//
//   - A Dialer opens TCP or TLS connections to one server, from several loopback addresses in turn.
//   - A Door opens a channel of two with it: V1 and V2 are the versions of docs/protocol.md over WebSocket; other
//     protocols bring a Door of their own. A Conn is one member.
//   - A Pair is both members of a channel; OpenPairs opens many. A Lane is one direction of a pair: it sends
//     numbered messages and checks what comes out at the other end.
//   - Pairing is the whole life of a channel: open, some messages, close. OpenLoop sends at a fixed rate and measures from when a message should
//     have been sent. A Keeper answers the pings of connections that are idle.
//   - A Process is read for its CPU clock and its resident memory.
//   - Run runs a Scenario made of all that, and returns a Report.
//
// Latencies and counters may be used by many goroutines at one time; so may a Dialer and a Door. One goroutine may send on a Conn
// while another receives; no other methods of a Conn, Lane or Pair may run at the same time.
package load
