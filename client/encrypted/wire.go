package encrypted

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// The first octet of a message in the channel says what it is (docs/encryption.md section 5).
const (
	typeKey     = 0x01 // key[1216] commitment[32]
	typeOpen    = 0x02 // enc[1120] nonce[12] tag[16]
	typeSealed  = 0x03 // seq[8] nonce[12] ciphertext and tag
	typeRefused = 0x04 // why[1] hash[16]
	typeAsk     = 0x05 // nothing more
	typeReady   = 0x06 // hash[16] nonce[12], the reveal[32] encrypted, and tag[16]
)

// Why a device is refused.
const (
	whyWrongSecret   = 1
	whyAlreadyPaired = 2
)

// What a sealed message holds, in its first octet.
const (
	kindText   = 0
	kindBinary = 1
)

const (
	keyOctets        = 1216 // X-Wing's public key
	commitmentOctets = 32   // SHA-256 of the reveal
	revealOctets     = 32   // what the creator keeps to itself until it has paired
	encOctets        = 1120 // X-Wing's encapsulated secret
	hashOctets       = 16   // by which an enc is named
	seqOctets        = 8
	nonceOctets      = 12 // AES-GCM's, as is the tag
	tagOctets        = 16

	// overhead is what a sealed message has besides its data: type, seq, nonce, kind and tag.
	overhead = 1 + seqOctets + nonceOctets + 1 + tagOctets
)

// encodeMessage returns the text that goes into the channel.
func encodeMessage(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// decodeMessage reads a text from the channel: its type, and what follows. It returns ok false for what
// is none of the messages, in one of which every octet has its place and its only spelling.
func decodeMessage(text string) (octets []byte, ok bool) {
	octets, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(octets) == 0 || encodeMessage(octets) != text { // the decoder minds neither line ends nor spare bits
		return nil, false
	}
	n := len(octets) - 1
	switch octets[0] {
	case typeKey:
		ok = n == keyOctets+commitmentOctets
	case typeOpen:
		ok = n == encOctets+nonceOctets+tagOctets
	case typeSealed:
		ok = n >= seqOctets+nonceOctets+tagOctets
	case typeRefused:
		ok = n == 1+hashOctets
	case typeAsk:
		ok = n == 0
	case typeReady:
		ok = n == hashOctets+nonceOctets+revealOctets+tagOctets
	}
	return octets, ok
}

// hashEnc returns the name of an enc.
func hashEnc(enc []byte) [hashOctets]byte {
	sum := sha256.Sum256(enc)
	return [hashOctets]byte(sum[:])
}

// refusal returns the message that refuses the device that sent an enc.
func refusal(why byte, enc []byte) []byte {
	hash := hashEnc(enc)
	return append([]byte{typeRefused, why}, hash[:]...)
}

// sealedHead returns what comes before the nonce in a sealed message, and is authenticated with it.
func sealedHead(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{typeSealed}, seq) }
