package pairing

import "strings"

// OriginAllowed tells whether a request with these values of the Origin header (RFC 6454 section 7)
// may connect. A pattern is an origin, exactly as browsers write it (https://example.com,
// https://example.com:8443); or one whose host starts with "*.", for every host below a domain,
// however deep, but not the domain itself; or "null". No patterns allow all. A request without an
// Origin does not come from a browser and is always allowed: origins protect people's browsers,
// and programs can claim any.
func OriginAllowed(patterns, origins []string) bool {
	if len(patterns) == 0 || len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	for _, pattern := range patterns {
		pattern = strings.ToLower(pattern)
		if origin == pattern {
			return true
		}
		scheme, domain, found := strings.Cut(pattern, "://*.")
		if !found {
			continue
		}
		host, ok := strings.CutPrefix(origin, scheme+"://")
		if label, ok2 := strings.CutSuffix(host, "."+domain); ok && ok2 && label != "" && !strings.ContainsAny(label, "/:@") {
			return true
		}
	}
	return false
}
