// Package client speaks the protocol of channelserver (docs/protocol.md): it mints a channel or joins
// one, sends, receives, and takes its seat back when the connection is lost.
//
//	channel, err := new(client.Dialer).Create(ctx, "wss://channels.example")
//	// show channel.Link() to the other device, which does Dialer.Join(ctx, link)
//	for {
//		event, err := channel.Receive(ctx)
//		...
//	}
//
// # Versions
//
// A Dialer tries version 2 and falls back to version 1 where the server, such as Mozilla's, does not
// have it; Channel.Version tells. In version 2 a seat outlives its connections: after any loss the
// Channel connects again by itself, with growing random pauses, until the seat or the channel is gone.
// What was sent is stored once, and what the others sent is received once and in order, however often
// the connection breaks. In version 1 a Channel ends with its connection, Send knows no more than that
// the message was written, and the events are all of the kind Message.
//
// # Receiving
//
// A program has to keep receiving, or nothing else goes on: a Channel that holds more than 1 MiB or
// 256 events that were not received stops reading, answers to Send among them.
//
// A message is acknowledged when it has been processed, which is when Receive is called again, or
// Leave or End. Until then it is received again by a program that goes on with State and
// Dialer.Resume after a restart.
//
// # Concurrency
//
// A Dialer may be used by many goroutines at once if its fields are not changed meanwhile. The methods
// of a Channel may be called at the same time, but for Receive, which is for one goroutine at a time.
// Messages that are sent by one goroutine are stored in its order. A method with a context waits no
// longer than that lasts. A Channel uses goroutines until it is over or closed: call Close, Leave or
// End.
//
// # Errors
//
// An error of a Channel is final, except for those of a context, RefusedError and errors.ErrUnsupported,
// which are about one call. CloseError, StatusError and ErrClosed are found with errors.As and errors.Is.
package client
