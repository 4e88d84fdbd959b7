package main

import (
	"context"
	"log"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"channelserver/geo"
)

// acceptInterval is the least time between two lines of the log about connections that cannot be accepted.
const acceptInterval = time.Minute

// An httpLog takes what net/http has to say. Most of it is about what clients do wrong, which is
// for debugging; what the server itself cannot do is an error.
type httpLog struct {
	log       *slog.Logger   // static, like the rest
	addresses *regexp.Regexp // with a port after them
	accept    *rate.Sometimes
}

func newHTTPLog(to *slog.Logger) *log.Logger {
	addresses := regexp.MustCompile(`\d+(\.\d+){3}:\d+|\[[^][ ]*\]:\d+`)
	return log.New(httpLog{to, addresses, &rate.Sometimes{Interval: acceptInterval}}, "", 0)
}

// Write takes one message. Of addresses it logs the network only.
func (l httpLog) Write(message []byte) (int, error) {
	text := l.addresses.ReplaceAllStringFunc(strings.TrimSpace(string(message)), func(found string) string {
		address, _ := netip.ParseAddrPort(found)
		return geo.Mask(address.Addr()).String()
	})
	level := slog.LevelDebug
	switch {
	case strings.HasPrefix(text, "http: Accept error"): // net/http tries again, after at most a second
		l.accept.Do(func() { l.log.Error(text) })
		return len(message), nil
	case strings.HasPrefix(text, "http: panic"):
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, text)
	return len(message), nil
}
