package apidocs

import (
	"encoding/json"
	"slices"
	"strings"
)

// What the page has of the documents.
type (
	openDocument struct {
		Info       struct{ Title, Summary, Description string }
		Tags       []struct{ Name, Description string }
		Paths      list[list[json.RawMessage]] // by path; then by method, or "parameters"
		Components struct {
			Schemas   list[schema]
			Responses list[response]
		}
		Conversations []conversation `json:"x-conversations"`
	}

	asyncDocument struct {
		Info       struct{ Description string }
		Channels   list[struct{ Address, Summary string }]
		Operations list[struct {
			Title    string
			Channel  reference
			Messages []reference
		}]
		Components struct {
			Messages list[message]
			Schemas  list[schema]
		}
		Codes []struct {
			Code               int
			Reason, When, Then string
		} `json:"x-close-codes"`
		Conversations []conversation `json:"x-conversations"`
	}

	schema struct {
		reference
		Type, Description string
		Const             string
		Required          []string
		Properties        list[schema]
		AllOf             []reference
		Items             *schema
	}

	operation struct {
		OperationID, Summary, Description string
		Method, Path                      string
		Tags                              []string
		Parameters                        []struct{ Name, In, Description string }
		Security                          []any
		RequestBody                       struct{ Content list[media] }
		Responses                         list[response]
	}

	response struct {
		reference
		Description string
		Content     list[media]
	}

	media struct {
		Schema   schema
		Examples list[struct {
			Summary string
			Value   json.RawMessage
		}]
	}

	message struct {
		Name, Title string
		Payload     schema
		Examples    []struct {
			Name    string
			Payload json.RawMessage
		}
	}

	conversation struct {
		Title, About string
		Settings     []string
		Steps        []step
	}

	step struct {
		Passes, Server, Who             string
		Operation, Query, Body, Example string
		Connects, Sends, Receives       string
		Loses                           bool
		Closes, Closed                  int
	}

	reference struct {
		Ref string `json:"$ref"`
	}
)

// Name returns the last part of what a reference points to.
func (r reference) Name() string { return r.Ref[strings.LastIndexByte(r.Ref, '/')+1:] }

// Kind says in words what values a schema has.
func (s schema) Kind() string {
	switch {
	case s.Ref != "":
		return s.Name()
	case len(s.AllOf) == 1:
		return s.AllOf[0].Name()
	case s.Const != "":
		return `"` + s.Const + `"`
	case s.Items != nil:
		return "array of " + s.Items.Kind()
	}
	return s.Type
}

// Needs tells whether a property is always there.
func (s schema) Needs(property string) bool {
	return slices.Contains(s.Required, property)
}

// Text returns an example as it goes over the wire: a string is a text of its own.
func (m message) Text(name string) string {
	for _, e := range m.Examples {
		if e.Name == name {
			return plain(e.Payload)
		}
	}
	return ""
}

// plain returns JSON, but a string as what it says.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
