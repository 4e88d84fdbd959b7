package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"channelserver/settings"
)

// healthcheck asks the server that runs with the same settings on this machine whether it works.
// It is for containers, whose images have no shell and no HTTP client.
func healthcheck(ctx context.Context, s settings.Settings, _ *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host := string(s.Hostname)
	switch host { // as addresses: an image from scratch has no /etc/hosts to tell localhost
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	scheme := "http"
	if s.TLSCert != "" {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(s.Port))) + "/__heartbeat__"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// The certificate is for the name that clients use, not for this machine's own.
	dial, err := proxyDialer(&s)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: dial}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not well: %s answered %s", url, response.Status)
	}
	return nil
}
