package logs

import (
	"regexp"
	"testing"
)

func TestIDHasher(t *testing.T) {
	a, b := NewIDHasher(), NewIDHasher()
	id, other := [16]byte{1}, [16]byte{2}
	if got := a.Hash(id); !regexp.MustCompile("^[0-9a-f]{12}$").MatchString(got) {
		t.Errorf("got %q, want 12 hexadecimal digits", got)
	}
	if again := a; again.Hash(id) != a.Hash(id) {
		t.Error("one id has two names")
	}
	if a.Hash(id) == a.Hash(other) {
		t.Error("two ids have one name")
	}
	if a.Hash(id) == b.Hash(id) {
		t.Error("the name does not depend on the process's key")
	}
	if got := (IDHasher{}).Hash(id); got != "" {
		t.Errorf("a hasher without a key gave %q", got)
	}
}
