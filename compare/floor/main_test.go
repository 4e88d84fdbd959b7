package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
)

// TestNext holds that messages come out as they went in, however the octets arrive, and that a length
// that is too large ends it.
func TestNext(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	sizes := []int{0, 1, small - header, small, 1000, 1, maxMessage}
	var sent []byte
	for _, size := range sizes {
		sent = binary.BigEndian.AppendUint32(sent, uint32(size))
		sent = append(sent, bytes.Repeat([]byte{byte(size)}, size)...)
	}
	sent = binary.BigEndian.AppendUint32(sent, maxMessage+1)
	go func() {
		defer client.Close()
		for len(sent) > 0 { // in pieces that become smaller, down to 7 octets
			piece := min(len(sent), max(7, len(sent)/10))
			if _, err := client.Write(sent[:piece]); err != nil {
				return
			}
			sent = sent[piece:]
		}
	}()
	in := input{conn: server, buffer: make([]byte, small)}
	for _, size := range sizes {
		got, err := in.next()
		if err != nil || !bytes.Equal(got[header:], bytes.Repeat([]byte{byte(size)}, size)) {
			t.Fatalf("of a message of %d octets came %d, %v", size, len(got)-header, err)
		}
	}
	if got, err := in.next(); err == nil {
		t.Errorf("%d octets were accepted", len(got))
	}
}
