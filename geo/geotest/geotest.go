// Package geotest makes small databases of places for tests, so that none has
// to be downloaded. Their networks are those set aside for documentation (RFC
// 5737, RFC 3849) and hold:
//
//	192.0.2.0/24         Munich, Bavaria, Germany; all names in en, de, fr, ja
//	2001:db8:1::/48      the same
//	198.51.100.0/25      Linköping, Östergötland County, Sweden; the city lacks French
//	198.51.100.128/25    a city named in ja only: 奈良市 in 奈良県 (en: Nara), Japan
//	2001:db8:2::/48      Tokyo, Tokyo, Japan; all names also in es, pt-BR, ru, zh-CN
//	203.0.113.0/24       Switzerland, no region, no city
//	2001:db8:3::/48      the same
//
// No other network is known.
package geotest

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Built is when the databases of City and Write claim to have been built, in
// seconds since 1970: 2026-01-02 03:04:05 UTC.
const Built = 1767323045

// LanguageCodes returns the languages of the records, which are also those that
// the metadata of City and Write tells.
func LanguageCodes() []string {
	return []string{"de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN"}
}

// City returns a database of the type GeoLite2-City.
func City(t testing.TB) []byte {
	t.Helper()
	return Make(t, "GeoLite2-City", time.Unix(Built, 0), LanguageCodes()...)
}

// Write puts the database of City in a file.
func Write(t testing.TB, path string) {
	t.Helper()
	if err := os.WriteFile(path, City(t), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Make returns a database with the records of the package, and with a type, a
// time and languages of the caller's choice in its metadata.
func Make(t testing.TB, databaseType string, built time.Time, languageCodes ...string) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType:            databaseType,
		BuildEpoch:              built.Unix(),
		Description:             map[string]string{"en": "Made for tests"},
		Languages:               languageCodes,
		IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries() {
		for _, network := range entry.networks {
			_, ipNet, err := net.ParseCIDR(network)
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Insert(ipNet, entry.record); err != nil {
				t.Fatal(err)
			}
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

type names map[string]string // by language

type entry struct {
	networks []string
	record   mmdbtype.Map
}

func entries() []entry {
	germany := names{"en": "Germany", "de": "Deutschland", "fr": "Allemagne", "ja": "ドイツ連邦共和国"}
	sweden := names{"en": "Sweden", "de": "Schweden", "fr": "Suède", "ja": "スウェーデン王国"}
	switzerland := names{"en": "Switzerland", "de": "Schweiz", "fr": "Suisse", "ja": "スイス連邦"}
	japan := names{
		"en": "Japan", "de": "Japan", "fr": "Japon", "ja": "日本",
		"es": "Japón", "pt-BR": "Japão", "ru": "Япония", "zh-CN": "日本",
	}
	tokyo := names{
		"en": "Tokyo", "de": "Tokio", "fr": "Tokyo", "ja": "東京",
		"es": "Tokio", "pt-BR": "Tóquio", "ru": "Токио", "zh-CN": "东京",
	}
	return []entry{
		{[]string{"192.0.2.0/24", "2001:db8:1::/48"}, record(
			names{"en": "Munich", "de": "München", "fr": "Munich", "ja": "ミュンヘン"},
			names{"en": "Bavaria", "de": "Bayern", "fr": "Bavière", "ja": "バイエルン州"},
			germany,
		)},
		{[]string{"198.51.100.0/25"}, record(
			names{"en": "Linköping", "de": "Linköping", "ja": "リンシェーピング"},
			names{"en": "Östergötland County", "fr": "Comté d'Östergötland"},
			sweden,
		)},
		{[]string{"198.51.100.128/25"}, record(
			names{"ja": "奈良市"},
			names{"en": "Nara", "ja": "奈良県"},
			japan,
		)},
		{[]string{"2001:db8:2::/48"}, record(tokyo, tokyo, japan)},
		{[]string{"203.0.113.0/24", "2001:db8:3::/48"}, record(nil, nil, switzerland)},
	}
}

// record has the layout of MaxMind's City databases.
func record(city, region, country names) mmdbtype.Map {
	made := mmdbtype.Map{"country": named(country)}
	if city != nil {
		made["city"] = named(city)
	}
	if region != nil {
		made["subdivisions"] = mmdbtype.Slice{named(region)}
	}
	return made
}

func named(byLanguage names) mmdbtype.Map {
	translations := mmdbtype.Map{}
	for language, name := range byLanguage {
		translations[mmdbtype.String(language)] = mmdbtype.String(name)
	}
	return mmdbtype.Map{"names": translations}
}
