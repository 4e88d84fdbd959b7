package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"channelserver/client/encrypted"
)

// sameFile checks that two files have the same content.
func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, errX := os.ReadFile(a)
	y, errY := os.ReadFile(b)
	if err := errors.Join(errX, errY); err != nil || sha256.Sum256(x) != sha256.Sum256(y) {
		t.Errorf("%s (%d octets) is not the same as %s (%d octets): %v", a, len(x), b, len(y), err)
	}
}

// file makes a file with random content.
func file(t *testing.T, name string, octets int) string {
	t.Helper()
	data := make([]byte, octets)
	rand.Read(data)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pairFiles(t *testing.T, server string) {
	folderA, folderB := t.TempDir(), t.TempDir()
	big, small, empty := file(t, "big.tar.gz", 3_000_000), file(t, "small", 1), file(t, "empty.txt", 0)
	if err := os.WriteFile(filepath.Join(folderB, "small"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(folderB, "small (1)")); err != nil {
		t.Fatal(err)
	}
	a := start(t, server, "--directory", folderA, "--file", big, "--file", empty)
	b := start(t, "--directory", folderB, a.link(t), "--file", small, "--file", empty, "--file", small)
	a.say("texts go in between\n")
	b.out.wait(t, "texts go in between\n")
	a.in.Close()
	b.in.Close()
	a.ends(t, 0, "Sent big.tar.gz (3.0 MB).")
	b.ends(t, 0, "Saved "+filepath.Join(folderB, "big.tar.gz")+" (3.0 MB).")
	sameFile(t, filepath.Join(folderB, "big.tar.gz"), big)
	sameFile(t, filepath.Join(folderA, "small"), small)
	sameFile(t, filepath.Join(folderA, "small (1)"), small)
	sameFile(t, filepath.Join(folderA, "empty.txt"), empty)
	sameFile(t, filepath.Join(folderB, "empty.txt"), empty)
	if now, err := os.ReadFile(filepath.Join(folderB, "small")); err != nil || len(now) > 0 {
		t.Errorf("a file was overwritten, with %q: %v", now, err)
	}
}

func pairHostileFiles(t *testing.T, server string) {
	folder := t.TempDir()
	a := start(t, server, "--directory", folder)
	p := joinAs(t, a.link(t))
	p.hears(`{"type":"confirm","piped":true}`)
	p.say(`{"type":"confirm"}`)
	p.sayBinary([]byte("of no file"))
	p.say(`{"type":"file","id":1,"name":"../../.bashrc","size":3}`)
	p.sayBinary([]byte("abc"))
	p.sayBinary([]byte("of no file"))
	p.say(`{"type":"file","id":2,"name":"more","size":3}`)
	p.sayBinary([]byte("abcd"))
	p.hears(`{"type":"cancel","id":2}`)
	p.say(`{"type":"file","id":3,"name":"huge","size":10485761}`)
	p.hears(`{"type":"cancel","id":3}`)
	p.say(`{"type":"file","id":4,"name":"half","size":3}`, `{"type":"file","id":5,"name":"anew","size":2}`)
	p.sayBinary([]byte("x"))
	p.say(`{"type":"file","id":5,"name":"anew","size":2}`)
	p.sayBinary([]byte("ab"))
	p.say(`{"type":"file","id":6,"name":"stopped","size":3}`, `{"type":"cancel","id":6,"mine":true}`)
	p.sayBinary([]byte("abc"))
	p.say(`{"type":"file","id":7,"name":"/","size":0}`, `{"type":"again","id":1}`)
	p.hears(`{"type":"cancel","id":1,"mine":true}`)
	p.say(`{"type":"bye"}`)
	a.ends(t, exitFailed, "more is larger than the other device has said")
	var found strings.Builder
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		data, _ := os.ReadFile(filepath.Join(folder, entry.Name()))
		found.WriteString(fmt.Sprintf("%s=%s ", entry.Name(), data))
	}
	if found.String() != "anew=ab bashrc=abc file= " || err != nil {
		t.Errorf("the folder has %q: %v", found.String(), err)
	}
}

func pairNoFiles(t *testing.T, server string) {
	folder := filepath.Join(t.TempDir(), "missing")
	a := start(t, server, "--no-files", "--directory", folder)
	b := start(t, a.link(t), "--file", file(t, "unwanted", 500_000))
	a.in.Close()
	b.in.Close()
	b.ends(t, exitFailed, "The other device does not want unwanted.")
	a.ends(t, 0, "It was refused, because of --no-files.")
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
}

func pairUnwanted(t *testing.T, server string) {
	a := start(t, server, "--file", file(t, "one", 300_000), "--file", file(t, "two", 0))
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`)
	p.hears(`{"type":"confirm","piped":true}`, `{"type":"file","id":1,"name":"one","size":300000,"mime":"application/octet-stream"}`)
	p.say(`{"type":"cancel","id":1}`)
	a.in.Close()
	var last encrypted.Message
	for last = p.hear(); !last.Text; last = p.hear() { // pieces on the way
	}
	if string(last.Data) != `{"type":"file","id":2,"name":"two","size":0,"mime":"application/octet-stream"}` {
		t.Fatalf("it said %q", last.Data)
	}
	p.hears(`{"type":"done"}`, `{"type":"bye"}`)
	a.ends(t, exitFailed, "The other device does not want one.")
}

func pairAgain(t *testing.T, server string) {
	path := file(t, "photo.png", 200_000)
	a := start(t, server, "--file", path)
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`)
	const announced = `{"type":"file","id":1,"name":"photo.png","size":200000,"mime":"image/png"}`
	p.hears(`{"type":"confirm","piped":true}`, announced)
	p.hear() // a piece
	p.say(`{"type":"again","id":1}`)
	m := p.hear()
	for !m.Text { // of the first attempt
		m = p.hear()
	}
	var got []byte
	for len(got) < 200_000 {
		got = append(got, p.hear().Data...)
	}
	want, err := os.ReadFile(path)
	if err != nil || string(m.Data) != announced || !bytes.Equal(got, want) {
		t.Fatalf("it sent %.100q and then %d octets: %v", m.Data, len(got), err)
	}
	p.say(`{"type":"again","id":1}`) // even when all of it has come
	p.hears(announced)
	for n := 0; n < 200_000; {
		n += len(p.hear().Data)
	}
	a.in.Close()
	p.hears(`{"type":"done"}`, `{"type":"bye"}`)
	a.ends(t, 0, "The other device asks for")
}

// Nobody leaves while a file comes, though there is nothing more to send.
func pairFileFirst(t *testing.T, server string) {
	folder := t.TempDir()
	a := start(t, server, "--directory", folder)
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`, `{"type":"file","id":1,"name":"x","size":2}`)
	p.sayBinary([]byte("a"))
	a.say("hi\n")
	p.hears(`{"type":"confirm","piped":true}`, `{"type":"text","text":"hi"}`)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = p.Receive(over) // acknowledges
	a.in.Close()
	for n := range 5 { // time enough to leave
		p.say(fmt.Sprintf(`{"type":"text","text":"%d"}`, n))
		a.out.wait(t, fmt.Sprintf("%d\n", n))
	}
	p.sayBinary([]byte("b"))
	p.hears(`{"type":"done"}`, `{"type":"bye"}`)
	a.ends(t, 0, "Saved "+filepath.Join(folder, "x"))
}

// With the same id both ways, a file that its sender cancels is not the one that it receives.
func pairOwnCancel(t *testing.T, server string) {
	a := start(t, server, "--file", file(t, "wanted", 300_000), "--directory", t.TempDir())
	p := joinAs(t, a.link(t))
	p.say(`{"type":"confirm"}`)
	p.hears(`{"type":"confirm","piped":true}`, `{"type":"file","id":1,"name":"wanted","size":300000,"mime":"application/octet-stream"}`)
	p.say(`{"type":"file","id":1,"name":"mine","size":2}`, `{"type":"cancel","id":1,"mine":true}`)
	a.err.wait(t, "The other device has stopped sending mine.")
	for n := 0; n < 300_000; {
		n += len(p.hear().Data)
	}
	a.in.Close()
	p.hears(`{"type":"done"}`, `{"type":"bye"}`)
	a.ends(t, exitFailed, "Sent wanted (300.0 kB).")
}
