package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName is how many octets the name of a saved file has at most, but for a number that is put into it.
	maxName = 240
	// maxNumber is how many files of one name are saved in a folder.
	maxNumber = 999
)

// An incoming file is held in memory until it is complete, so that no half of one is ever saved.
type incoming struct {
	id   int64
	name string // cleaned
	size int64  // what the sender says, at most maxFile
	data []byte
}

// save writes the file into a folder, under a name that nothing there has, and returns that.
func (f *incoming) save(folder string) (string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for number := range maxNumber + 1 {
		name := numbered(f.name, number)
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = file.Write(f.data)
		if err = errors.Join(err, file.Close()); err != nil {
			return "", errors.Join(err, root.Remove(name))
		}
		return filepath.Join(folder, name), nil
	}
	return "", fmt.Errorf("there are %d files with the name %s", maxNumber+1, f.name)
}

// numbered puts a number before the extension of a name, unless it is 0.
func numbered(name string, number int) string {
	if number == 0 {
		return name
	}
	extension := filepath.Ext(name)
	return fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, extension), number, extension)
}

// cleanName makes a name that another device gives a file fit to be that of one in a folder of this one. It is
// the last element of what may be a path, has nothing that a terminal or a person would take for something
// else, and neither begins with a dot, by which shells and other programs find their settings, nor with a
// hyphen, by which they know options.
func cleanName(name string) string {
	if at := strings.LastIndexAny(name, `/\`); at >= 0 {
		name = name[at+1:]
	}
	name = strings.Map(func(r rune) rune {
		if !showable(r) || r == '\n' || r == '\t' || strings.ContainsRune(`<>:"|?*`, r) { // these mean something to Windows
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.TrimLeftFunc(name, func(r rune) bool { return r == '.' || r == '-' || unicode.IsSpace(r) })
	extension := filepath.Ext(name)
	if len(extension) > 20 {
		extension = ""
	}
	stem := strings.TrimSuffix(name, extension)
	if most := maxName - len(extension); len(stem) > most {
		for !utf8.RuneStart(stem[most]) {
			most--
		}
		stem = stem[:most]
	}
	name = strings.TrimRight(stem+extension, ". ") // Windows takes these away
	if !filepath.IsLocal(name) {                   // nothing is left, or it is a device of Windows
		return "file"
	}
	return name
}
