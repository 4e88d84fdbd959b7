package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"channelserver/client"
	"channelserver/client/encrypted"
)

// endings are the ways in which a server ends a channel or a seat (docs/protocol.md section 4), in the words
// of a person, with the exit status where it is not exitFailed.
var endings = map[string]struct {
	words  string
	status int
}{
	"shutdown":          {"The server was stopped. Start again when it is back.", exitFailed},
	"restart":           {"The server is being restarted. Start again.", exitFailed},
	"channel-expired":   {"The time is over. Start again with a new link.", exitFailed},
	"channel-ended":     {"The device that made the link has ended the pairing.", exitFailed},
	"no-such-channel":   {"This link is used up: its time is over, or everybody has left. Ask for a new one.", exitRefused},
	"bad-channel-id":    {"This is no link of this server. Ask for a new one.", exitRefused},
	"channel-full":      {"Too many devices are here already. Ask for a new link.", exitRefused},
	"address-refused":   {"The server lets nobody else in from this network. Ask for a new link.", exitRefused},
	"too-many-messages": {"The server carries no more messages for this pairing. Start again for the rest.", exitFailed},
	"too-much-data":     {"The server carries no more data for this pairing. Start again for the rest.", exitFailed},
	"missed-messages":   {"This device was away for too long, and has missed something. Start again.", exitFailed},
	"replaced":          {"Another program goes on with this pairing.", exitFailed},
	"slow":              {"The network is too slow for the server. Start again on a better one.", exitFailed},
}

// explain returns what a person is told about an error that ends a pairing, and the exit status.
func explain(err error, server string) (words string, status int) {
	switch {
	case errors.Is(err, encrypted.ErrWrongSecret):
		return "This link has a wrong secret: it was not copied whole, or somebody has changed it. Ask for a new one.", exitRefused
	case errors.Is(err, encrypted.ErrAlreadyPaired):
		return "Another device has come with this link before. If it is not yours, tell the other side at once. Ask for a new link.", exitRefused
	case errors.Is(err, encrypted.ErrMissing):
		return "Something that the other device has sent was kept back on the way. Start again, and do not trust this server.", exitFailed
	}
	if closed, ok := errors.AsType[*client.CloseError](err); ok {
		if known, ok := endings[closed.Reason]; ok {
			return known.words, known.status
		}
		return fmt.Sprintf("The server has ended the pairing: %d %s.", closed.Code, closed.Reason), exitFailed
	}
	if answer, ok := errors.AsType[*client.StatusError](err); ok {
		return explainStatus(answer, server), exitFailed
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Sprintf("There is no way to the server %s: %v. Does it run, and is its address right?", server, network), exitFailed
	}
	detail := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "encrypted: "), "client: ")
	return fmt.Sprintf("The pairing has failed: %s.", detail), exitFailed
}

func explainStatus(answer *client.StatusError, server string) string {
	when := "later"
	if answer.RetryAfter > 0 {
		when = "in " + lasting(answer.RetryAfter)
	}
	switch answer.Code {
	case http.StatusTooManyRequests:
		return fmt.Sprintf("Your network has asked the server %s for too much. Try again %s.", server, when)
	case http.StatusServiceUnavailable:
		return fmt.Sprintf("The server %s takes no more for now. Try again %s.", server, when)
	}
	return fmt.Sprintf("%s does not answer as a channelserver does, but with HTTP status %d. Is the address right?", server, answer.Code)
}

// systems and browsers are looked for in a User-Agent header; the first that is found counts.
var (
	systems  = [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}}
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
)

// who returns what a device says it is and where its address is registered, like "Firefox on Android, from
// Linköping, Sweden (192.0.2.7)". None of it is proven.
func who(s client.Sender) string {
	device := "A device"
	system, browser := found(systems, s.UserAgent), found(browsers, s.UserAgent)
	switch {
	case browser != "" && system != "":
		device = browser + " on " + system
	case browser != "":
		device = browser
	case s.UserAgent != "":
		device = oneLine(s.UserAgent, 60)
	}
	var place []string
	for _, name := range []string{s.City, s.Region, s.Country} {
		if name = oneLine(name, 60); name != "" && (len(place) == 0 || place[len(place)-1] != name) {
			place = append(place, name)
		}
	}
	if len(place) > 0 {
		device += ", from " + strings.Join(place, ", ")
	}
	if s.Remote != "" {
		device += " (" + oneLine(s.Remote, 60) + ")"
	}
	return device
}

func found(names [][2]string, text string) string {
	for _, name := range names {
		if strings.Contains(text, name[0]) {
			return name[1]
		}
	}
	return ""
}

// oneLine returns at most so many characters of a text, in one line.
func oneLine(text string, most int) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > most {
		line = append(line[:most-1], '…')
	}
	return string(line)
}

// size writes a count of octets.
func size(octets int64) string {
	switch {
	case octets == 1:
		return "1 byte"
	case octets < 1000:
		return fmt.Sprintf("%d bytes", octets)
	case octets < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(octets)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(octets)/1000_000)
}

// lasting writes a time in minutes and seconds.
func lasting(d time.Duration) string {
	seconds := int(d.Round(time.Second) / time.Second)
	if seconds < 120 {
		return fmt.Sprintf("%d s", seconds)
	}
	if seconds%60 == 0 {
		return fmt.Sprintf("%d min", seconds/60)
	}
	return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
}
