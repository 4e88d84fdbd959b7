// Package geo tells who a request appears to come from: the client's address
// behind proxies, the place of that address, and the languages in which the
// place may be named. It is what docs/protocol.md section 1 calls the sender
// metadata.
//
// All of it is a courtesy between people who pair their devices, not a proof:
// whatever is not known is left out, and never guessed.
//
// [Locator] ties the parts together and is all that a door of the server needs.
// [Proxies], [Wishes] and [Database] can be used by themselves.
//
// Concurrency: [Proxies] and [Wishes] do not change after they were parsed.
// All methods of [Database] and [Locator] may be called at the same time from
// any number of goroutines; a lookup never waits for a reload.
package geo
