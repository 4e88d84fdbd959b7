package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"channelserver/geo/geotest"
)

// replace puts a file in the place of another, all at once.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// introduce lets a client with a header send a message to another and returns what that one is
// told about it.
func introduce(p *process, header ...string) map[string]string {
	p.t.Helper()
	a, b := p.pair(header...)
	a.send("hello")
	defer a.bye()
	defer b.bye()
	return b.hears("hello")
}

func TestSenders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	geotest.Write(t, path)
	p := start(t, "--trusted_proxy_list=127.0.0.1", "--mmdb_loc="+path)
	hasAll(t, p.first, "places are from "+path, "GeoLite2-City of 2026-01-02")
	hasAll(t, p.get("/__heartbeat__").body, `"places":"ok"`)

	for _, c := range []struct {
		name   string
		header []string
		want   map[string]string
	}{
		{
			"French",
			[]string{"User-Agent", "Fennec", "X-Forwarded-For", "192.0.2.1", "Accept-Language", "fr-CH, de;q=0.5"},
			map[string]string{"ua": "Fennec", "remote": "192.0.2.1", "city": "Munich", "region": "Bavière", "country": "Allemagne"},
		},
		{
			"each name by itself",
			[]string{"X-Forwarded-For", "198.51.100.1", "Accept-Language", "fr, ja;q=0.5, en;q=0"},
			map[string]string{"remote": "198.51.100.1", "city": "リンシェーピング", "region": "Comté d'Östergötland", "country": "Suède"},
		},
		{
			"a name that no wish has",
			[]string{"X-Forwarded-For", "198.51.100.200"},
			map[string]string{"remote": "198.51.100.200", "region": "Nara", "country": "Japan"},
		},
		{
			"IPv6",
			[]string{"X-Forwarded-For", "2001:db8:2::7", "Accept-Language", "pt"},
			map[string]string{"remote": "2001:db8:2::7", "city": "Tóquio", "region": "Tóquio", "country": "Japão"},
		},
		{
			"the rightmost stranger of all lines",
			[]string{"X-Forwarded-For", "203.0.113.9, 192.0.2.9", "X-Forwarded-For", "127.0.0.1"},
			map[string]string{"remote": "192.0.2.9", "city": "Munich", "region": "Bavaria", "country": "Germany"},
		},
		{
			"a city that the proxy knows",
			[]string{"X-Forwarded-For", "203.0.113.1", "X-Client-Geo-Location", "Zurich,Winterthur", "Accept-Language", "de"},
			map[string]string{"remote": "203.0.113.1", "city": "Winterthur", "region": "Zurich", "country": "Schweiz"},
		},
		{
			"a city that the database knows better",
			[]string{"X-Forwarded-For", "192.0.2.1", "X-Client-Geo-Location", "Texas,Paris"},
			map[string]string{"remote": "192.0.2.1", "city": "Munich", "region": "Bavaria", "country": "Germany"},
		},
		{"no address", nil, map[string]string{}},
		{"a bad address", []string{"X-Forwarded-For", "192.0.2.1, unknown"}, map[string]string{}},
	} {
		if c.header == nil || c.header[0] != "User-Agent" {
			c.header = append(c.header, "User-Agent", "")
		}
		if got := introduce(p, c.header...); !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	p.next("client address unknown")
}

// Headers of strangers are not believed.
func TestUntrustedSenders(t *testing.T) {
	t.Parallel()
	p := start(t)
	got := introduce(p, "User-Agent", "x", "X-Forwarded-For", "192.0.2.1", "X-Client-Geo-Location", "Texas,Paris")
	if want := map[string]string{"ua": "x", "remote": "127.0.0.1"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// cityOf returns where the server places an address.
func cityOf(p *process, address string) string {
	p.t.Helper()
	return introduce(p, "X-Forwarded-For", address)["city"]
}

const (
	reloadsDone   = `channelserver_geo_reload_total{result="ok"}`
	reloadsFailed = `channelserver_geo_reload_total{result="failed"}`
	databaseBuilt = "channelserver_geo_database_build_timestamp_seconds"
)

func TestReloadOnHangup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	geotest.Write(t, path)
	p := start(t, "--trusted_proxy_list=127.0.0.1", "--mmdb_loc="+path, "--mmdb_check_interval=0")
	if built := p.metric(databaseBuilt); built != geotest.Built {
		t.Errorf("built at %v, want %v", built, geotest.Built)
	}

	later := time.Unix(geotest.Built+86400, 0)
	replace(t, path, geotest.Make(t, "GeoLite2-City", later, "en"))
	p.signal(syscall.SIGHUP)
	p.next("database of places reloaded")
	if ok, built := p.metric(reloadsDone), p.metric(databaseBuilt); ok != 1 || built != float64(later.Unix()) {
		t.Errorf("%v reloads, built at %v", ok, built)
	}

	for i, content := range [][]byte{nil, []byte("damaged"), bytes.Repeat([]byte("\xAB\xCD\xEFMaxMind.com"), 1000)} {
		replace(t, path, content)
		p.signal(syscall.SIGHUP)
		hasAll(t, p.next("not reloaded"), `"Severity":3`, path)
		if ok, failed := p.metric(reloadsDone), p.metric(reloadsFailed); ok != 1 || failed != float64(i+1) {
			t.Errorf("%v reloads, %v failed", ok, failed)
		}
		if city := cityOf(p, "192.0.2.1"); city != "Munich" {
			t.Errorf("after a damaged file the city is %q", city)
		}
	}
	hasAll(t, p.get("/__heartbeat__").body, `"places":"ok"`)
}

// Watched files are taken when they change; so is one that appears where there was none.
func TestReloadOfWatched(t *testing.T) {
	t.Parallel()
	cmd := command(t, "--hostname=127.0.0.1", "--port=0", "--admin_addr=127.0.0.1:0", "--trusted_proxy_list=127.0.0.1", "--mmdb_check_interval=50ms")
	p := launch(t, cmd)
	if city := cityOf(p, "192.0.2.1"); city != "" {
		t.Errorf("without a database the city is %q", city)
	}
	path := filepath.Join(cmd.Dir, "mmdb/latest/GeoLite2-City.mmdb")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	replace(t, path, geotest.City(t))
	p.next("database of places reloaded")
	if city := cityOf(p, "192.0.2.1"); city != "Munich" {
		t.Errorf("with a database the city is %q", city)
	}
	later := time.Unix(geotest.Built+86400, 0)
	replace(t, path, geotest.Make(t, "GeoLite2-City", later, "en"))
	p.next("database of places reloaded")
	if built := p.metric(databaseBuilt); built != float64(later.Unix()) {
		t.Errorf("built at %v, want %v", built, later.Unix())
	}
	replace(t, path, []byte("damaged"))
	p.next("not reloaded")
	if city := cityOf(p, "192.0.2.1"); city != "Munich" {
		t.Errorf("after a damaged file the city is %q", city)
	}
}
