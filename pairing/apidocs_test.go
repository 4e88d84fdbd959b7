package pairing

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"channelserver/apidocs"
	"channelserver/geo"
	"channelserver/ops"
	"channelserver/relay"
)

// An apiDocument is what the tests here need of /openapi.json or /asyncapi.json. That its examples are true
// is tested in package apidocs.
type apiDocument struct {
	path       string
	compiler   *jsonschema.Compiler
	Paths      map[string]map[string]any
	Components struct{ Schemas map[string]apiSchema }
	Codes      []struct {
		Code   int
		Reason string
	} `json:"x-close-codes"`
}

type apiSchema struct {
	Type       string
	Ref        string `json:"$ref"`
	Const      any
	Enum       []any
	Required   []string
	Properties map[string]apiSchema
	AllOf      []apiSchema
	OneOf      []apiSchema
	Items      *apiSchema
}

func readAPI(t *testing.T, path string) *apiDocument {
	t.Helper()
	answer := httptest.NewRecorder()
	apidocs.Pages()[path].ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
	d := &apiDocument{path: path, compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(answer.Body.Bytes(), d); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.compiler.AddResource(path, whole); err != nil {
		t.Fatal(err)
	}
	return d
}

// check validates JSON against a schema, and holds that it has all its properties.
func (d *apiDocument) check(t *testing.T, schema string, text []byte) {
	t.Helper()
	s, err := d.compiler.Compile(d.path + "#/components/schemas/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("%s is no %s of %s: %v", text, schema, d.path, err)
	}
	got := slices.Sorted(maps.Keys(value.(map[string]any)))
	if want := slices.Sorted(maps.Keys(d.Components.Schemas[schema].Properties)); !slices.Equal(got, want) {
		t.Errorf("%s of %s has the properties %q; the server sends %q", schema, d.path, want, got)
	}
}

// resolve follows what a schema refers to.
func (d *apiDocument) resolve(s apiSchema) apiSchema {
	if len(s.AllOf) == 1 {
		s = s.AllOf[0]
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.resolve(d.Components.Schemas[name])
	}
	if s.Type == "" && s.Const != nil {
		s.Type = "string"
	}
	return s
}

// like holds that an object has the properties of a struct: their names, types, and whether they may be left out.
func (d *apiDocument) like(t *testing.T, name string, s apiSchema, of reflect.Type) {
	t.Helper()
	var all, required []string
	for field := range of.Fields() {
		key, omit, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, key)
		if omit == "" {
			required = append(required, key)
		}
		property := d.resolve(s.Properties[key])
		want := ""
		switch field.Type.Kind() {
		case reflect.String:
			want = "string"
		case reflect.Bool:
			want = "boolean"
		case reflect.Int, reflect.Int64, reflect.Uint64:
			want = "integer"
		case reflect.Map:
			want = "object"
		case reflect.Struct:
			want = "object"
			d.like(t, name+"."+key, property, field.Type)
		case reflect.Slice:
			if want = "array"; field.Type == reflect.TypeFor[json.RawMessage]() {
				want = "object" // a sender
				d.like(t, name+"."+key, property, reflect.TypeFor[senderJSON]())
			} else if property.Items != nil {
				d.like(t, name+"."+key, d.resolve(*property.Items), field.Type.Elem())
			}
		}
		if property.Type != want {
			t.Errorf("%s of %s: %s has the type %q, the server has %q", name, d.path, key, property.Type, want)
		}
	}
	slices.Sort(all)
	slices.Sort(required)
	if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, all) {
		t.Errorf("%s of %s has the properties %q, the server has %q", name, d.path, got, all)
	}
	if slices.Sort(s.Required); !slices.Equal(s.Required, required) {
		t.Errorf("%s of %s requires %q, the server always sends %q", name, d.path, s.Required, required)
	}
}

func TestAPIHasTheTypes(t *testing.T) {
	open, async := readAPI(t, "/openapi.json"), readAPI(t, "/asyncapi.json")
	for _, d := range []*apiDocument{open, async} {
		d.like(t, "Welcome", d.Components.Schemas["Welcome"], reflect.TypeFor[welcome]())
		d.check(t, "Accepted", accepted(1, relay.Receipt{Seq: 1}))
	}
	open.like(t, "Version", open.Components.Schemas["Version"], reflect.TypeFor[ops.Version]())
	answer := httptest.NewRecorder()
	problem(answer, http.StatusConflict, relay.ChannelFull, "all seats are taken")
	open.check(t, "Problem", answer.Body.Bytes())

	async.check(t, "Error", marshal(struct {
		Type string `json:"type"`
		*refusal
	}{"error", refuse(relay.BadPayload, "no")}))
	async.check(t, "V1Link", appendLink(nil, relay.NewID()))
	from := &relay.Member{Number: 2, Card: newCard(geo.Sender{UserAgent: "one"})}
	async.check(t, "V1Message", appendEnvelope(nil, &relay.Entry{Kind: relay.Message, From: from, Body: []byte(`"hi"`)}))

	// What clients send is one struct, with the properties of all their frames.
	var sent apiSchema
	sent.Properties = make(map[string]apiSchema)
	for _, name := range []string{"Hello", "Send", "Ack", "Leave", "End"} {
		maps.Copy(sent.Properties, async.Components.Schemas[name].Properties)
	}
	for field := range reflect.TypeFor[request]().Fields() {
		if key := field.Tag.Get("json"); sent.Properties[key].Type+sent.Properties[key].Ref == "" && sent.Properties[key].Const == nil && sent.Properties[key].AllOf == nil {
			t.Errorf("no frame of a client has %q", key)
		} else {
			delete(sent.Properties, key)
		}
	}
	if len(sent.Properties) > 0 {
		t.Errorf("the server does not read %v", sent.Properties)
	}
}

// Each kind of entry is a frame of both documents, and those are all frames there are.
func TestAPIHasTheEvents(t *testing.T) {
	r := reader{locator: &geo.Locator{}}
	from := &relay.Member{Number: 2, Card: newCard(geo.Sender{UserAgent: "one"})}
	var names []string
	for kind := relay.Message; ; kind++ {
		text := r.appendEvent(nil, &relay.Entry{Kind: kind, From: from, Seq: 1, Body: []byte(`"hi"`), Why: relay.Lost, At: time.Now().Add(time.Minute)})
		var event struct{ Type string }
		if json.Unmarshal(text, &event) != nil || event.Type == "" {
			break // there are no more kinds
		}
		name := strings.ToUpper(event.Type[:1]) + event.Type[1:]
		names = append(names, name)
		for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
			readAPI(t, path).check(t, name, text)
		}
	}
	var listed []string
	for _, s := range readAPI(t, "/openapi.json").Components.Schemas["Event"].OneOf {
		listed = append(listed, strings.TrimPrefix(s.Ref, "#/components/schemas/"))
	}
	slices.Sort(names)
	if slices.Sort(listed); !slices.Equal(listed, names) {
		t.Errorf("Event is one of %q, the server sends %q", listed, names)
	}
}

func TestAPIHasTheReasons(t *testing.T) {
	open, async := readAPI(t, "/openapi.json"), readAPI(t, "/asyncapi.json")
	var words, codes []any
	for i, why := range relay.Reasons() {
		words, codes = append(words, why.String()), append(codes, float64(why.Code()))
		if i >= len(async.Codes) || async.Codes[i].Code != why.Code() || async.Codes[i].Reason != why.String() {
			t.Errorf("number %d of x-close-codes is not %d %s", i, why.Code(), why)
		}
	}
	for _, d := range []*apiDocument{open, async} {
		if got := d.Components.Schemas["Reason"].Enum; !reflect.DeepEqual(got, words) {
			t.Errorf("the reasons of %s are %v, those of the server %v", d.path, got, words)
		}
	}
	if got := open.Components.Schemas["Close"].Properties["code"].Enum; !reflect.DeepEqual(got, codes) {
		t.Errorf("the codes are %v, those of the server %v", got, codes)
	}
	if len(async.Codes) != len(codes) {
		t.Errorf("x-close-codes has %d, the server %d", len(async.Codes), len(codes))
	}
}

// The paths of /openapi.json are those that the server has handlers for.
func TestAPIHasTheRoutes(t *testing.T) {
	var served []string
	for _, file := range []string{"v2_http.go", "../ops/public.go"} {
		served = append(served, routes(t, file)...)
	}
	for _, path := range []string{pathV1, pathV2} {
		served = append(served, "GET "+path+"/", "GET "+path+"/{id}") // see Server.ServeHTTP
	}
	for path := range apidocs.Pages() {
		served = append(served, "GET "+path)
	}
	var told []string
	for path, methods := range readAPI(t, "/openapi.json").Paths {
		for method := range methods {
			if method != "parameters" {
				told = append(told, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(served)
	if slices.Sort(told); !slices.Equal(told, served) {
		t.Errorf("/openapi.json has\n%s\nthe server has\n%s", strings.Join(told, "\n"), strings.Join(served, "\n"))
	}
}

// routes returns the patterns that name a method and are given to HandleFunc in a file, but for those that
// keep HEAD from where GET goes.
func routes(t *testing.T, file string) (patterns []string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(source, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "HandleFunc" {
				if pattern := constant(t, call.Args[0]); strings.Contains(pattern, " ") && !strings.HasPrefix(pattern, "HEAD ") {
					patterns = append(patterns, pattern)
				}
			}
		}
		return true
	})
	return patterns
}

// constant returns the value of a string expression.
func constant(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return constant(t, e.X) + constant(t, e.Y)
	case *ast.Ident:
		if e.Name == "pathHTTP" {
			return pathHTTP
		}
	}
	t.Fatalf("cannot tell what %#v is", e)
	return ""
}
