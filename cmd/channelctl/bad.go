package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// badPatience is how long a bad client waits for what the server makes of it.
const badPatience = 5 * time.Second

// badClients returns what bad clients do, each for a few seconds at most. An error says that the client could
// not even begin.
func badClients() []func(*target) error {
	mask := []byte{0, 0, 0, 0}
	ping := append([]byte{0x89, 0x80}, mask...)
	return []func(*target) error{
		octets([]byte{0x81, 0x01, 'a'}),                                 // unmasked
		octets([]byte{0xF1, 0x80}),                                      // reserved bits
		octets([]byte{0x83, 0x80}),                                      // reserved opcode
		octets(append(append([]byte{0x81, 0x82}, mask...), 0xC3, 0x28)), // no UTF-8
		octets([]byte{0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}), // 2^63-1 octets
		octets(bytes.Repeat(ping, 7000)),
		octets(append(append([]byte{0x01, 0x80}, mask...), bytes.Repeat(append([]byte{0x00, 0x80}, mask...), 2000)...)), // empty fragments
		wrongID,
		silent,
		reset,
		request("GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nUpgr"),
		request("GET /v1/ws/ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"),
		request("POST /v2/channels/x/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" + strings.Repeat("x", 64<<10)),
		request("\x16\x03\x01\x00\x00\r\n\r\n"),
	}
}

// octets opens a channel, says this and reads what comes, to the end.
func octets(all []byte) func(*target) error {
	return func(t *target) error {
		ws, err := t.dial("/v1/ws/")
		if err != nil {
			return err
		}
		defer ws.Close()
		ws.NetConn().SetDeadline(time.Now().Add(badPatience))
		_, _ = ws.NetConn().Write(all)
		_, _ = io.Copy(io.Discard, ws.NetConn())
		return nil
	}
}

// wrongID asks for a channel that does not exist.
func wrongID(t *target) error {
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	ws, err := t.dial("/v1/ws/" + base64.RawURLEncoding.EncodeToString(id))
	if err != nil {
		return err
	}
	defer ws.Close()
	_, _, _ = ws.ReadMessage()
	return nil
}

// silent takes a seat beside another, and reads nothing of what that says.
func silent(t *target) error {
	talker, err := t.take(1, "")
	if err != nil {
		return err
	}
	defer talker.ws.Close()
	other, err := t.dial("/v1/ws/" + talker.id)
	if err != nil {
		return err
	}
	defer other.Close()
	for range perPair {
		if err := talker.send(strings.Repeat("silence-", 4000)); err != nil {
			return nil
		}
	}
	return nil
}

// reset goes in the middle of a message, without a word.
func reset(t *target) error {
	ws, err := t.dial("/v1/ws/")
	if err != nil {
		return err
	}
	defer ws.Close()
	_, _ = ws.NetConn().Write([]byte{0x81, 0xFE, 0x10, 0x00, 0, 0, 0, 0, 'h', 'a', 'l', 'f'})
	if conn, ok := ws.NetConn().(*net.TCPConn); ok {
		_ = conn.SetLinger(0)
	}
	return nil
}

// request says this instead of a handshake, and waits for the beginning of an answer, but not for long.
func request(text string) func(*target) error {
	return func(t *target) error {
		port := t.url.Port()
		if port == "" {
			port = map[string]string{"ws": "80", "wss": "443"}[t.url.Scheme]
		}
		address := net.JoinHostPort(t.url.Hostname(), port)
		dialer := &net.Dialer{Timeout: badPatience}
		conn, err := dialer.Dial("tcp", address)
		if t.url.Scheme == "wss" && err == nil {
			conn = tls.Client(conn, &tls.Config{ServerName: t.url.Hostname()})
		}
		if err != nil {
			return fmt.Errorf("opening: %w", err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(conn, text)
		_, _ = conn.Read(make([]byte, 1))
		return nil
	}
}
