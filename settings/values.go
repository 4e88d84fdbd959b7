package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// The types below are kinds of value. The Decode method of each makes it an envconfig.Decoder:
// it parses and checks the text of a variable or argument, and its error says what to give
// instead, for a sentence that has already named the setting and the text.

// A Port is a TCP port; 0 stands for any free one.
type Port uint16

// Decode sets p.
func (p *Port) Decode(text string) error {
	n, err := wholeNumber(text, 0, 65535)
	*p = Port(n)
	return err
}

// A Count is how many of something there may be; 0 stands for no limit.
type Count int

// Decode sets c.
func (c *Count) Decode(text string) error {
	n, err := wholeNumber(text, 0, 1_000_000_000)
	*c = Count(n)
	return err
}

// Seats is how many connections a channel holds. A channel nobody can enter and one without a
// bound make no sense, so there is no 0.
type Seats int

// Decode sets s.
func (s *Seats) Decode(text string) error {
	n, err := wholeNumber(text, 1, 10_000)
	*s = Seats(n)
	return err
}

// Octets is an amount of data; 0 stands for no limit.
type Octets int64

// Decode sets o.
func (o *Octets) Decode(text string) error {
	n, err := wholeNumber(text, 0, 1<<40)
	*o = Octets(n)
	return err
}

// A MessageSize is the octets of one message. It has an upper bound because every connection may
// make the server hold that much.
type MessageSize int

// Decode sets m.
func (m *MessageSize) Decode(text string) error {
	n, err := wholeNumber(text, 1, 16<<20)
	*m = MessageSize(n)
	return err
}

func wholeNumber(text string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("give a whole number from %d to %d", low, high)
	}
	return n, nil
}

// Seconds is a duration, in nanoseconds as time.Duration is. It is written in seconds (300) or
// with a unit (5m). What 0 stands for differs from setting to setting.
type Seconds time.Duration

// Decode sets s.
func (s *Seconds) Decode(text string) error {
	d, err := duration(text)
	if err != nil || d != 0 && !inRange(d) {
		return errors.New("give seconds (300) or a duration (5m), from 1ms to 8760h, or 0")
	}
	*s = Seconds(d)
	return nil
}

// PositiveSeconds is a duration that cannot be 0.
type PositiveSeconds time.Duration

// Decode sets s.
func (s *PositiveSeconds) Decode(text string) error {
	d, err := duration(text)
	if err != nil || !inRange(d) {
		return errors.New("give seconds (300) or a duration (5m), from 1ms to 8760h")
	}
	*s = PositiveSeconds(d)
	return nil
}

// inRange excludes periods so short that the server would do nothing else, and so long that sums
// of them with the time of day overflow.
func inRange(d time.Duration) bool {
	return d >= time.Millisecond && d <= 365*24*time.Hour
}

func duration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	return time.ParseDuration(text)
}

// A Switch is on or off.
type Switch bool

// Decode sets s. It knows the words that Mozilla's channelserver knew.
func (s *Switch) Decode(text string) error {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1", "yes", "on":
		*s = true
	case "false", "0", "no", "off":
		*s = false
	default:
		return errors.New("give true or false")
	}
	return nil
}

// A Host is an IP address, without brackets, or a host name; empty stands for every address.
type Host string

// Decode sets h. An IPv6 address may be in brackets.
func (h *Host) Decode(text string) error {
	host := unbracket(strings.TrimSpace(text))
	if host != "" && !isHost(host) {
		return errors.New("give an address (0.0.0.0, ::1) or a host name, without a port")
	}
	*h = Host(host)
	return nil
}

// An Address is where to listen, as net.Listen takes it: host:port, where the host may be empty;
// an empty Address stands for not at all.
type Address string

// Decode sets a.
func (a *Address) Decode(text string) error {
	text = strings.TrimSpace(text)
	if text != "" {
		host, port, err := net.SplitHostPort(text)
		if err != nil || host != "" && !isHost(host) || !isPort(port) {
			return errors.New("give host:port (127.0.0.1:8001, [::1]:8001, :8001), or nothing to turn it off")
		}
	}
	*a = Address(text)
	return nil
}

// A StatsdAddr is where to send datagrams, always with its port: host:port; empty stands for
// nowhere.
type StatsdAddr string

// Decode sets a, adding statsd's usual port where there is none.
func (a *StatsdAddr) Decode(text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		*a = ""
		return nil
	}
	host, port := unbracket(text), "8125"
	if !isHost(host) {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil || !isHost(host) || !isPort(port) || port == "0" {
			return errors.New("give a host or host:port (127.0.0.1, statsd.example.com:8125), or nothing to turn it off")
		}
	}
	*a = StatsdAddr(net.JoinHostPort(host, port))
	return nil
}

func unbracket(host string) string {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if opened && closed && strings.Contains(inner, ":") {
		return inner
	}
	return host
}

// isHost tells IP addresses and host names (RFC 1123 section 2.1, with the underscores that
// container networks use) from anything else. A name that ends in a number is a mistyped address.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 {
		return false
	}
	var last string
	for last = range strings.SplitSeq(host, ".") {
		if len(last) > 63 || !isLabel(last) {
			return false
		}
	}
	_, err := strconv.ParseUint(last, 10, 64)
	return err != nil
}

func isLabel(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return text != "" && text[0] != '-' && text[len(text)-1] != '-'
}

// isPort wants a port as it is usually written: without a sign or leading zeros.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == text
}

// Proxies is a list of addresses and CIDR blocks, separated by commas or white space, each
// known to be well-formed. Empty stands for none.
type Proxies string

// Decode sets p.
func (p *Proxies) Decode(text string) error {
	var bad []string
	for _, element := range elements(text) {
		addr, notAddr := netip.ParseAddr(element)
		_, notPrefix := netip.ParsePrefix(element)
		if notAddr != nil && notPrefix != nil || addr.Zone() != "" {
			bad = append(bad, strconv.Quote(element))
		}
	}
	if bad != nil {
		return fmt.Errorf("give addresses (192.0.2.1, 2001:db8::1) and CIDR blocks (10.0.0.0/8); not so: %s", strings.Join(bad, ", "))
	}
	*p = Proxies(text)
	return nil
}

// Origins is a list of what an Origin header (RFC 6454 section 7) may be, in the form in which
// browsers send it: lower case, without the scheme's usual port. A host that begins with "*."
// stands for all its subdomains. Empty stands for any origin.
type Origins []string

// Decode sets o.
func (o *Origins) Decode(text string) error {
	var origins, bad []string
	for _, element := range elements(text) {
		if origin, ok := origin(element); ok {
			origins = append(origins, origin)
		} else {
			bad = append(bad, strconv.Quote(element))
		}
	}
	if bad != nil {
		return fmt.Errorf("give origins without a path (https://example.com, https://*.example.com, http://localhost:8080, null), or nothing to allow any; not so: %s", strings.Join(bad, ", "))
	}
	*o = origins
	return nil
}

func origin(text string) (string, bool) {
	text = strings.ToLower(text)
	if text == "null" {
		return text, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Scheme+"://"+u.Host != text {
		return "", false // not a URL, or one with more than an origin has
	}
	if !isHost(strings.TrimPrefix(u.Hostname(), "*.")) {
		return "", false
	}
	switch port := u.Port(); {
	case strings.HasSuffix(u.Host, ":"), port != "" && !isPort(port):
		return "", false
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		return strings.TrimSuffix(text, ":"+port), true
	}
	return text, true
}

// elements splits a list at commas and white space.
func elements(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool {
		return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n'
	})
}

// A Language is a tag of BCP 47, in its usual spelling.
type Language string

// Decode sets l.
func (l *Language) Decode(text string) error {
	tag, err := language.Parse(strings.TrimSpace(text))
	if err != nil {
		return errors.New("give a BCP 47 language tag (en, pt-BR)")
	}
	*l = Language(tag.String())
	return nil
}

// A MetricName is what the names of statistics begin with; empty stands for nothing.
type MetricName string

// Decode sets m. It refuses what would break the statsd line format.
func (m *MetricName) Decode(text string) error {
	text = strings.TrimSpace(text)
	if ok, _ := regexp.MatchString(`^[A-Za-z0-9_.-]{0,100}$`, text); !ok {
		return errors.New("give up to 100 letters, digits and _ . -")
	}
	*m = MetricName(text)
	return nil
}
