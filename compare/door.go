package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"channelserver/load"
)

// floorDoor opens pairs at the raw TCP relay, whose framing package floor tells.
type floorDoor struct{}

// Open implements load.Door.
func (floorDoor) Open(ctx context.Context, d *load.Dialer) (a, b load.Conn, err error) {
	first, name, err := openFloor(ctx, d, nil)
	if err != nil {
		return nil, nil, err
	}
	second, _, err := openFloor(ctx, d, name)
	if err != nil {
		first.Close()
		return nil, nil, err
	}
	return first, second, nil
}

// openFloor opens one connection of a pair, and returns the pair's name.
func openFloor(ctx context.Context, d *load.Dialer, name []byte) (*floorConn, []byte, error) {
	_, raw, err := d.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	c := &floorConn{conn: raw, reader: bufio.NewReaderSize(raw, 1024)}
	if err := c.Send([][]byte{name}); err != nil {
		raw.Close()
		return nil, nil, err
	}
	name, err = c.Receive()
	if err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("the name of a pair: %w", err)
	}
	return c, name, nil
}

// A floorConn is one end of a pair at the raw TCP relay.
type floorConn struct {
	conn   net.Conn
	reader *bufio.Reader
	out    []byte // what is being sent; used again
	in     []byte // the last message; used again
}

// Send implements load.Conn.
func (c *floorConn) Send(messages [][]byte) error {
	c.out = c.out[:0]
	for _, message := range messages {
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(message)))
		c.out = append(c.out, message...)
	}
	_, err := c.conn.Write(c.out)
	return err
}

// Receive implements load.Conn.
func (c *floorConn) Receive() ([]byte, error) {
	header, err := c.reader.Peek(4)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(header))
	if size > 1<<16 {
		return nil, fmt.Errorf("a message of %d octets", size)
	}
	_, _ = c.reader.Discard(4)
	if size > cap(c.in) {
		c.in = make([]byte, size)
	}
	c.in = c.in[:size]
	_, err = io.ReadFull(c.reader, c.in)
	return c.in, err
}

// Close implements load.Conn.
func (c *floorConn) Close() error { return c.conn.Close() }

// NetConn implements load.Conn.
func (c *floorConn) NetConn() net.Conn { return c.conn }
