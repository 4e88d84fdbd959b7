package geo_test

import (
	"net/netip"
	"testing"

	"github.com/oschwald/geoip2-golang/v2"

	"channelserver/geo"
	"channelserver/geo/geotest"
)

// Names are read from the file as they stand there, since geoip2-golang knows eight languages and
// we take all that a file has. In those eight, the two must agree.
func TestAgreesWithGeoIP2(t *testing.T) {
	content := geotest.City(t)
	oracle, err := geoip2.OpenBytes(content)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/city.mmdb"
	geotest.Write(t, path)
	database, err := geo.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"192.0.2.1", "198.51.100.1", "198.51.100.129", "203.0.113.1", "2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1", "10.0.0.1"} {
		addr := netip.MustParseAddr(address)
		record, err := oracle.City(addr)
		if err != nil {
			t.Fatal(err)
		}
		for code, name := range map[string]func(geoip2.Names) string{
			"de": func(n geoip2.Names) string { return n.German },
			"en": func(n geoip2.Names) string { return n.English },
			"fr": func(n geoip2.Names) string { return n.French },
			"ja": func(n geoip2.Names) string { return n.Japanese },
		} {
			want := geo.Place{City: name(record.City.Names), Country: name(record.Country.Names)}
			if len(record.Subdivisions) > 0 {
				want.Region = name(record.Subdivisions[0].Names)
			}
			if got := database.Place(addr, geo.ParseWishes([]string{code + ", *;q=0"}), ""); got != want {
				t.Errorf("%s in %s: %+v, want %+v", address, code, got, want)
			}
		}
	}
}
