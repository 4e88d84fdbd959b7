package apidocs_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"channelserver/apidocs"
)

// A document is what /openapi.json or /asyncapi.json says, as far as the tests need it.
type document struct {
	path    string
	text    []byte
	schemas *jsonschema.Compiler
	had     map[string]bool // answers and examples that a conversation had, by their JSON pointers

	Paths      map[string]map[string]json.RawMessage // by path; then by method in lower case, or "parameters"
	Components struct {
		Schemas   map[string]any
		Responses map[string]response
		Messages  map[string]struct {
			Title       string
			ContentType string
			Examples    []struct {
				Name    string
				Payload any
			}
		}
	}
	Codes []struct {
		Code       int
		Reason     string
		When, Then string
	} `json:"x-close-codes"`
	People map[string]struct {
		Address string
		Headers map[string]string
	} `json:"x-people"`
	Conversations []conversation `json:"x-conversations"`
}

type operation struct {
	OperationID string
	RequestBody struct{ Content map[string]media }
	Responses   map[string]response // by status
	path        string
	method      string // in lower case
}

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
	Content map[string]media // by type
	pointer string
}

type media struct {
	Examples map[string]struct{ Value any }
}

// A conversation is a list of steps through which a server goes that was started with the settings.
type conversation struct {
	Title    string
	Settings []string
	Steps    []step
}

// A step has Passes, or Server, or Who with one of the others. Its examples are given by their names.
type step struct {
	Passes string // how much time goes by
	Server string // what it does: drains, restarts or stops

	Who string // one of People

	Operation string            // makes a request
	ID        string            // of the channel, if not that of the conversation
	Query     string            // of the request
	Headers   map[string]string // the same
	Body      string            // the same
	Status    int               // of the answer
	Example   string            // that the answer equals

	Connects string // a WebSocket to this path
	Sends    string // a message, a slash, and one of its examples
	Receives string // the same
	Loses    bool   // the socket, without a close frame
	Closes   int    // the WebSocket, with this code
	Closed   int    // by the server, with this code
}

// readDocument gets a document from where it is served.
func readDocument(t testing.TB, path string) *document {
	t.Helper()
	answer := httptest.NewRecorder()
	apidocs.Pages()[path].ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
	d := &document{path: path, text: answer.Body.Bytes(), had: make(map[string]bool), schemas: jsonschema.NewCompiler()}
	if err := json.Unmarshal(d.text, d); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.text))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.schemas.AddResource(path, whole); err != nil {
		t.Fatal(err)
	}
	return d
}

// check validates JSON against the schema at a JSON pointer (RFC 6901).
func (d *document) check(t testing.TB, pointer, text string) {
	t.Helper()
	s, err := d.schemas.Compile(d.path + "#" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = s.Validate(value)
	}
	if err != nil {
		t.Errorf("%s is not as %s says: %v", text, pointer, err)
	}
}

// pointer makes a JSON pointer.
func pointer(parts ...string) string {
	var text strings.Builder
	for _, part := range parts {
		text.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return text.String()
}

// operations returns the operations by their ids.
func (d *document) operations(t testing.TB) map[string]operation {
	t.Helper()
	all := make(map[string]operation)
	for path, methods := range d.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			o := operation{path: path, method: method}
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			if _, twice := all[o.OperationID]; twice {
				t.Errorf("two operations are called %q", o.OperationID)
			}
			all[o.OperationID] = o
		}
	}
	return all
}

// response returns what the document says about an answer.
func (d *document) response(o operation, status int) (response, bool) {
	code := strconv.Itoa(status)
	r, ok := o.Responses[code]
	r.pointer = pointer("paths", o.path, o.method, "responses", code)
	if name, shared := strings.CutPrefix(r.Ref, "#/components/responses/"); shared {
		r, ok = d.Components.Responses[name]
		r.pointer = pointer("components", "responses", name)
	}
	return r, ok
}

// wanted returns the JSON pointers of all that conversations must have.
func (d *document) wanted(t testing.TB) []string {
	t.Helper()
	var all []string
	examples := func(place string, content map[string]media) {
		for kind, m := range content {
			for name := range m.Examples {
				all = append(all, place+pointer("content", kind, "examples", name))
			}
		}
	}
	for _, o := range d.operations(t) {
		place := pointer("paths", o.path, o.method)
		examples(place+"/requestBody", o.RequestBody.Content)
		for status, r := range o.Responses {
			all = append(all, place+pointer("responses", status))
			examples(place+pointer("responses", status), r.Content)
		}
	}
	for name, r := range d.Components.Responses {
		examples(pointer("components", "responses", name), r.Content)
	}
	for name, m := range d.Components.Messages {
		for _, e := range m.Examples {
			all = append(all, pointer("components", "messages", name, e.Name))
		}
	}
	return all
}
