// Package admission decides, before a request costs the server anything, whether its client gets in
// (docs/protocol.md section 3): by what the client's address has done in the last minute and has open
// now, and by what the whole server holds.
//
// At a bound the newest comer is turned away, with a time after which to come back. Nobody who is in
// already is put out, and whoever shows the secret of a living channel or seat is not held
// responsible for neighbours behind the same address.
//
// All methods may be called at the same time.
package admission
