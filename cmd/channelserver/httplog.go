package main

import (
	"context"
	"log"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"

	"channelserver/geo"
)

// An httpLog takes what net/http has to say. Most of it is about what clients do wrong, which is
// for debugging; what the server itself cannot do is an error.
type httpLog struct {
	log       *slog.Logger   // static, like the rest
	addresses *regexp.Regexp // with a port after them
}

func newHTTPLog(to *slog.Logger) *log.Logger {
	return log.New(httpLog{to, regexp.MustCompile(`\d+(\.\d+){3}:\d+|\[[^][ ]*\]:\d+`)}, "", 0)
}

// Write takes one message. Of addresses it logs the network only.
func (l httpLog) Write(message []byte) (int, error) {
	text := l.addresses.ReplaceAllStringFunc(strings.TrimSpace(string(message)), func(found string) string {
		address, _ := netip.ParseAddrPort(found)
		return geo.Mask(address.Addr()).String()
	})
	level := slog.LevelDebug
	for _, ours := range []string{"http: Accept error", "http: panic"} {
		if strings.HasPrefix(text, ours) {
			level = slog.LevelError
		}
	}
	l.log.Log(context.Background(), level, text)
	return len(message), nil
}
