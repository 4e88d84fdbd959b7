package logs

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// An IDHasher gives channel ids names for logs. Lines about one channel can be told to belong
// together; who holds a log cannot join the channel, and who holds an id cannot find it in a log
// of another process, because the key is random and lives in memory only.
//
// HMAC-SHA256 rather than hash/maphash, which promises nothing against somebody who knows ids and
// names and looks for the key. An IDHasher is immutable; NewIDHasher makes one.
type IDHasher struct{ key []byte }

// NewIDHasher returns a hasher with a fresh random key.
func NewIDHasher() IDHasher {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return IDHasher{key}
}

// Hash returns 12 hexadecimal digits. Names of different ids may be the same: once among some
// 16 million. The zero IDHasher has no key and returns "".
func (h IDHasher) Hash(id [16]byte) string {
	if h.key == nil {
		return ""
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write(id[:])
	return hex.EncodeToString(mac.Sum(nil)[:6])
}
