package main

import (
	"bytes"
	"strings"
	"testing"

	"channelserver/logs"
)

func TestHTTPLog(t *testing.T) {
	for _, c := range []struct{ message, severity, want string }{
		{"http: TLS handshake error from 192.0.2.77:4711: EOF\n", "7", "http: TLS handshake error from 192.0.2.0/24: EOF"},
		{
			"http: TLS handshake error from [2001:db8:1:2:3:4:5:6]:4711: read tcp [2001:db8::1]:8000->[2001:db8:1:2::6%eth0]:4711: reset", "7",
			"http: TLS handshake error from 2001:db8:1::/48: read tcp 2001:db8::/48->2001:db8:1::/48: reset",
		},
		{"http: Accept error: accept tcp 127.0.0.1:8000: too many open files; retrying in 5ms", "3", "http: Accept error: accept tcp 127.0.0.0/24: too many open files; retrying in 5ms"},
		{"http: panic serving 192.0.2.77:4711: boom\ngoroutine 1", "3", `http: panic serving 192.0.2.0/24: boom\ngoroutine 1`},
		{"http: panic serving [x]:1: boom", "3", "http: panic serving invalid Prefix: boom"},
	} {
		var out bytes.Buffer
		newHTTPLog(logs.New(&out, logs.Options{Debug: true})).Print(c.message)
		if line := out.String(); !isMozlog(line) || !strings.Contains(line, `"Severity":`+c.severity+",") || !strings.Contains(line, `{"msg":"`+c.want+`"}`) {
			t.Errorf("%q is logged as %s", c.message, line)
		}
	}
}
