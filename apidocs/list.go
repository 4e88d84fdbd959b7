package apidocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A list is a JSON object with its keys in the order in which they are written.
type list[T any] []entry[T]

type entry[T any] struct {
	Key   string
	Value T
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("want an object, got %v, %v", start, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		e := entry[T]{Key: key.(string)} // keys are strings
		if err := d.Decode(&e.Value); err != nil {
			return fmt.Errorf("%s: %w", e.Key, err)
		}
		*l = append(*l, e)
	}
	return nil
}

// get returns the value of a key, or the zero value.
func (l list[T]) get(key string) (value T) {
	for _, e := range l {
		if e.Key == key {
			return e.Value
		}
	}
	return value
}

// layoutWidth is how many octets of JSON go into one line of the page.
const layoutWidth = 92

// layout writes JSON for people: what fits into a line in one line, else each part in lines of its own.
// It leaves text that is no JSON as it is.
func layout(text json.RawMessage, indent string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return string(text)
	}
	if b.Len()+len(indent) <= layoutWidth {
		return b.String()
	}
	var parts []string
	inner := indent + "  "
	switch b.Bytes()[0] {
	case '{':
		var object list[json.RawMessage]
		_ = json.Unmarshal(text, &object) // it is JSON
		for _, e := range object {
			parts = append(parts, inner+`"`+e.Key+`": `+layout(e.Value, inner))
		}
		return "{\n" + strings.Join(parts, ",\n") + "\n" + indent + "}"
	case '[':
		var array []json.RawMessage
		_ = json.Unmarshal(text, &array)
		for _, value := range array {
			parts = append(parts, inner+layout(value, inner))
		}
		return "[\n" + strings.Join(parts, ",\n") + "\n" + indent + "]"
	}
	return b.String()
}
