package geo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Place names where an address is used, as far as that is known and has a name
// in a language that its reader accepts. What is unknown is "".
type Place struct {
	City    string
	Region  string // the first subdivision, such as a state or a land
	Country string
}

// Database finds the place of an address in a MaxMind DB file, which can be
// replaced while lookups go on. A nil Database, and one without a file, knows
// no place and cannot fail. All methods may be called at the same time.
type Database struct {
	path string // static; "" for a Database without a file
	log  *slog.Logger

	current    atomic.Pointer[edition] // nil until the first is loaded
	ok, failed atomic.Uint64

	loading sync.Mutex  // one reload at a time; guards tried
	tried   fs.FileInfo // the file last tried, good or bad; nil if none
}

// edition is one verified database in memory. It does not change.
type edition struct {
	reader    *maxminddb.Reader
	languages languages
}

// Open loads the database at path. With an empty path it returns a Database
// without a file. The error says what is wrong and what to do about it; it is
// fs.ErrNotExist (for errors.Is) if there is no such file. A nil log is
// silent.
func Open(path string, log *slog.Logger) (*Database, error) {
	d := OpenLater(path, log)
	if path == "" {
		return d, nil
	}
	d.loading.Lock()
	defer d.loading.Unlock()
	if err := d.loadLocked(); err != nil {
		return nil, err
	}
	return d, nil
}

// OpenLater returns a Database that knows no place until Reload or Watch finds
// a good file at path. It is for a file that is yet to be downloaded.
func OpenLater(path string, log *slog.Logger) *Database {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Database{path: path, log: log}
}

// Reload reads the file again and uses it from then on. If it is missing or
// damaged or no database of places, the old one stays in use and the error
// says what is wrong; this is logged and counted. Without a file it does
// nothing.
func (d *Database) Reload() error {
	if d == nil || d.path == "" {
		return nil
	}
	d.loading.Lock()
	defer d.loading.Unlock()
	if err := d.loadLocked(); err != nil {
		d.failed.Add(1)
		d.log.Error("database of places not reloaded, the one loaded before stays in use", "error", err)
		return err
	}
	d.ok.Add(1)
	d.log.Info("database of places reloaded", "path", d.path, "type", d.Type(), "built", d.Built())
	return nil
}

// Watch reloads the database when its file changes, until ctx is done. It
// looks at the file once per period and reloads it when a change has been
// still for one period, so that a file half copied is not tried. A file that
// was refused is not tried again until it changes. A file that has gone leaves
// the loaded database in use. Without a file, or with a period of 0 or less,
// Watch returns at once.
//
// It polls because that costs one stat per period and sees every kind of
// replacement: writes in place, atomic renames, symbolic links swapped higher
// up the path (Kubernetes mounts) and files on network file systems. Change
// notifications such as inotify miss the last two or need a watch on each
// directory of the path.
func (d *Database) Watch(ctx context.Context, every time.Duration) {
	if d == nil || d.path == "" || every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var previous fs.FileInfo
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		found, err := os.Stat(d.path)
		if err != nil {
			previous = nil
			continue
		}
		still := sameFile(found, previous)
		previous = found
		if still && !sameFile(found, d.lastTried()) {
			_ = d.Reload() // logged and counted there
		}
	}
}

// Reloads returns how many reloads succeeded and how many failed. Open is
// not counted.
func (d *Database) Reloads() (ok, failed uint64) {
	if d == nil {
		return 0, 0
	}
	return d.ok.Load(), d.failed.Load()
}

// Built returns when the loaded database was built by its publisher; zero if
// none is loaded.
func (d *Database) Built() time.Time {
	e := d.loaded()
	if e == nil {
		return time.Time{}
	}
	return e.reader.Metadata.BuildTime()
}

// Type returns what the loaded database calls itself, such as
// "GeoLite2-City"; "" if none is loaded.
func (d *Database) Type() string {
	e := d.loaded()
	if e == nil {
		return ""
	}
	return e.reader.Metadata.DatabaseType
}

// Place returns the place of addr. Each name is chosen by itself: it is in the
// first language that has one, of those that the reader wishes for, then
// defaultLang (a BCP 47 tag). A name in none of these is left out.
func (d *Database) Place(addr netip.Addr, wishes Wishes, defaultLang string) Place {
	e := d.loaded()
	if e == nil || !addr.IsValid() {
		return Place{}
	}
	found := e.reader.Lookup(plain(addr))
	if !found.Found() {
		return Place{}
	}
	order := e.languages.order(wishes, defaultLang)
	return Place{
		City:    name(found, order, "city", "names", ""),
		Region:  name(found, order, "subdivisions", 0, "names", ""),
		Country: name(found, order, "country", "names", ""),
	}
}

// name returns the first name that a record has in languages. The last element
// of path gives way to the language.
func name(record maxminddb.Result, languages []string, path ...any) string {
	for _, language := range languages {
		path[len(path)-1] = language
		var text string
		if err := record.DecodePath(&text, path...); err == nil && text != "" {
			return text
		}
	}
	return ""
}

func (d *Database) loaded() *edition {
	if d == nil {
		return nil
	}
	return d.current.Load()
}

func (d *Database) lastTried() fs.FileInfo {
	d.loading.Lock()
	defer d.loading.Unlock()
	return d.tried
}

// loadLocked reads the file, verifies it and puts it to use. The file is held
// in memory and not mapped: a mapped file that somebody shortens or overwrites
// crashes the lookups in it.
func (d *Database) loadLocked() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return fileError(d.path, err)
	}
	d.tried = info // before reading, so that Watch sees a change made meanwhile
	if !info.Mode().IsRegular() {
		return fmt.Errorf("database of places %q is not a regular file: name the .mmdb file itself", d.path)
	}
	content, err := os.ReadFile(d.path)
	if err != nil {
		return fileError(d.path, err)
	}
	loaded, err := newEdition(content)
	if err != nil {
		return fmt.Errorf("database of places %q %w", d.path, err)
	}
	d.current.Store(loaded)
	return nil
}

func fileError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("database of places %q not found: put a GeoLite2 or GeoIP2 City database there or name another file: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("database of places %q must not be read: allow it to the user that runs this program: %w", path, err)
	}
	return fmt.Errorf("database of places %q cannot be read: check the file and its disk: %w", path, err)
}

// newEdition verifies the content of a file. Its errors continue a sentence
// that begins with the file.
func newEdition(content []byte) (*edition, error) {
	reader, err := maxminddb.OpenBytes(content)
	if err == nil {
		err = reader.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("is damaged, still packed, or no MaxMind DB file: fetch it again: %w", err)
	}
	databaseType := reader.Metadata.DatabaseType
	if !knowsPlaces(databaseType) {
		return nil, fmt.Errorf("is of the type %q, which knows no places: use a City, Enterprise or Country database", databaseType)
	}
	return &edition{reader: reader, languages: newLanguages(languageCodes(reader))}, nil
}

// languageCodes returns the languages in which a database has names: those its
// metadata tells, and then those found in its first records, in alphabetical
// order. The metadata alone cannot be relied on: that of MaxMind's own test
// databases tells of English only, while their records hold eight languages.
// A look at some records is enough since publishers give at least the name of
// the country in all their languages.
func languageCodes(reader *maxminddb.Reader) []string {
	const maxRecords = 10_000 // some 60 ms

	found := map[string]bool{}
	records := 0
	for record := range reader.Networks() {
		if records++; records > maxRecords {
			break
		}
		for _, path := range [][]any{{"city", "names"}, {"subdivisions", 0, "names"}, {"country", "names"}} {
			var names map[string]string
			if err := record.DecodePath(&names, path...); err != nil {
				continue // such a name is left out of answers as well
			}
			for code := range names {
				found[code] = true
			}
		}
	}
	codes := slices.Clone(reader.Metadata.Languages)
	for _, code := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

// knowsPlaces tells the types whose records hold names of places. Country
// databases are among them; they just know no cities. The names differ between
// publishers and editions ("GeoIP2-City-Europe", "DBIP-Location (compat=City)")
// but always contain one of these words.
func knowsPlaces(databaseType string) bool {
	for _, kind := range []string{"City", "Enterprise", "Country"} {
		if strings.Contains(databaseType, kind) {
			return true
		}
	}
	return false
}

// sameFile says whether two looks found the same file, unchanged. Its mode
// counts since a file that could not be read may become readable.
func sameFile(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) &&
		a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}
