//go:build !linux

package load

// manyLoopbacks says that all of 127.0.0.0/8 is this machine's: elsewhere it is 127.0.0.1 only.
const manyLoopbacks = false
