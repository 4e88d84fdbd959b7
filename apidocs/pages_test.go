package apidocs_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"channelserver/apidocs"
)

// get answers a request without a network.
func get(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	apidocs.Pages()[path].ServeHTTP(answer, r)
	return answer
}

func TestHeaders(t *testing.T) {
	for path, want := range map[string][2]string{
		"/docs":          {"text/html; charset=utf-8", ""},
		"/openapi.json":  {"application/json", "*"},
		"/asyncapi.json": {"application/json", "*"},
	} {
		whole := get("GET", path)
		h := whole.Header()
		tag := h.Get("ETag")
		if h.Get("Content-Type") != want[0] || h.Get("Access-Control-Allow-Origin") != want[1] || h.Get("Cache-Control") != "no-cache" || len(tag) != 34 {
			t.Errorf("%s: %v", path, h)
		}
		if again := get("GET", path, "If-None-Match", tag); again.Code != 304 || again.Body.Len() != 0 || again.Header().Get("ETag") != tag {
			t.Errorf("%s: asked with its tag, %d", path, again.Code)
		}
		if other := get("GET", path, "If-None-Match", `"x"`); other.Code != 200 || other.Body.Len() != whole.Body.Len() {
			t.Errorf("%s: asked with another tag, %d", path, other.Code)
		}
		if head := get("HEAD", path); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != strconv.Itoa(whole.Body.Len()) {
			t.Errorf("%s: HEAD: %d, %v", path, head.Code, head.Header())
		}
	}
}

// The page needs nothing but itself, and its policy allows nothing but its style.
func TestPageStandsAlone(t *testing.T) {
	answer := get("GET", "/docs")
	page := answer.Body.String()
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := answer.Header().Get("Content-Security-Policy"); got != want || !found {
		t.Errorf("the policy is %s, want %s", got, want)
	}
	for _, outside := range []string{"<script", "<img", "<iframe", "<form", " style=", " src=", "url(", "@import", `href="http`, `href="//`} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %q", outside)
		}
	}

	d := xml.NewDecoder(strings.NewReader(page))
	ids, links := make(map[string]bool), []string{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err) // the page is well-formed as XML too, so that this can be looked at
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range element.Attr {
			switch {
			case a.Name.Local == "id" && ids[a.Value]:
				t.Errorf("two elements have the id %q", a.Value)
			case a.Name.Local == "id":
				ids[a.Value] = true
			case a.Name.Local == "href":
				links = append(links, a.Value)
			case strings.HasPrefix(a.Name.Local, "on"):
				t.Errorf("<%s> has %s", element.Name.Local, a.Name.Local)
			}
		}
	}
	for _, link := range links {
		if id, ok := strings.CutPrefix(link, "#"); ok && !ids[id] || !ok && apidocs.Pages()[link] == nil {
			t.Errorf("the link %s leads nowhere", link)
		}
	}
}

func TestPageHasEverything(t *testing.T) {
	page := html.UnescapeString(get("GET", "/docs").Body.String())
	has := func(text string) {
		t.Helper()
		if text == "" || !strings.Contains(page, text) {
			t.Errorf("the page does not have %q", text)
		}
	}
	open, async := readDocument(t, "/openapi.json"), readDocument(t, "/asyncapi.json")
	for id, o := range open.operations(t) {
		has(`<details id="` + id + `">`)
		has(o.path)
		for status := range o.Responses {
			has(">" + status + "<")
		}
	}
	for name, m := range async.Components.Messages {
		has(m.Title)
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", name)
		}
	}
	for _, c := range async.Codes {
		has(">" + strconv.Itoa(c.Code) + "<")
		has(">" + c.Reason + "<")
		has(c.When)
		has(c.Then)
	}
	for _, c := range async.Conversations {
		has(c.Title)
	}
	limits := async.Components.Schemas["Limits"].(map[string]any)["properties"].(map[string]any)
	for name := range limits {
		has(">" + name + "<")
	}
	has("curl -N $server/v2/channels/")
}

// What both documents describe, they describe alike.
func TestDocumentsAgree(t *testing.T) {
	open, async := readDocument(t, "/openapi.json"), readDocument(t, "/asyncapi.json")
	shared := 0
	for name, s := range open.Components.Schemas {
		if other, ok := async.Components.Schemas[name]; ok {
			shared++
			if !reflect.DeepEqual(s, other) {
				t.Errorf("they differ in %s: %v, %v", name, s, other)
			}
		}
	}
	if shared == 0 {
		t.Error("they have no schema in common")
	}
}
