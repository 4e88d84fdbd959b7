package encrypted

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cloudflare/circl/hpke"
)

// TestDocument holds that docs/encryption.md says what the code does, as far as that are words and numbers.
func TestDocument(t *testing.T) {
	octets, err := os.ReadFile("../../docs/encryption.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(octets)
	scheme := hpke.KEM_XWING.Scheme()
	same(t, "the size of keys", scheme.PublicKeySize(), keyOctets)
	same(t, "the size of enc", scheme.CiphertextSize(), encOctets)
	form := strings.NewReplacer("(", "", ")", "").Replace(fragmentForm.String())
	const page = "https://pair.example.org/"
	for _, want := range []string{
		fmt.Sprintf("| KEM | 0x%04x |", hpke.KEM_XWING),
		fmt.Sprintf("| KDF | 0x%04x |", hpke.KDF_HKDF_SHA256),
		fmt.Sprintf("| AEAD | 0x%04x |", hpke.AEAD_AES256GCM),
		"\n" + form + "\n",
		fmt.Sprintf("| %d | PSK, random |", pskOctets),
		fmt.Sprintf("| %d | the first %d of SHA-256", keyHashOctets, keyHashOctets),
		"`" + protocolName + "` ‖ 0x00 ‖ channel id",
		fmt.Sprintf("| `%s` | %d |", labelCreatorToJoiner, keyOfAES),
		fmt.Sprintf("| `%s` | %d |", labelJoinerToCreator, keyOfAES),
		fmt.Sprintf("| `%s` | %d |", labelShortString, keyOfShortString),
		fmt.Sprintf("| 0x%02x | key | creator | public key, %d ‖ commitment, %d | %d |", typeKey, keyOctets, commitmentOctets, 1+keyOctets+commitmentOctets),
		fmt.Sprintf("| 0x%02x | open | joiner | enc, %d ‖ nonce, %d ‖ tag, %d | %d |", typeOpen, encOctets, nonceOctets, tagOctets, 1+encOctets+nonceOctets+tagOctets),
		fmt.Sprintf("| 0x%02x | sealed | both | seq, %d ‖ nonce, %d ‖ ciphertext ‖ tag, %d | %d and more |", typeSealed, seqOctets, nonceOctets, tagOctets, 1+seqOctets+nonceOctets+tagOctets),
		fmt.Sprintf("| 0x%02x | refused | creator | why, 1 ‖ hash, %d | %d |", typeRefused, hashOctets, 2+hashOctets),
		fmt.Sprintf("| 0x%02x | ask | joiner | nothing | 1 |", typeAsk),
		fmt.Sprintf("| 0x%02x | ready | creator | hash, %d ‖ nonce, %d ‖ ciphertext, %d ‖ tag, %d | %d |", typeReady, hashOctets, nonceOctets, revealOctets, tagOctets, 1+hashOctets+nonceOctets+revealOctets+tagOctets),
		fmt.Sprintf("`why` is %d for `%s` and %d for `%s`", whyWrongSecret, ReasonWrongSecret, whyAlreadyPaired, ReasonAlreadyPaired),
		fmt.Sprintf("Kind %d is text in UTF-8, %d is binary", kindText, kindBinary),
		"`" + ReasonMessagesMissing + "`",
		fmt.Sprintf("floor(max_message_size * 3 / 4) - %d", overhead),
		thousands(assumedMessageSize) + " it is " + thousands(maxData(assumedMessageSize)) + " octets",
		"less than " + thousands(len(encodeMessage(make([]byte, 1+keyOctets+commitmentOctets)))) + " octets",
		"stops at " + thousands(maxSealed),
		fmt.Sprintf("| PSK and hash, as it is | %d |", len(page)+1+22+1+len(testSecret)),
	} {
		if !strings.Contains(document, want) {
			t.Errorf("docs/encryption.md does not say %q", want)
		}
	}
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// TestMaxData compares with the definition, for all sizes that matter.
func TestMaxData(t *testing.T) {
	for size := range 1000 {
		want := max(size*3/4-overhead, 0)
		if size == 0 {
			want = assumedMessageSize*3/4 - overhead
		}
		same(t, fmt.Sprintf("what fits into %d octets", size), maxData(size), want)
		if fits := encodeMessage(make([]byte, overhead+maxData(size))); size > overhead*2 && len(fits) > size {
			t.Errorf("%d octets do not fit into %d", maxData(size), size)
		}
	}
}

// TestShortString looks at the digits.
func TestShortString(t *testing.T) {
	for octets, want := range map[string]string{
		"\x00\x00\x00\x00\x00\x00\x00\x00": "000 000", "\x00\x00\x00\x00\x00\x00\x00\x07": "000 007",
		"\x00\x00\x00\x00\x00\x0f\x42\x40": "000 000", "\x00\x00\x00\x00\x00\x0f\x42\x3f": "999 999",
		"\xff\xff\xff\xff\xff\xff\xff\xff": "551 615", "\x00\x00\x00\x01\x00\x00\x00\x00": "967 296",
	} {
		same(t, fmt.Sprintf("the short string of %x", octets), formatShortString([]byte(octets)), want)
	}
}
