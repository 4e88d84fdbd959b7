package web

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// get asks for the page, with headers as pairs of name and value.
func get(t *testing.T, method string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Page().ServeHTTP(w, r)
	return w.Result()
}

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPageIsSent(t *testing.T) {
	answer := get(t, "GET")
	if answer.StatusCode != http.StatusOK || read(t, answer.Body) != page || answer.Header.Get("Content-Encoding") != "" {
		t.Errorf("not the page: %s %v", answer.Status, answer.Header)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestHeadIsLikeGetWithoutTheBody(t *testing.T) {
	for _, encoding := range []string{"gzip", "identity"} {
		with, without := get(t, "GET", "Accept-Encoding", encoding), get(t, "HEAD", "Accept-Encoding", encoding)
		if body := read(t, without.Body); body != "" || without.StatusCode != http.StatusOK {
			t.Errorf("HEAD is answered with %s and %d octets", without.Status, len(body))
		}
		for name := range with.Header {
			if with.Header.Get(name) != without.Header.Get(name) {
				t.Errorf("%s is %q for GET and %q for HEAD", name, with.Header.Get(name), without.Header.Get(name))
			}
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		answer := get(t, method)
		if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s is answered with %s, Allow: %s", method, answer.Status, answer.Header.Get("Allow"))
		}
	}
}

func TestPageIsCompressedWhereThatIsAccepted(t *testing.T) {
	for accept, want := range map[string]bool{
		"gzip": true, "br, gzip;q=0.1": true, "GZIP ; Q=1": true, "*": true, "x-gzip": true, "deflate, gzip": true,
		"": false, "br": false, "gzip;q=0": false, "gzip;q=0, *": false, "*;q=0": false, "gzip;q=x": false, "gzippy": false,
	} {
		answer := get(t, "GET", "Accept-Encoding", accept)
		if got := answer.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding: %s: compressed %t, want %t", accept, got, want)
			continue
		}
		if !want {
			continue
		}
		unzipped, err := gzip.NewReader(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if read(t, unzipped) != page {
			t.Errorf("Accept-Encoding: %s: another page", accept)
		}
	}
}

func TestPageIsNotSentTwice(t *testing.T) {
	tags := map[string]string{}
	for _, encoding := range []string{"gzip", "identity"} {
		tag := get(t, "GET", "Accept-Encoding", encoding).Header.Get("ETag")
		if !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(tag) {
			t.Errorf("%s: ETag %q", encoding, tag)
		}
		tags[encoding] = tag
		for sent, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304,
			`"other"`: 200, "": 200, tag + "x": 200, strings.Trim(tag, `"`): 200,
		} {
			answer := get(t, "GET", "Accept-Encoding", encoding, "If-None-Match", sent)
			if answer.StatusCode != want {
				t.Errorf("%s, If-None-Match: %s: %s, want %d", encoding, sent, answer.Status, want)
			}
			if answer.Header.Get("ETag") != tag || answer.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s, If-None-Match: %s: headers %v", encoding, sent, answer.Header)
			}
		}
	}
	if tags["gzip"] == tags["identity"] {
		t.Error("two forms have one entity tag")
	}
}

// TestPolicyAllowsThePageAndNothingElse computes the hashes in another way than the code.
func TestPolicyAllowsThePageAndNothingElse(t *testing.T) {
	policy := get(t, "GET").Header.Get("Content-Security-Policy")
	for _, name := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<`+name+`(\s[^>]*)?>(.*?)</`+name+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 || found[0][1] != "" {
			t.Fatalf("%d elements <%s>, want one without attributes", len(found), name)
		}
		sum := sha256.Sum256([]byte(found[0][2]))
		if want := name + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want+";") {
			t.Errorf("%q is not in the policy %q", want, policy)
		}
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want+";") {
			t.Errorf("%q is not in the policy %q", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is too wide: %q", policy)
	}
}

// TestPageNeedsNothingFromOutside holds that the page refers to no other resource: what the policy would
// refuse anyway must not be tried.
func TestPageNeedsNothingFromOutside(t *testing.T) {
	markup := regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>`).ReplaceAllString(page, "")
	for _, refers := range regexp.MustCompile(`\b(?:src|href|action|srcset|poster|data)="([^"]*)"`).FindAllStringSubmatch(markup, -1) {
		if !strings.HasPrefix(refers[1], "data:image/svg+xml,") && !strings.HasPrefix(refers[1], "#") {
			t.Errorf("the page refers to %q", refers[1])
		}
	}
	if on := regexp.MustCompile(`\s(on[a-z]+|style)=`).FindString(markup); on != "" {
		t.Errorf("the page has the attribute%s, which its policy refuses", on)
	}
	if style := only(page, "style"); strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style loads something")
	}
}

func TestPageWithoutOneScriptIsRefused(t *testing.T) {
	for _, wrong := range []string{"", "<script>", "<script async></script>", "<script></script><script></script>"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is accepted", wrong)
				}
			}()
			only(wrong, "script")
		}()
	}
}
