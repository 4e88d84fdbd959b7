package client

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// channelPath splits the path of a channel at the last place that names a version.
var channelPath = regexp.MustCompile(`(?s)^(.*)/v[12]/ws(?:/(.*))?$`)

// A server is where channels are: a URL with the scheme ws or wss whose path is what comes before the
// paths of the protocol.
type server struct{ base url.URL }

// parseURL reads the URL of a server, or of a channel there: its id is then not empty. The schemes
// http and https stand for ws and wss.
func parseURL(text string) (s server, id string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return s, "", fmt.Errorf("client: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return s, "", fmt.Errorf("client: the URL %q must begin with wss:// or https://, or with ws:// or http:// for no encryption", text)
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return s, "", fmt.Errorf("client: the URL %q must have a host, no user and no fragment", text)
	}
	path := u.Path
	if parts := channelPath.FindStringSubmatch(path); parts != nil {
		path, id = parts[1], parts[2]
	}
	if id != "" && !isID(id) {
		return s, "", fmt.Errorf("client: the URL %q must end with the id of a channel: letters, digits, - and _", text)
	}
	u.Path, u.RawPath = strings.TrimRight(path, "/"), ""
	s.base = *u
	return s, id, nil
}

// url returns where a channel is joined, or with an empty id minted.
func (s server) url(version int, id string) string {
	u := s.base
	u.Path = fmt.Sprintf("%s/v%d/ws/%s", u.Path, version, id)
	return u.String()
}
