package pairing

import (
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestUsualFrames(t *testing.T) {
	for text, usual := range map[string]bool{
		`{"type":"send","n":1,"message":""}`:                   true,
		`{"type":"send","n":999999999999999999,"message":"é"}`: true,
		`{"type":"ack","seq":0}`:                               true,
		`{"type":"ack","seq":42}`:                              true,
		`{"type":"ack","seq":042}`:                             false,
		`{"type":"ack","seq":1000000000000000000}`:             false,
		`{"type":"ack","seq":}`:                                false,
		`{"type":"ack","seq":1}}`:                              false,
		`{"type":"ack","seq":1,"n":1}`:                         false,
		`{"type":"ack","seq": 1}`:                              false,
		`{"type":"send","n":1,"message":"\n"}`:                 false,
		`{"type":"send","n":1,"message":"a","n":2}`:            false,
		`{"type":"send","n":1,"message":"a`:                    false,
		`{"type":"send","n":1,"message":"}`:                    false,
		`{"type":"send","n":1,"message":1}`:                    false,
		`{"type":"send","message":"a","n":1}`:                  false,
		"{\"type\":\"send\",\"n\":1,\"message\":\"\t\"}":       false,
	} {
		if _, got := parseUsual([]byte(text)); got != usual {
			t.Errorf("%s: usual is %v", text, got)
		}
	}
}

func FuzzParseUsual(f *testing.F) {
	for _, seed := range []string{
		`{"type":"send","n":1,"message":"aGVsbG8"}`, `{"type":"ack","seq":7}`, `{"type":"send","n":1,"message":"a","n":2}`,
		`{"type":"send","n":0,"message":"é\u00e9"}`, `{"type":"ack","seq":00}`, `{"type":"send","n":18446744073709551616,"message":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := parseUsual(text)
		if !ok || !utf8.Valid(text) {
			return
		}
		want, refused := parseAny(text)
		if refused != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, by encoding/json as %+v, %+v", text, got, want, refused)
		}
	})
}
