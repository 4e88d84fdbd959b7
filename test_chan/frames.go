package main

import "encoding/binary"

// Octets of a frame header (RFC 6455 section 5.2).
const (
	fin            = 0x80
	rsv1           = 0x40
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opReserved     = 0x3
	opClose        = 0x8
	opPing         = 0x9
)

// frame makes a frame with a first octet of the caller's choice, masked with a key of zeros, which
// leaves the payload readable (RFC 6455 section 5.3).
func frame(first byte, payload []byte) []byte { return bareFrame(first, 0x80, payload) }

// bareFrame is frame with or without the mask bit.
func bareFrame(first, mask byte, payload []byte) []byte {
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, mask|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, mask|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, mask|127), uint64(n))
	}
	if mask != 0 {
		f = append(f, 0, 0, 0, 0)
	}
	return append(f, payload...)
}
