package pairing

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shapes are the keys that the frames of a server have (docs/protocol.md section 5), by type; those with a
// question mark may be missing.
var shapes = map[string][]string{
	"welcome":   {"channelid", "expires_in_ms?", "limits", "link", "member", "members", "n", "resume", "self"},
	"joined":    {"member", "sender"},
	"left":      {"member", "reason"},
	"away":      {"member", "reason"},
	"back":      {"member"},
	"message":   {"from", "message", "seq"},
	"accepted":  {"n", "seq?"},
	"delivered": {"member", "seq"},
	"ending":    {"in_ms", "reason"},
	"error":     {"detail", "reason"},
}

// wellFormed tells what is wrong with a frame that was sent to a client of version 2.
func wellFormed(frame []byte) error {
	var keys map[string]any
	if err := json.Unmarshal(frame, &keys); err != nil {
		return fmt.Errorf("the frame %q is no JSON object: %w", frame, err)
	}
	kind, _ := keys["type"].(string)
	shape, known := shapes[kind]
	if !known {
		return fmt.Errorf("the frame %q has no known type", frame)
	}
	delete(keys, "type")
	for _, key := range shape {
		name, optional := strings.CutSuffix(key, "?")
		if _, has := keys[name]; !has && !optional {
			return fmt.Errorf("the frame %q has no %s", frame, name)
		}
		delete(keys, name)
	}
	if len(keys) > 0 {
		return fmt.Errorf("the frame %q also has %v", frame, slices.Sorted(maps.Keys(keys)))
	}
	return nil
}

// wellFormedV1 tells what is wrong with a message that was sent to a client of version 1.
func wellFormedV1(frame []byte) error {
	var keys struct {
		Message *string         `json:"message"`
		Sender  json.RawMessage `json:"sender"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(frame)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&keys); err != nil || decoder.More() || keys.Message == nil {
		return fmt.Errorf("the frame %q is no message of version 1: %v", frame, err)
	}
	var sender senderJSON
	if err := json.Unmarshal(keys.Sender, &sender); err != nil {
		return fmt.Errorf("the frame %q names no sender: %w", frame, err)
	}
	return nil
}
