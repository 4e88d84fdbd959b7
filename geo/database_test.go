package geo

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/geo/geotest"
)

// munich is an address whose place every good test database knows.
func munich() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

// testFile is a database file that a test replaces, as an update does: by a
// rename.
type testFile struct {
	t    testing.TB
	path string
}

func newTestFile(t testing.TB) testFile {
	file := testFile{t, filepath.Join(t.TempDir(), "City.mmdb")}
	file.put(geotest.City(t))
	return file
}

func (f testFile) put(content []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path+".new", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

func (f testFile) open(log *slog.Logger) *Database {
	f.t.Helper()
	d, err := Open(f.path, log)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// newer returns a good database other than that of geotest.City.
func newer(t testing.TB) []byte {
	return geotest.Make(t, "GeoIP2-City", time.Unix(geotest.Built+1, 0), geotest.LanguageCodes()...)
}

func wantReloads(t *testing.T, d *Database, ok, failed uint64) {
	t.Helper()
	if gotOK, gotFailed := d.Reloads(); gotOK != ok || gotFailed != failed {
		t.Errorf("%d reloads succeeded and %d failed, want %d and %d", gotOK, gotFailed, ok, failed)
	}
}

func TestPlace(t *testing.T) {
	d := newTestFile(t).open(nil)
	for _, test := range []struct {
		addr, accept, preset string
		want                 Place
	}{
		{"192.0.2.1", "", "en", Place{"Munich", "Bavaria", "Germany"}},
		{"192.0.2.255", "de-AT", "en", Place{"München", "Bayern", "Deutschland"}},
		{"192.0.2.1", "ja;q=0.1,fr;q=0.2", "en", Place{"Munich", "Bavière", "Allemagne"}},
		{"192.0.2.1", "ja", "en", Place{"ミュンヘン", "バイエルン州", "ドイツ連邦共和国"}},
		{"192.0.2.1", "ru", "de", Place{"München", "Bayern", "Deutschland"}},
		{"192.0.2.1", "*", "fr", Place{"Munich", "Bavière", "Allemagne"}},
		{"192.0.2.1", "ru,en;q=0", "en", Place{}},
		{"192.0.2.1", "", "ru", Place{}},
		{"::ffff:192.0.2.1", "", "en", Place{"Munich", "Bavaria", "Germany"}},
		{"2001:db8:1:2::3", "fr", "en", Place{"Munich", "Bavière", "Allemagne"}},
		{"2001:db8:1:2::3%eth0", "fr", "en", Place{"Munich", "Bavière", "Allemagne"}},

		// Each name by itself.
		{"198.51.100.1", "fr", "en", Place{"Linköping", "Comté d'Östergötland", "Suède"}},
		{"198.51.100.1", "fr,ja;q=0.5", "en", Place{"リンシェーピング", "Comté d'Östergötland", "Suède"}},
		{"198.51.100.1", "fr,en;q=0", "en", Place{"", "Comté d'Östergötland", "Suède"}},
		{"198.51.100.1", "de", "en", Place{"Linköping", "Östergötland County", "Schweden"}},
		{"198.51.100.129", "en", "en", Place{"", "Nara", "Japan"}},
		{"198.51.100.129", "en,*;q=0.1", "en", Place{"奈良市", "Nara", "Japan"}},
		{"198.51.100.129", "", "en", Place{"", "Nara", "Japan"}},

		{"2001:db8:2::1", "pt", "en", Place{"Tóquio", "Tóquio", "Japão"}},
		{"2001:db8:2::1", "zh-CN", "en", Place{"东京", "东京", "日本"}},
		{"2001:db8:2::1", "zh-TW", "en", Place{"Tokyo", "Tokyo", "Japan"}},

		{"203.0.113.1", "de", "en", Place{"", "", "Schweiz"}},
		{"2001:db8:3::1", "", "en", Place{"", "", "Switzerland"}},
		{"127.0.0.1", "", "en", Place{}},
		{"2001:db8:4::1", "", "en", Place{}},
		{"", "", "en", Place{}},
	} {
		got := d.Place(address(test.addr), ParseWishes([]string{test.accept}), test.preset)
		if got != test.want {
			t.Errorf("place of %s for %q, default %q: %q, want %q", test.addr, test.accept, test.preset, got, test.want)
		}
	}
}

func TestNoDatabase(t *testing.T) {
	without, err := Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*Database{"nil": nil, "no file": without} {
		if got := d.Place(munich(), Wishes{}, "en"); got != (Place{}) {
			t.Errorf("%s: place %q", name, got)
		}
		if err := d.Reload(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d.Watch(t.Context(), time.Minute) // returns
		if d.Type() != "" || !d.Built().IsZero() {
			t.Errorf("%s: type %q, built %v", name, d.Type(), d.Built())
		}
		wantReloads(t, d, 0, 0)
	}
}

func TestOpen(t *testing.T) {
	d := newTestFile(t).open(nil)
	if d.Type() != "GeoLite2-City" || d.Built().Unix() != geotest.Built {
		t.Errorf("type %q, built %v", d.Type(), d.Built())
	}
	wantReloads(t, d, 0, 0)
}

func TestOpenAcceptsTypesWithPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mmdb")
	for _, databaseType := range []string{"GeoIP2-City-Europe", "DBIP-City-Lite", "GeoIP2-Enterprise", "GeoLite2-Country"} {
		if err := os.WriteFile(path, geotest.Make(t, databaseType, time.Unix(0, 0)), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(path, nil)
		if err != nil {
			t.Error(err)
		} else if got := d.Place(munich(), Wishes{}, "en"); got.City != "Munich" {
			t.Errorf("%s: place %q", databaseType, got)
		}
	}
}

func TestLanguagesOfDatabase(t *testing.T) {
	for _, test := range []struct{ metadata, want string }{
		{"", "de en es fr ja pt-BR ru zh-CN"},
		{"en", "en de es fr ja pt-BR ru zh-CN"},
		{"ja it", "ja it de en es fr pt-BR ru zh-CN"},
	} {
		content := geotest.Make(t, "GeoLite2-City", time.Unix(0, 0), strings.Fields(test.metadata)...)
		loaded, err := newEdition(content)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(loaded.languages.codes, " "); got != test.want {
			t.Errorf("metadata %q: languages %s, want %s", test.metadata, got, test.want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := geotest.City(t)
	for _, test := range []struct {
		path, want string
		missing    bool
	}{
		{filepath.Join(dir, "none.mmdb"), "not found: put a GeoLite2", true},
		{dir, "is not a regular file: name the .mmdb file itself", false},
		{put("empty", nil), "is damaged", false},
		{put("text", []byte("not a database")), "is damaged, still packed, or no MaxMind DB file: fetch it again", false},
		{put("half", good[:len(good)/2]), "is damaged", false},
		{put("tail", good[len(good)/2:]), "is damaged", false},
		{put("asn", geotest.Make(t, "GeoLite2-ASN", time.Unix(0, 0))), `is of the type "GeoLite2-ASN", which knows no places: use a City`, false},
	} {
		d, err := Open(test.path, nil)
		if err == nil || d != nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `"`+test.path+`"`) {
			t.Errorf("Open(%s): %v, want %s", test.path, err, test.want)
		}
		if errors.Is(err, fs.ErrNotExist) != test.missing {
			t.Errorf("Open(%s): %v is ErrNotExist: %v", test.path, err, !test.missing)
		}
	}
	if err := fileError("x", fs.ErrPermission); !strings.Contains(err.Error(), "must not be read: allow it") {
		t.Error(err)
	}
	if err := fileError("x", os.ErrDeadlineExceeded); !strings.Contains(err.Error(), "cannot be read: check the file") {
		t.Error(err)
	}
}

// A damaged octet is refused, or does no harm to lookups.
func TestDamagedOctets(t *testing.T) {
	good := geotest.City(t)
	wishes := ParseWishes([]string{"*"})
	refused := 0
	for i := range good {
		damaged := bytes.Clone(good)
		damaged[i] ^= 0xff
		loaded, err := newEdition(damaged)
		if err != nil {
			refused++
			continue
		}
		var d Database
		d.current.Store(loaded)
		for _, addr := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8:2::1", "::", "ffff::"} {
			d.Place(address(addr), wishes, "en")
		}
	}
	if refused < len(good)/2 {
		t.Errorf("only %d of %d damaged files were refused", refused, len(good))
	}
}

func TestReload(t *testing.T) {
	var log bytes.Buffer
	file := newTestFile(t)
	d := file.open(slog.New(slog.NewTextHandler(&log, nil)))

	file.put([]byte("damaged"))
	if err := d.Reload(); err == nil || !strings.Contains(err.Error(), file.path) {
		t.Errorf("reload of a damaged file: %v", err)
	}
	wantReloads(t, d, 0, 1)
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "is damaged") {
		t.Errorf("log: %s", log.String())
	}
	if err := os.Remove(file.path); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reload of a missing file: %v", err)
	}
	wantReloads(t, d, 0, 2)
	if d.Type() != "GeoLite2-City" || d.Place(munich(), Wishes{}, "en").City != "Munich" {
		t.Error("the old database is not in use any more")
	}

	file.put(newer(t))
	if err := d.Reload(); err != nil {
		t.Error(err)
	}
	wantReloads(t, d, 1, 2)
	if d.Type() != "GeoIP2-City" || d.Built().Unix() != geotest.Built+1 {
		t.Errorf("type %q, built %v after the reload", d.Type(), d.Built())
	}
	if !strings.Contains(log.String(), "level=INFO") {
		t.Errorf("log: %s", log.String())
	}
}

func TestLookupsDuringReloads(t *testing.T) {
	const reloads = 60
	file := newTestFile(t)
	d := file.open(nil)
	contents := [][]byte{newer(t), geotest.City(t)[:500], geotest.City(t), []byte("damaged")}

	var lookups sync.WaitGroup
	var done atomic.Bool
	for range 8 {
		lookups.Go(func() {
			wishes := ParseWishes([]string{"de"})
			for !done.Load() {
				if got := d.Place(munich(), wishes, "en"); got != (Place{"München", "Bayern", "Deutschland"}) {
					t.Errorf("place %q", got)
					return
				}
				if !strings.HasSuffix(d.Type(), "-City") || d.Built().IsZero() {
					t.Errorf("type %q, built %v", d.Type(), d.Built())
					return
				}
			}
		})
	}
	for i := range reloads {
		file.put(contents[i%len(contents)])
		var reloading sync.WaitGroup
		for range 2 {
			reloading.Go(func() { _ = d.Reload() })
		}
		reloading.Wait()
	}
	done.Store(true)
	lookups.Wait()
	wantReloads(t, d, reloads, reloads)
}

// inBubble runs a Watch with a period of 10 s beside test.
func inBubble(t *testing.T, d *Database, test func(polls func(int))) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go d.Watch(ctx, 10*time.Second)
		time.Sleep(time.Second) // the polls are due at 10 s, 20 s, ...
		test(func(n int) {
			time.Sleep(time.Duration(n) * 10 * time.Second)
			synctest.Wait()
		})
		cancel()
	})
}

func TestWatch(t *testing.T) {
	file := newTestFile(t)
	d := file.open(nil)
	inBubble(t, d, func(polls func(int)) {
		polls(5)
		wantReloads(t, d, 0, 0)

		file.put(newer(t))
		polls(1)
		wantReloads(t, d, 0, 0) // may still be being written
		polls(1)
		wantReloads(t, d, 1, 0)
		polls(5)
		wantReloads(t, d, 1, 0)
		if d.Type() != "GeoIP2-City" {
			t.Errorf("type %q", d.Type())
		}

		file.put([]byte("damaged"))
		polls(5)
		wantReloads(t, d, 1, 1) // tried once
		if d.Place(munich(), Wishes{}, "en").City != "Munich" {
			t.Error("the old database is not in use any more")
		}
		if err := os.Remove(file.path); err != nil {
			t.Fatal(err)
		}
		polls(5)
		wantReloads(t, d, 1, 1)
		if d.Place(munich(), Wishes{}, "en").City != "Munich" {
			t.Error("the database is not in use any more when its file has gone")
		}
		file.put(geotest.City(t))
		polls(2)
		wantReloads(t, d, 2, 1)
	})
}

func TestWatchWaitsForTheWholeFile(t *testing.T) {
	file := newTestFile(t)
	d := file.open(nil)
	content := newer(t)
	inBubble(t, d, func(polls func(int)) {
		for i := range 8 { // a slow copy over the old file
			if err := os.WriteFile(file.path, content[:len(content)*(i+1)/8], 0o600); err != nil {
				t.Fatal(err)
			}
			polls(1)
			wantReloads(t, d, 0, 0)
		}
		polls(1)
		wantReloads(t, d, 1, 0)
	})
}

func TestSameFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	at := time.Unix(geotest.Built, 0)
	look := func(path, content string, mode fs.FileMode, changed time.Time) fs.FileInfo {
		err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode), os.Chtimes(path, at, changed))
		info, errStat := os.Stat(path)
		if err := errors.Join(err, errStat); err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := look(path, "old", 0o600, at)
	if !sameFile(first, look(path, "old", 0o600, at)) {
		t.Error("the same file counts as changed")
	}
	for name, other := range map[string]fs.FileInfo{
		"size":     look(path, "older", 0o600, at),
		"mode":     look(path, "old", 0o640, at),
		"time":     look(path, "old", 0o600, at.Add(time.Nanosecond)),
		"identity": look(path+"2", "old", 0o600, at),
		"nothing":  nil,
	} {
		if sameFile(first, other) || sameFile(other, first) {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

func TestWatchFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"one": geotest.City(t), "two": newer(t)} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "x.mmdb"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) {
		next := filepath.Join(dir, "next")
		if err := errors.Join(os.Symlink(to, next), os.Rename(next, filepath.Join(dir, "data"))); err != nil {
			t.Fatal(err)
		}
	}
	link("one")
	d, err := Open(filepath.Join(dir, "data", "x.mmdb"), nil)
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, d, func(polls func(int)) {
		link("two")
		polls(2)
		wantReloads(t, d, 1, 0)
		if d.Type() != "GeoIP2-City" {
			t.Errorf("type %q", d.Type())
		}
	})
}

func TestOpenLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later.mmdb")
	d := OpenLater(path, nil)
	inBubble(t, d, func(polls func(int)) {
		polls(3)
		if got := d.Place(munich(), Wishes{}, "en"); got != (Place{}) || d.Type() != "" {
			t.Errorf("place %q, type %q", got, d.Type())
		}
		geotest.Write(t, path)
		polls(2)
		if got := d.Place(munich(), Wishes{}, "en"); got.City != "Munich" {
			t.Errorf("place %q", got)
		}
		wantReloads(t, d, 1, 0)
	})
}
