package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// isPlain tells whether the head of a request is one about which there are no two minds (RFC 9112 sections 3 and 5): it gets a path,
// lines end in CR LF, fields are tokens, colons and printable values, the version is HTTP/1.1, there is one plain Host,
// the connection is to be upgraded to a WebSocket, and no body follows. The head ends with an empty line.
func isPlain(head []byte) bool {
	line, rest, _ := bytes.Cut(head, crlf)
	if !bytes.HasPrefix(line, []byte("GET /")) || !bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.Count(line, []byte(" ")) != 2 || !isVisible(line) {
		return false
	}
	hosts, upgrades := 0, 0
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return hosts == 1 && upgrades == 1
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) || !isVisible(value) {
			return false
		}
		value = bytes.Trim(value, " \t")
		switch {
		case is(name, "Host"):
			hosts++
			if !isHost(value) {
				return false
			}
		case is(name, "Upgrade"):
			upgrades++
			if !is(value, "websocket") {
				return false
			}
		case is(name, "Content-Length"), is(name, "Transfer-Encoding"), is(name, "Expect"), is(name, "Trailer"):
			return false
		}
	}
}

// parse returns the request of a head if that is a well-formed handshake, else nil. It is as http.ReadRequest makes it, but for
// what only an http.Server looks at, and for use until the next call.
func (d *desk) parse(whole int) *http.Request {
	if !isPlain(d.head[:whole]) {
		return nil
	}
	line, fields, _ := strings.Cut(string(d.head[:whole]), "\r\n")
	_, line, _ = strings.Cut(line, " ")
	target, proto, _ := strings.Cut(line, " ")
	address, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	clear(d.header)
	values := d.values[:0]
	for {
		var field string
		field, fields, _ = strings.Cut(fields, "\r\n")
		if field == "" {
			break
		}
		name, value, _ := strings.Cut(field, ":")
		name, value = canonical(name), strings.Trim(value, " \t")
		if old, ok := d.header[name]; ok {
			d.header[name] = append(old, value)
			continue
		}
		values = append(values, value)
		d.header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	d.values = values
	host := d.header["Host"][0]
	delete(d.header, "Host")
	d.request = http.Request{
		Method: http.MethodGet, URL: address, RequestURI: target, Host: host, Header: d.header, Body: http.NoBody,
		Proto: proto, ProtoMajor: 1, ProtoMinor: 1,
	}
	return &d.request
}

// canonical returns the canonical form of a field's name.
func canonical(name string) string {
	for _, known := range [...]struct{ sent, form string }{ // of each handshake, and unknown to textproto
		{"Sec-WebSocket-Key", "Sec-Websocket-Key"},
		{"Sec-WebSocket-Version", "Sec-Websocket-Version"},
		{"Sec-WebSocket-Extensions", "Sec-Websocket-Extensions"},
	} {
		if name == known.sent {
			return known.form
		}
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

var crlf = []byte("\r\n")

func is(text []byte, name string) bool {
	return len(text) == len(name) && strings.EqualFold(string(text), name)
}

// isToken tells whether text is a token (RFC 9110 section 5.6.2).
func isToken(text []byte) bool {
	for _, c := range text {
		if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(text) > 0
}

// isVisible tells whether text may be the value of a field (RFC 9110 section 5.5).
func isVisible(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isHost tells whether text is a plain host with or without a port.
func isHost(text []byte) bool {
	for _, c := range text {
		if !isAlphanumeric(c) && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return len(text) > 0
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
