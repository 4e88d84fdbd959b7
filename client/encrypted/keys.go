package encrypted

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"
)

// What keys are derived with (docs/encryption.md section 4).
const (
	protocolName         = "channelserver pairing 1"
	labelCreatorToJoiner = "creator to joiner"
	labelJoinerToCreator = "joiner to creator"
	labelShortString     = "short string"
	keyOfAES             = 32 // octets, as the next
	keyOfShortString     = 32
)

// suite returns the algorithms of HPKE (RFC 9180 section 7) that are used.
func suite() hpke.Suite {
	return hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES256GCM)
}

// newPrivateKey makes a key pair of 32 random octets, which are the private key as X-Wing has it: they are not
// put through DeriveKeyPair. It returns the public key as it goes into the channel.
func newPrivateKey(random io.Reader) (kem.PrivateKey, []byte, error) {
	scheme := hpke.KEM_XWING.Scheme()
	octets := make([]byte, scheme.PrivateKeySize())
	if _, err := io.ReadFull(random, octets); err != nil {
		return nil, nil, err
	}
	private, err := scheme.UnmarshalBinaryPrivateKey(octets)
	if err != nil {
		return nil, nil, err
	}
	public, err := private.Public().MarshalBinary()
	return private, public, err
}

// info returns the application's part of the key schedule.
func info(id string) []byte { return []byte(protocolName + "\x00" + id) }

// encapsulate is the joiner's side of HPKE's SetupPSK (RFC 9180 section 5.1.2). It takes 64 random octets.
func encapsulate(v *invitation, publicKey []byte, random io.Reader) (enc []byte, keys *keys, err error) {
	public, err := hpke.KEM_XWING.Scheme().UnmarshalBinaryPublicKey(publicKey)
	if err != nil {
		return nil, nil, err
	}
	sender, err := suite().NewSender(public, info(v.id))
	if err != nil {
		return nil, nil, err
	}
	enc, context, err := sender.SetupPSK(random, v.psk[:], []byte(v.id))
	if err != nil {
		return nil, nil, err
	}
	return enc, exportKeys(context), nil
}

// decapsulate is the creator's side.
func decapsulate(v *invitation, private kem.PrivateKey, enc []byte) (*keys, error) {
	receiver, err := suite().NewReceiver(private, info(v.id))
	if err != nil {
		return nil, err
	}
	context, err := receiver.SetupPSK(enc, v.psk[:], []byte(v.id))
	if err != nil {
		return nil, err
	}
	return exportKeys(context), nil
}

// keys are what both sides have agreed on.
type keys struct {
	creatorToJoiner []byte // of AES-256, as is the other
	joinerToCreator []byte
	shortString     []byte // of HMAC-SHA-256
}

func exportKeys(context hpke.Context) *keys {
	return &keys{
		creatorToJoiner: context.Export([]byte(labelCreatorToJoiner), keyOfAES),
		joinerToCreator: context.Export([]byte(labelJoinerToCreator), keyOfAES),
		shortString:     context.Export([]byte(labelShortString), keyOfShortString),
	}
}

// shortStringFor returns the short string, which takes what the creator reveals last: nobody who chooses an enc knows
// the string that comes of it (docs/encryption.md section 8).
func (k *keys) shortStringFor(reveal []byte) string {
	mac := hmac.New(sha256.New, k.shortString)
	mac.Write(reveal)
	return formatShortString(mac.Sum(nil))
}

// formatShortString writes the first 8 octets as six digits.
func formatShortString(octets []byte) string {
	n := binary.BigEndian.Uint64(octets) % 1_000_000
	return fmt.Sprintf("%03d %03d", n/1000, n%1000)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal returns head, a new nonce, and the ciphertext with its tag. The head is authenticated.
func seal(key []byte, random io.Reader, head, plaintext []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, nonceOctets)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	message := append(append(make([]byte, 0, len(head)+nonceOctets+len(plaintext)+tagOctets), head...), nonce...)
	return aead.Seal(message, nonce, plaintext, head), nil
}

// open is the inverse of seal, for a message that has a nonce after a head of so many octets.
func open(key, message []byte, headOctets int) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	head, rest := message[:headOctets], message[headOctets:]
	return aead.Open(nil, rest[:nonceOctets], rest[nonceOctets:], head)
}
