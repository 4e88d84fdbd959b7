package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/pires/go-proxyproto"
)

// proxyHeader returns a header of the PROXY protocol that names a client.
func proxyHeader(t testing.TB, version byte, client string) string {
	t.Helper()
	from := &net.TCPAddr{IP: net.ParseIP(client), Port: 4711}
	to := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 80), Port: 80}
	if from.IP.To4() == nil {
		to.IP = net.ParseIP("2001:db8::80")
	}
	octets, err := proxyproto.HeaderProxyFromAddrs(version, from, to).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

// through opens a WebSocket over a connection that begins with a header of the PROXY protocol.
func (p *process) through(header, path string) (*client, int) {
	p.t.Helper()
	dialer := websocket.Dialer{
		HandshakeTimeout: patience, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				_, err = io.WriteString(conn, header)
			}
			return conn, err
		},
	}
	ws, response, err := dialer.DialContext(p.t.Context(), strings.Replace(p.scheme, "http", "ws", 1)+"://"+p.address+path, nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, response.StatusCode
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(patience))
	c := &client{t: p.t, ws: ws}
	var first struct{ Link, ChannelID string }
	if err := ws.ReadJSON(&first); err != nil {
		p.t.Fatal(err)
	}
	c.link, c.id = first.Link, first.ChannelID
	return c, 101
}

// The client that a trusted proxy names is the sender, in both versions of the PROXY protocol, with
// and without TLS; and what follows the header arrives whole.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	files := newPEMPair(t)
	files.write(t, 1)
	for name, args := range map[string][]string{"plain": nil, "TLS": {"--tls_cert=" + files.cert, "--tls_key=" + files.key}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(args, "--proxy_protocol", "--trusted_proxy_list=127.0.0.1", "--mmdb_loc=", "--max_exchanges=0", "--max_openings_per_minute=1")...)
			const v4, v6 = "203.0.113.7", "2001:db8:1:2::3"
			a, _ := p.through(proxyHeader(t, 1, v4), "/v1/ws/")
			b, _ := p.through(proxyHeader(t, 2, v6), a.link)
			for range 100 {
				a.send(strings.Repeat("x", 5000))
			}
			for range 100 {
				if sender := b.hears(strings.Repeat("x", 5000)); sender["remote"] != v4 {
					t.Fatalf("a comes from %q", sender["remote"])
				}
			}
			b.send("back")
			if sender := a.hears("back"); sender["remote"] != v6 {
				t.Fatalf("b comes from %q", sender["remote"])
			}
			if _, status := p.through(proxyHeader(t, 2, v4), "/v1/ws/"); status != 429 {
				t.Errorf("a second channel from %s: status %d", v4, status)
			}
			if c, status := p.through(proxyHeader(t, 2, "203.0.113.8"), "/v1/ws/"); c == nil {
				t.Errorf("a channel from a neighbour: status %d", status)
			}
			if status := p.healthcheck(append(args, "--proxy_protocol", "--trusted_proxy_list=127.0.0.1")...); status != 0 {
				t.Errorf("the health check: status %d", status)
			}
		})
	}
}

// All of a handshake and a message may come in one packet with the header.
func TestProxyProtocolAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, "--proxy_protocol", "--trusted_proxy_list=127.0.0.1", "--mmdb_loc=", "--max_channel_connections=9")
	a, _ := p.through(proxyHeader(t, 2, "203.0.113.7"), "/v1/ws/")
	for _, length := range []int{10, 100, 600} {
		message := strings.Repeat("x", length)
		frame := []byte{0x81, 0x80 | 126, byte(length >> 8), byte(length), 0, 0, 0, 0}
		if length < 126 {
			frame = []byte{0x81, 0x80 | byte(length), 0, 0, 0, 0}
		}
		p.raw(proxyHeader(t, 1, "203.0.113.7") + strings.Replace(handshake, "/v1/ws/", a.link, 1) + "\r\n" + string(frame) + message)
		a.hears(message)
	}
}

// A trusted proxy has to send a header, and nobody else may.
func TestProxyProtocolRefuses(t *testing.T) {
	t.Parallel()
	header := proxyHeader(t, 1, "203.0.113.7")
	trusting := start(t, "--proxy_protocol", "--trusted_proxy_list=127.0.0.1", "--mmdb_loc=")
	for name, octets := range map[string]string{
		"no header":       "GET /__heartbeat__ HTTP/1.1\r\nHost: x\r\n\r\n",
		"a bad header":    "PROXY TCP4 nonsense\r\nGET /__heartbeat__ HTTP/1.1\r\nHost: x\r\n\r\n",
		"a bad header 2":  "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x04abcdGET / HTTP/1.1\r\n\r\n",
		"an endless line": "PROXY " + strings.Repeat("x", 1000),
	} {
		if answer, _ := io.ReadAll(trusting.raw(octets)); len(answer) > 0 {
			t.Errorf("%s is answered %q", name, answer)
		}
	}
	expect(t, "a header", trusting.raw(header+"GET /__heartbeat__ HTTP/1.1\r\nHost: x\r\n\r\n"), 200)

	for name, args := range map[string][]string{
		"off":            {"--trusted_proxy_list=127.0.0.1"},
		"from elsewhere": {"--proxy_protocol", "--trusted_proxy_list=192.0.2.1"},
	} {
		p := start(t, append(args, "--mmdb_loc=")...)
		for _, version := range []byte{1, 2} {
			answer, _ := io.ReadAll(p.raw(proxyHeader(t, version, "203.0.113.7") + "GET /__heartbeat__ HTTP/1.1\r\nHost: x\r\n\r\n"))
			if !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
				t.Errorf("%s: a header of version %d is answered %q", name, version, answer)
			}
		}
		if status := p.get("/__heartbeat__").status; status != 200 {
			t.Errorf("%s: without a header status %d", name, status)
		}
	}
}
