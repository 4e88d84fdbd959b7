package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// A wireCase is what a client sends in one connection, what the others hear of that, and how the
// server answers.
type wireCase struct {
	name    string // begins with the section of RFC 6455
	octets  []byte
	heard   []string
	answers []string // all frames, in words as rawSocket.next has them; the last is a close
}

// How most cases end.
const (
	wrong      = "close 1002 protocol-error"
	notUTF8    = "close 1007 bad-payload"
	tooBig     = "close 1009 message-too-big"
	takesLeave = "close 1000"
)

// leaving is the end of a client that has done nothing wrong.
func leaving() []byte { return closeWith(1000, "bye") }

// wireFamilies returns all cases by what they are about.
func wireFamilies() map[string][]wireCase {
	return map[string][]wireCase{
		"framing": framingCases(), "pings": pingCases(), "reserved": reservedCases(), "fragments": fragmentCases(),
		"UTF-8": textCases(), "closing": closingCases(), "limits": limitCases(),
	}
}

func framingCases() []wireCase {
	cases := []wireCase{
		{"5.1 unmasked", []byte{fin | text, 1, 'a'}, nil, []string{wrong}},
		{"5.1 unmasked control", []byte{fin | ping, 0}, nil, []string{wrong}},
		{"5.1 unmasked after masked", join(masked(fin|text, "first"), []byte{fin | text, 0}), []string{"first"}, []string{wrong}},
		{"5.2 length in two octets that fits in one", join([]byte{fin | text, 0x80 | 126, 0, 1}, maskingKey[:], []byte{'a' ^ maskingKey[0]}, leaving()), []string{"a"}, []string{takesLeave}},
		{"5.2 length in eight octets that fits in one", join([]byte{fin | text, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1}, maskingKey[:], []byte{'a' ^ maskingKey[0]}, leaving()), []string{"a"}, []string{takesLeave}},
		{"5.2 length with the top bit", header(fin|text, 1<<63), nil, []string{wrong}},
		{"5.3 key of zeros", join([]byte{fin | text, 0x80 | 1, 0, 0, 0, 0, 'a'}, leaving()), []string{"a"}, []string{takesLeave}},
	}
	for _, size := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		message := strings.Repeat("*", size)
		cases = append(cases,
			wireCase{fmt.Sprintf("5.2 text of %d octets", size), join(masked(fin|text, message), leaving()), []string{message}, []string{takesLeave}},
			wireCase{fmt.Sprintf("5.6 binary of %d octets", size), join(masked(fin|binaryData, message), masked(fin|text, "after"), leaving()), []string{"after"}, []string{takesLeave}})
	}
	return cases
}

func pingCases() []wireCase {
	octets := string(bytes.Repeat([]byte{0x00, 0xFF, 0xFE, 0xFD}, 31)) + "x"
	var ten []byte
	var pongs []string
	for n := range 10 {
		payload := fmt.Sprint("payload-", n)
		ten = append(ten, masked(fin|ping, payload)...)
		pongs = append(pongs, "pong "+payload)
	}
	return []wireCase{
		{"5.5.2 empty ping", join(masked(fin|ping, ""), leaving()), nil, []string{"pong ", takesLeave}},
		{"5.5.2 ping with text", join(masked(fin|ping, "Hello, world!"), leaving()), nil, []string{"pong Hello, world!", takesLeave}},
		{"5.5.2 ping of octets", join(masked(fin|ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), leaving()), nil, []string{"pong \x00\xff\xfe\xfd\xfc\xfb\x00\xff", takesLeave}},
		{"5.5.2 ping of 125 octets", join(masked(fin|ping, octets), leaving()), nil, []string{"pong " + octets, takesLeave}},
		{"5.5 ping of 126 octets", masked(fin|ping, octets+"x"), nil, []string{wrong}},
		{"5.5 ping of 65536 octets", header(fin|ping, 65536), nil, []string{wrong}},
		{"5.5 pong of 126 octets", masked(fin|pong, octets+"x"), nil, []string{wrong}},
		{"5.5 ping in fragments", join(masked(ping, "a"), masked(fin|continuation, "b")), nil, []string{wrong}},
		{"5.5 pong in fragments", masked(pong, ""), nil, []string{wrong}},
		{"5.5.2 ten pings", join(ten, leaving()), nil, append(pongs, takesLeave)},
		{"5.5.3 pongs nobody asked for", join(masked(fin|pong, ""), masked(fin|pong, "unsolicited"), masked(fin|ping, "ping"), leaving()), nil, []string{"pong ping", takesLeave}},
		{"5.5.2 ping before and after a message", join(masked(fin|ping, "1"), masked(fin|text, "message"), masked(fin|ping, "2"), leaving()), []string{"message"}, []string{"pong 1", "pong 2", takesLeave}},
	}
}

func reservedCases() (cases []wireCase) {
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		for _, opcode := range []byte{text, binaryData, ping, pong, closing} {
			cases = append(cases, wireCase{
				fmt.Sprintf("5.2 reserved bits %x, opcode %x", bits, opcode),
				join(masked(fin|text, "before"), masked(fin|bits|opcode, ""), masked(fin|ping, "")),
				[]string{"before"},
				[]string{wrong},
			})
		}
	}
	cases = append(cases, wireCase{"5.2 reserved bit in a continuation", join(masked(text, "a"), masked(fin|rsv1|continuation, "b")), nil, []string{wrong}})
	for _, opcode := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		cases = append(cases,
			wireCase{fmt.Sprintf("5.2 opcode %x", opcode), masked(fin|opcode, ""), nil, []string{wrong}},
			wireCase{fmt.Sprintf("5.2 opcode %x with a payload", opcode), masked(fin|opcode, "payload"), nil, []string{wrong}},
			wireCase{fmt.Sprintf("5.2 opcode %x after a message and a ping", opcode), join(masked(fin|text, "before"), masked(fin|ping, "?"), masked(fin|opcode, ""), masked(fin|text, "after")), []string{"before"}, []string{"pong ?", wrong}})
	}
	return cases
}

func fragmentCases() []wireCase {
	large := strings.Repeat("0123456789abcdef", 4096) // 65536
	cases := []wireCase{
		{"5.4 two fragments", join(cut(text, "fragments", 5, nil), leaving()), []string{"fragments"}, []string{takesLeave}},
		{"5.4 fragments of one octet", join(cut(text, strings.Repeat("x", 1000), 1, nil), leaving()), []string{strings.Repeat("x", 1000)}, []string{takesLeave}},
		{"5.4 a ping between fragments", join(cut(text, "fragments", 5, masked(fin|ping, "between")), leaving()), []string{"fragments"}, []string{"pong between", takesLeave}},
		{"5.4 a pong between fragments", join(cut(text, "fragments", 5, masked(fin|pong, "between")), leaving()), []string{"fragments"}, []string{takesLeave}},
		{"5.4 empty fragments", join(masked(text, ""), masked(continuation, ""), masked(fin|continuation, ""), leaving()), []string{""}, []string{takesLeave}},
		{"5.4 only the middle is not empty", join(masked(text, ""), masked(continuation, "middle"), masked(fin|continuation, ""), leaving()), []string{"middle"}, []string{takesLeave}},
		{"5.4 binary fragments", join(cut(binaryData, "fragments", 2, nil), masked(fin|text, "after"), leaving()), []string{"after"}, []string{takesLeave}},
		{"5.4 continuation of nothing", masked(fin|continuation, "a"), nil, []string{wrong}},
		{"5.4 continuation of nothing, not final", masked(continuation, "a"), nil, []string{wrong}},
		{"5.4 continuation of a whole message", join(masked(fin|text, "whole"), masked(fin|continuation, "a")), []string{"whole"}, []string{wrong}},
		{"5.4 continuation after the last fragment", join(cut(text, "whole", 1, nil), masked(continuation, "a")), []string{"whole"}, []string{wrong}},
		{"5.4 text in a fragmented message", join(masked(text, "a"), masked(fin|text, "b")), nil, []string{wrong}},
		{"5.4 text fragment in a fragmented message", join(masked(text, "a"), masked(continuation, "b"), masked(text, "c")), nil, []string{wrong}},
		{"5.4 binary in a fragmented message", join(masked(text, "a"), masked(fin|binaryData, "b")), nil, []string{wrong}},
		{"5.4 ping, then text in a fragmented message", join(masked(text, "a"), masked(fin|ping, "?"), masked(fin|text, "b")), nil, []string{"pong ?", wrong}},
		{"5.4 leaving in a fragmented message", join(masked(text, "a"), leaving()), nil, []string{takesLeave}},
	}
	for _, size := range []int{1300, 536, 4096, 16384} { // as senders do that fragment whatever they send
		cases = append(cases, wireCase{fmt.Sprintf("5.4 65536 octets in fragments of %d", size), join(cut(text, large, size, nil), leaving()), []string{large}, []string{takesLeave}})
	}
	return cases
}

func textCases() (cases []wireCase) {
	for _, valid := range []string{
		"κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufeff", "\ufffd", "\ufffe", "\uffff",
		"\U00010000", "\U0001F600", "\U0001fffe", "\U0010ffff", "Hello-µ@ßöäüàá-UTF-8!!",
	} {
		message := "<" + valid + ">"
		cases = append(cases, wireCase{fmt.Sprintf("8.1 %+q", valid), join(masked(fin|text, message), leaving()), []string{message}, []string{takesLeave}})
		for at := 1; at < len(message); at++ {
			octets := join(masked(text, message[:at]), masked(fin|ping, ""), masked(fin|continuation, message[at:]), leaving())
			cases = append(cases, wireCase{fmt.Sprintf("8.1 %+q, cut at %d", valid, at), octets, []string{message}, []string{"pong ", takesLeave}})
		}
	}
	for _, fault := range []string{
		"\x80", "\xbf", "\x80\xbf\x80", // continuation octets alone
		"\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\xc3\xa9", "\xe2\x82\xe2\x82\xac", // cut short
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // too long for what they mean
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // surrogates
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", // above U+10FFFF
		"\xfe", "\xff", "\xfe\xfe\xff\xff",
	} {
		message := "κ" + fault + "ε"
		cases = append(cases,
			wireCase{fmt.Sprintf("8.1 fault %+q", fault), masked(fin|text, message), nil, []string{notUTF8}},
			wireCase{fmt.Sprintf("8.1 fault %+q at the end", fault), masked(fin|text, "κ"+fault), nil, []string{notUTF8}})
		for at := 1; at < len(message); at++ {
			cases = append(cases, wireCase{fmt.Sprintf("8.1 fault %+q, cut at %d", fault, at), join(masked(text, message[:at]), masked(fin|continuation, message[at:])), nil, []string{notUTF8}})
		}
	}
	return append(cases,
		wireCase{"8.1 fault in binary", join(masked(fin|binaryData, "\xff"), leaving()), nil, []string{takesLeave}},
		wireCase{"8.1 fault between messages", join(masked(fin|text, "one"), masked(fin|text, "\xff"), masked(fin|text, "two")), []string{"one"}, []string{notUTF8}})
}

func closingCases() []wireCase {
	cases := []wireCase{
		{"5.5.1 empty close", masked(fin|closing, ""), nil, []string{"close "}},
		{"5.5.1 close of one octet", masked(fin|closing, "\x03"), nil, []string{wrong}},
		{"5.5.1 reason of 123 octets", closeWith(1000, strings.Repeat("*", 123)), nil, []string{takesLeave}},
		{"5.5.1 reason of 124 octets", closeWith(1000, strings.Repeat("*", 124)), nil, []string{wrong}},
		{"5.5.1 reason that is not UTF-8", closeWith(1000, "\xce\xba\xed\xa0\x80"), nil, []string{wrong}},
		{"5.5.1 close in fragments", join(masked(closing, "\x03\xe8")), nil, []string{wrong}},
		{"5.5.1 nothing after close", join(leaving(), masked(fin|text, "after"), masked(fin|ping, "")), nil, []string{takesLeave}},
		{"5.5.1 two closes", join(leaving(), leaving()), nil, []string{takesLeave}},
		{"5.5.1 close behind messages", join(masked(fin|text, "1"), masked(fin|text, "2"), leaving()), []string{"1", "2"}, []string{takesLeave}},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999} {
		cases = append(cases, wireCase{fmt.Sprintf("7.4 close %d", code), closeWith(code, "reason"), nil, []string{fmt.Sprint("close ", code)}})
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, wireCase{fmt.Sprintf("7.4 close %d", code), closeWith(code, ""), nil, []string{wrong}})
	}
	return cases
}

func limitCases() []wireCase {
	const most = 65536 // octets of a message, as max_message_size has it by default
	half := strings.Repeat("x", most/2)
	var cases []wireCase
	for _, kind := range []byte{text, binaryData} {
		for _, length := range []uint64{most + 1, 1 << 31, 1 << 32, 1 << 62, 1<<63 - 1} {
			cases = append(cases,
				wireCase{fmt.Sprintf("10.4 opcode %d of %d octets", kind, length), slices.Concat(header(fin|kind, length), []byte("some of them")), nil, []string{tooBig}},
				wireCase{fmt.Sprintf("10.4 opcode %d of %d octets in the last fragment", kind, length), join(masked(kind, "a"), header(fin|continuation, length)), nil, []string{tooBig}})
		}
		cases = append(cases,
			wireCase{fmt.Sprintf("10.4 opcode %d, one octet too much in fragments", kind), join(masked(kind, half), masked(continuation, half), masked(fin|continuation, "x")), nil, []string{tooBig}},
			wireCase{fmt.Sprintf("10.4 opcode %d, one octet too much in the last of crumbs", kind), join(masked(kind, half), masked(continuation, half[1:]), masked(continuation, ""), masked(continuation, "x"), masked(fin|continuation, "x")), nil, []string{tooBig}})
	}
	return append(cases, wireCase{
		"10.4 at the limit in fragments", join(masked(text, half), masked(continuation, half), masked(fin|continuation, ""), leaving()),
		[]string{half + half},
		[]string{takesLeave},
	}, wireCase{"10.4 lengths that count together overflow", join(masked(text, "ab"), header(continuation, 1<<63-1), binary.BigEndian.AppendUint64(nil, 1)), nil, []string{tooBig}})
}
