package geo

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

const (
	// maxWishesBytes and maxWishes bound what is read of Accept-Language.
	// Browsers send a few ranges in well under 200 octets.
	maxWishesBytes = 1024
	maxWishes      = 16
	// maxRangeBytes is the least that RFC 5646 section 4.4.1 asks of those
	// who limit the length of a language tag.
	maxRangeBytes = 35
)

// Wishes are the languages somebody wants to read, from an Accept-Language
// header (RFC 9110 section 12.5.4). The zero value has no preference. Wishes
// do not change and may be shared.
type Wishes struct {
	ranges []wish // by falling quality; equal ones as they came
}

// wish is one language range and its quality.
type wish struct {
	any     bool         // the range "*"
	tag     language.Tag // if not any: language and perhaps script and region
	quality int          // in thousandths; 0 excludes
}

// ParseWishes reads the lines of an Accept-Language header. What is malformed,
// or no language, is dropped and the rest is used: a header of which nothing
// can be used is as good as none. Underscores are taken for hyphens, since old
// clients write en_US.
//
// The cost is bounded: what follows the first 16 ranges or 1024 octets is not
// read.
func ParseWishes(lines []string) Wishes {
	var ranges []wish
	maxBytes, seen := maxWishesBytes, 0
	for _, line := range lines {
		for rest, more := line, true; more && maxBytes > 0; {
			if len(rest) > maxBytes && !strings.Contains(rest[:maxBytes+1], ",") {
				return byQuality(ranges) // the element at the bound is not whole
			}
			var element string
			element, rest, more = strings.Cut(rest, ",")
			maxBytes -= min(len(element)+1, maxBytes)

			element = trimSpace(element)
			if element == "" {
				continue // lists may hold empty elements, RFC 9110 section 5.6.1
			}
			if seen++; seen > maxWishes {
				return byQuality(ranges)
			}
			if parsed, ok := parseWish(element); ok {
				ranges = append(ranges, parsed)
			}
		}
	}
	return byQuality(ranges)
}

func byQuality(ranges []wish) Wishes {
	slices.SortStableFunc(ranges, func(a, b wish) int { return cmp.Compare(b.quality, a.quality) })
	return Wishes{ranges: ranges}
}

// parseWish reads one language range with its optional weight.
func parseWish(element string) (wish, bool) {
	text, weight, weighted := strings.Cut(element, ";")
	parsed := wish{quality: 1000}
	if weighted {
		var ok bool
		if parsed.quality, ok = parseQuality(trimSpace(weight)); !ok {
			return wish{}, false
		}
	}
	text = trimSpace(text)
	if text == "*" {
		parsed.any = true
		return parsed, true
	}
	text, ok := withoutExtensions(text)
	if !ok {
		return wish{}, false
	}
	// An error can mean that only some subtags are unknown; the rest counts if
	// the language is known. Names of places do not depend on variants either.
	tag, _ := language.Parse(text)
	base, script, region := tag.Raw()
	if base == (language.Base{}) {
		return wish{}, false
	}
	tag, err := language.Compose(base, script, region) // in canonical form
	parsed.tag = tag
	return parsed, err == nil
}

// withoutExtensions checks that text is a language range (RFC 4647 section
// 2.1) and cuts it before its first extension or private use subtag, such as
// the u of de-DE-u-co-phonebk: names of places do not depend on these.
func withoutExtensions(text string) (string, bool) {
	end := len(text)
	for start := 0; start <= len(text); {
		length := strings.IndexAny(text[start:], "-_")
		if length < 0 {
			length = len(text) - start
		}
		subtag := text[start : start+length]
		if length < 1 || length > 8 || !isAlphanumeric(subtag, start > 0) {
			return "", false
		}
		if length == 1 {
			end = min(end, start-1)
		}
		start += length + 1
	}
	// A range that begins with a single letter is of private use, or one of
	// the few irregular ones of RFC 5646 section 2.2.8; no database has these.
	if end <= 0 || end > maxRangeBytes {
		return "", false
	}
	return text[:end], true
}

func isAlphanumeric(s string, digits bool) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || digits && '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// parseQuality reads "q=" and a qvalue (RFC 9110 section 12.4.2), and returns
// it in thousandths.
func parseQuality(weight string) (int, bool) {
	if len(weight) < len("q=0") || weight[0]|0x20 != 'q' || weight[1] != '=' {
		return 0, false
	}
	value := weight[len("q="):]
	whole, decimals, _ := strings.Cut(value, ".")
	if whole != "0" && whole != "1" || len(decimals) > 3 {
		return 0, false
	}
	thousandths := 0
	for i := range 3 {
		thousandths *= 10
		if i < len(decimals) {
			if decimals[i] < '0' || decimals[i] > '9' {
				return 0, false
			}
			thousandths += int(decimals[i] - '0')
		}
	}
	if whole == "1" {
		return 1000, thousandths == 0
	}
	return thousandths, true
}

// trimSpace removes optional white space as RFC 9110 section 5.6.3 defines it.
func trimSpace(s string) string {
	return strings.Trim(s, " \t")
}
