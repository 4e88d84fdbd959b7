// Package encrypted pairs two devices over a channel whose server cannot read what they say
// (docs/encryption.md). One creates a channel and shows its link, as a QR code for example; the other
// joins by that link.
//
//	channel, err := encrypted.Create(ctx, nil, "https://pair.example")
//	// show channel.Link() to the other device, which does encrypted.Join(ctx, nil, link)
//	for {
//		event, err := channel.Receive(ctx)
//		...
//	}
//
// Both are told Paired when they have agreed on keys. Its short string is the same on both sides and on
// no other: have people compare it before anything else is done.
//
// # Receiving
//
// A program has to keep receiving: it is Receive that takes part in the pairing, and that tells of
// the members of the channel, which may be others than the one this side is paired with. The rules of
// package client about receiving apply.
//
// # Concurrency
//
// The methods of a Channel may be called at the same time, but for Receive, which is for one goroutine at
// a time. A Channel uses goroutines until Leave, End or Close is called, or Receive has returned an error
// other than that of its context.
//
// # Errors
//
// An error is final, except for those of a context, ErrNotPaired, client.RefusedError and
// errors.ErrUnsupported, which are about one call. The errors of package client are found with errors.As.
package encrypted
