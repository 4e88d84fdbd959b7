package geo

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"channelserver/geo/geotest"
)

// header writes wishes as an Accept-Language header, with all decimals.
func (w Wishes) header() string {
	var elements []string
	for _, wanted := range w.ranges {
		text := "*"
		if !wanted.any {
			text = wanted.tag.String()
		}
		elements = append(elements, fmt.Sprintf("%s;q=%d.%03d", text, wanted.quality/1000, wanted.quality%1000))
	}
	return strings.Join(elements, ",")
}

func TestParseWishes(t *testing.T) {
	for _, test := range []struct {
		lines string // separated by "|"
		want  string // without "q=", "0" for 0 and nothing for 1
	}{
		{"", ""},
		{"de", "de"},
		{"de,fr;q=0.9,en;q=0.95", "de en;.950 fr;.900"},
		{"fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr-CH fr;.900 en;.800 de;.700 *;.500"},
		{"de|fr", "de fr"},
		{"de;q=0.1|fr", "fr de;.100"},
		{"de;q=0.5,fr;q=0.5,en;q=0.5", "de;.500 fr;.500 en;.500"},
		{" de\t;\tq=0.5 , ,, fr ", "fr de;.500"},
		{"de;Q=0.5", "de;.500"},
		{"de;q=0", "de;0"},
		{"de;q=0.000", "de;0"},
		{"de;q=0.001", "de;.001"},
		{"de;q=1", "de"},
		{"de;q=1.000", "de"},
		{"de;q=1.", "de"},
		{"de;q=0.", "de;0"},

		{"DE-at", "de-AT"},
		{"zh-hant-tw", "zh-Hant-TW"},
		{"en_US", "en-US"},
		{"de-DE-u-co-phonebk", "de-DE"},
		{"de-a-very-long-extended-tag-that-goes-on-and-on-and-on", "de"},
		{"de-x-private", "de"},
		{"en-GB-oed", "en-GB"},
		{"fr-QZ", "fr-QZ"},
		{"fr-FR-zzzzz", "fr-FR"},
		{"iw-zzzzz", "he"},
		{"iw", "he"},
		{"zz,de", "de"},

		{"de;q=2,fr", "fr"},
		{"de;q=-1,fr", "fr"},
		{"de;q=abc,fr", "fr"},
		{"de;q=,fr", "fr"},
		{"de;,fr", "fr"},
		{"de;q,fr", "fr"},
		{"de;q=.5,fr", "fr"},
		{"de;q=0.1234,fr", "fr"},
		{"de;q=0.5x,fr", "fr"},
		{"de;q=1.001,fr", "fr"},
		{"de;q = 0.5,fr", "fr"},
		{"de;q=0.5;x=1,fr", "fr"},
		{"de;level=1,fr", "fr"},
		{"de;q=1e0,fr", "fr"},
		{"de;q=NaN,fr", "fr"},

		{"und,x-foo,i-klingon,1de,d,abcdefghi,de-,-de,de--at,de at,dé,*-CH,**,\xff,fr", "fr"},
		{"fr-" + strings.Repeat("abcdefg-", 4) + "abcdefg,de", "de"},

		{strings.Repeat("en,", maxWishes-1) + "de,fr", strings.Repeat("en ", maxWishes-1) + "de"},
		{strings.Repeat("?,", maxWishes-1) + "de,fr", "de"},
		{strings.Repeat(",", maxWishesBytes-2) + "de", "de"},
		{strings.Repeat(",", maxWishesBytes-2) + "de,fr", "de"},
		{strings.Repeat(",", maxWishesBytes-2) + "de-AT,fr", ""},
		{strings.Repeat(",", maxWishesBytes-1) + "de", ""},
		{strings.Repeat("|", maxWishesBytes-2) + "de", "de"},
		{strings.Repeat("|", maxWishesBytes-1) + "de", ""},
		{strings.Repeat(" ", maxWishesBytes) + "de", ""},
	} {
		got := ParseWishes(strings.Split(test.lines, "|")).header()
		got = strings.NewReplacer(";q=1.000", "", ";q=0.000", ";0", ";q=0", ";", ",", " ").Replace(got)
		if got != test.want {
			t.Errorf("ParseWishes(%.80q) = %q, want %q", test.lines, got, test.want)
		}
	}
}

func TestLanguageOrder(t *testing.T) {
	maxMind := strings.Join(geotest.LanguageCodes(), " ")
	for _, test := range []struct {
		accept, preset, want string
		database             string // "" for the languages of MaxMind
	}{
		{"", "en", "en", ""},
		{"", "de", "de", ""},
		{"", "de-CH", "de", ""},
		{"", "pt", "pt-BR", ""},
		{"", "", "", ""},
		{"", "nonsense!", "", ""},
		{"", "nl", "", ""},
		{";;;", "en", "en", ""},

		{"de", "en", "de en", ""},
		{"de,en", "en", "de en", ""},
		{"fr;q=0.5,de", "en", "de fr en", ""},
		{"de-AT,de;q=0.9,en;q=0.8", "en", "de en", ""},
		{"ja-JP", "en", "ja en", ""},
		{"en-GB", "fr", "en fr", ""},
		{"fr-CA", "en", "fr en", ""},
		{"es-419", "en", "es en", ""},
		{"PT", "en", "pt-BR en", ""},
		{"pt-PT", "en", "pt-BR en", ""},
		{"nl", "en", "en", ""},
		{"uk", "en", "en", ""},
		{"sr-Latn", "en", "en", ""},

		// Chinese: two ways of writing that not every reader knows.
		{"zh", "en", "zh-CN en", ""},
		{"zh-CN", "en", "zh-CN en", ""},
		{"zh-SG", "en", "zh-CN en", ""},
		{"zh-Hans", "en", "zh-CN en", ""},
		{"zh-Hans-CN", "en", "zh-CN en", ""},
		{"cmn", "en", "zh-CN en", ""},
		{"zh-TW", "en", "en", ""},
		{"zh-HK", "en", "en", ""},
		{"zh-Hant", "en", "en", ""},
		{"zh-TW,ja;q=0.5", "en", "ja en", ""},
		{"zh-TW,zh;q=0.5", "en", "zh-CN en", ""}, // zh is what this one asks for as well
		{"zh-TW", "en", "zh-TW en", "en zh-CN zh-TW"},

		// Relatives come after what was asked for, but before the default.
		{"br", "en", "fr en", ""},
		{"br,en;q=0.5", "de", "en fr de", ""},
		{"gsw,it", "en", "de en", ""},

		{"en;q=0", "en", "", ""},
		{"en;q=0", "de", "de", ""},
		{"fr,en;q=0", "en", "fr", ""},
		{"en-GB,en;q=0", "de", "de", ""},
		{"en-GB;q=0,en", "de", "en de", ""},
		{"en-GB;q=0", "en", "en", ""},
		{"zh;q=0", "zh-CN", "", ""},
		{"zh;q=0,zh-CN", "en", "zh-CN en", ""},
		{"zh-CN;q=0,zh", "en", "en", ""},
		{"zh-Hans;q=0,zh", "en", "en", ""},
		{"zh-Hant;q=0,zh", "en", "zh-CN en", ""},
		{"de,de;q=0", "en", "en", ""},
		{"br,fr;q=0", "en", "en", ""},

		{"*", "de", "de en es fr ja pt-BR ru zh-CN", ""},
		{"*", "", "en de es fr ja pt-BR ru zh-CN", ""},
		{"ja,*;q=0.1", "en", "ja en de es fr pt-BR ru zh-CN", ""},
		{"*;q=0.5,en;q=0.1", "en", "de es fr ja pt-BR ru zh-CN en", ""},
		{"*,de;q=0,ru;q=0", "de", "en es fr ja pt-BR zh-CN", ""},
		{"*;q=0", "en", "", ""},
		{"fr,*;q=0", "en", "fr", ""},
		{"en-GB,*;q=0", "en", "en", ""},
		{"br,*;q=0", "en", "fr", ""},

		{"de", "en", "", " "},
		{"*", "en", "", " "},
		{"en-US,fr", "fr", "fr", "fr not-a-language-code"},
		{"no", "en", "nb en", "nb en"},
	} {
		if test.database == "" {
			test.database = maxMind
		}
		known := newLanguages(strings.Fields(test.database))
		got := strings.Join(known.order(ParseWishes([]string{test.accept}), test.preset), " ")
		if got != test.want {
			t.Errorf("%q with the default %q in a database of %s: %q, want %q", test.accept, test.preset, test.database, got, test.want)
		}
	}
}

func FuzzParseWishes(f *testing.F) {
	for _, seed := range []string{
		"", "de", "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "en;q=0,*", "*;q=0", "zh-Hant-TW,zh-TW;q=0.8",
		"de;q=0.1234", "de;q=1.5,x-foo;q=1", "en_US.UTF-8", "de-DE-u-co-phonebk-x-a", "i-klingon", "art-lojban",
		"sl-rozaj-biske-1994;q=0.001", strings.Repeat("en-GB-oed,", 20), strings.Repeat("a-", 600), "\xff,\x00", ";q=1",
		"en-t-jp", "in-00", "Zh-min", "zh-min-nan", "sgn-BE-FR", "de-1996", "xx;q=0.3", "english", "root", "C", "POSIX",
	} {
		f.Add(seed)
	}
	known := newLanguages(geotest.LanguageCodes())
	f.Fuzz(func(t *testing.T, accept string) {
		wishes := ParseWishes([]string{accept})
		if len(wishes.ranges) > maxWishes {
			t.Errorf("%d ranges", len(wishes.ranges))
		}
		for i, wanted := range wishes.ranges {
			if wanted.quality < 0 || wanted.quality > 1000 {
				t.Errorf("quality of %d thousandths", wanted.quality)
			}
			if i > 0 && wanted.quality > wishes.ranges[i-1].quality {
				t.Errorf("not sorted: %s", wishes.header())
			}
			if wanted.any != (wanted.tag == language.Und) {
				t.Errorf("range %v, any %v", wanted.tag, wanted.any)
			}
			if len(wanted.tag.Extensions())+len(wanted.tag.Variants()) > 0 {
				t.Errorf("range %v has more than a language, a script and a region", wanted.tag)
			}
		}
		if again := ParseWishes([]string{wishes.header()}); !reflect.DeepEqual(again, wishes) {
			t.Errorf("%q, written out and parsed, is %q", wishes.header(), again.header())
		}
		if lines := ParseWishes(strings.Split(accept, ",")); !reflect.DeepEqual(lines, wishes) {
			t.Errorf("spread over lines: %q, in one: %q", lines.header(), wishes.header())
		}

		ordered := known.order(wishes, "en")
		if !reflect.DeepEqual(known.order(wishes, "en"), ordered) {
			t.Error("the order changes")
		}
		for i, code := range ordered {
			at := slices.Index(known.codes, code)
			if at < 0 || slices.Contains(ordered[:i], code) || wishes.excludes(known.tags[at]) {
				t.Errorf("%s must not be in %v for %q", code, ordered, wishes.header())
			}
		}
		for _, wanted := range wishes.ranges {
			if i := slices.Index(known.tags, wanted.tag); i >= 0 && wanted.quality > 0 &&
				!wishes.excludes(known.tags[i]) && !slices.Contains(ordered, known.codes[i]) {
				t.Errorf("%v is wished for and not in %v", wanted.tag, ordered)
			}
		}
	})
}
