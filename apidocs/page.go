package apidocs

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"
)

//go:embed page.html
var pageTemplate string

//go:embed style.css
var pageStyle string

// A page is what page.html is filled with.
type page struct {
	Style     template.CSS
	Open      openDocument
	Async     asyncDocument
	Groups    []group    // of operations
	Terminal  []exchange // a conversation over HTTP
	Versions  []version  // of the WebSocket protocol, the newest first
	Dialogues []dialogue // over WebSocket
	Limits    []limit    // of a channel
	Types     []named    // what the operations and frames refer to
}

type (
	group struct {
		Name, Description string
		Operations        []operation
	}

	// An exchange is a request as one types it, and what comes back.
	exchange struct{ Who, Command, Answer string }

	version struct {
		Number     int
		Summary    string
		Addresses  []string
		Directions []direction
	}
	direction struct {
		Title    string
		Messages []message
	}

	dialogue struct {
		Title, About, Settings string
		Lines                  []line
	}
	// A line is something that happens: Way tells whether it is a frame to the server, "up", or from it, "down".
	line struct{ Who, Way, Text string }

	limit struct {
		Name, Default, Description string
	}
	named struct {
		Name string
		schema
	}
)

// render makes the page, and returns the style in it too. It panics when a document is not as it expects.
func render() (octets []byte, style string) {
	p := page{Style: template.CSS(pageStyle)} // ours
	must(json.Unmarshal(openAPI, &p.Open))
	must(json.Unmarshal(asyncAPI, &p.Async))
	p.Groups = p.Open.groups()
	p.Terminal = p.Open.terminal(p.Groups)
	p.Versions = p.Async.versions()
	for _, c := range p.Async.Conversations {
		p.Dialogues = append(p.Dialogues, p.Async.dialogue(c))
	}
	p.Limits = p.Async.limits()
	p.Types = p.types()
	functions := template.FuncMap{
		"layout":     func(raw json.RawMessage) string { return layout(json.RawMessage(plain(raw)), "") },
		"paragraphs": func(text string) []string { return strings.Split(text, "\n\n") },
		"shared": func(r response) response {
			if r.Ref != "" {
				return p.Open.Components.Responses.get(r.Name())
			}
			return r
		},
		"problem": func(raw json.RawMessage) (p struct{ Reason, Detail string }) {
			must(json.Unmarshal(raw, &p))
			return p
		},
		"frame": func(m message) schema {
			if m.Payload.Ref != "" {
				return p.Async.Components.Schemas.get(m.Payload.Name())
			}
			return m.Payload
		},
	}
	var b bytes.Buffer
	must(template.Must(template.New("page").Funcs(functions).Parse(pageTemplate)).Execute(&b, p))
	return b.Bytes(), pageStyle
}

// must panics: what is embedded is wrong, whatever the input.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// groups returns the operations by their first tag.
func (d *openDocument) groups() []group {
	var all []group
	for _, tag := range d.Tags {
		g := group{Name: tag.Name, Description: tag.Description}
		for _, path := range d.Paths {
			for _, method := range path.Value {
				if method.Key == "parameters" {
					continue
				}
				o := operation{Method: strings.ToUpper(method.Key), Path: path.Key}
				must(json.Unmarshal(method.Value, &o))
				if o.Tags[0] == tag.Name {
					g.Operations = append(g.Operations, o)
				}
			}
		}
		all = append(all, g)
	}
	return all
}

// terminal returns the first conversation as commands of curl.
func (d *openDocument) terminal(groups []group) []exchange {
	operations := make(map[string]operation)
	for _, g := range groups {
		for _, o := range g.Operations {
			operations[o.OperationID] = o
		}
	}
	var all []exchange
	tokens := make(map[string]string)
	channel := ""
	for _, s := range d.Conversations[0].Steps {
		o, ok := operations[s.Operation]
		if !ok {
			continue
		}
		answer := o.example(s.Example)
		e := exchange{Who: s.Who, Command: o.curl(s, channel, tokens[s.Who]), Answer: layout(json.RawMessage(answer), "")}
		all = append(all, e)
		var seat struct{ Type, ChannelID, Resume string }
		if json.Unmarshal([]byte(answer), &seat) == nil && seat.Type == "welcome" {
			tokens[s.Who], channel = seat.Resume, seat.ChannelID
		}
	}
	return all
}

// example returns the text of the answer of this name.
func (o operation) example(name string) string {
	for _, r := range o.Responses {
		for _, m := range r.Value.Content {
			if raw := m.Value.Examples.get(name).Value; raw != nil {
				return plain(raw)
			}
		}
	}
	return ""
}

// curl returns the command for a request.
func (o operation) curl(s step, channel, token string) string {
	command := "curl"
	body := ""
	if s.Body != "" {
		body = " \\\n  -d '" + layout(o.RequestBody.Content[0].Value.Examples.get(s.Body).Value, "") + "'"
	}
	if o.Method != "GET" && body == "" {
		command += " -X " + o.Method
	}
	if o.Method == "GET" && s.Query == "" {
		command += " -N"
	}
	url := "$server" + strings.ReplaceAll(o.Path, "{id}", channel)
	if s.Query != "" {
		url = `"` + url + "?" + s.Query + `"`
	}
	if len(o.Security) > 0 {
		url += " \\\n  -H 'Authorization: Bearer " + token + "'"
	}
	return command + " " + url + body
}

// versions returns what goes over a WebSocket, by version of the protocol. Every two channels, for a new
// channel and for one to be joined, have the same.
func (d *asyncDocument) versions() []version {
	var all []version
	for n := 2; n >= 1; n-- {
		v := version{Number: n}
		suffix := "V" + strconv.Itoa(n)
		for _, c := range d.Channels {
			if strings.HasSuffix(c.Key, suffix) {
				v.Summary = c.Value.Summary
				v.Addresses = append(v.Addresses, c.Value.Address)
			}
		}
		for _, o := range d.Operations {
			if o.Value.Channel.Name() != "open"+suffix {
				continue
			}
			side := direction{Title: o.Value.Title}
			for _, m := range o.Value.Messages {
				side.Messages = append(side.Messages, d.Components.Messages.get(m.Name()))
			}
			v.Directions = append(v.Directions, side)
		}
		all = append(all, v)
	}
	return all
}

// dialogue writes a conversation out.
func (d *asyncDocument) dialogue(c conversation) dialogue {
	out := dialogue{Title: c.Title, About: c.About, Settings: strings.Join(c.Settings, " ")}
	for _, s := range c.Steps {
		l := line{Who: s.Who}
		switch {
		case s.Passes != "":
			l.Text = strings.TrimSuffix(s.Passes, "s") + " seconds pass"
		case s.Server != "":
			l.Who, l.Text = "server", s.Server
		case s.Connects != "":
			l.Text = "connects to " + s.Connects
		case s.Sends != "":
			l.Way, l.Text = "up", d.text(s.Sends)
		case s.Receives != "":
			l.Way, l.Text = "down", d.text(s.Receives)
		case s.Loses:
			l.Text = "loses the connection"
		case s.Closes != 0:
			l.Text = "closes with " + strconv.Itoa(s.Closes)
		default:
			l.Text = "is closed with " + strconv.Itoa(s.Closed)
			for _, c := range d.Codes {
				if c.Code == s.Closed {
					l.Text += " " + c.Reason
				}
			}
		}
		out.Lines = append(out.Lines, l)
	}
	return out
}

// text returns an example of a message, given as "message/example".
func (d *asyncDocument) text(which string) string {
	name, example, _ := strings.Cut(which, "/")
	return layout(json.RawMessage(d.Components.Messages.get(name).Text(example)), "")
}

// limits returns the limits of a channel with the values that the example of a welcome has.
func (d *asyncDocument) limits() []limit {
	var all []limit
	var welcome struct{ Limits map[string]json.Number }
	must(json.Unmarshal(d.Components.Messages.get("welcome").Examples[0].Payload, &welcome))
	for _, p := range d.Components.Schemas.get("Limits").Properties {
		all = append(all, limit{p.Key, welcome.Limits[p.Key].String(), p.Value.Description})
	}
	return all
}

// types returns the schemas that others refer to: those of frames and bodies stand where they are used.
func (p *page) types() []named {
	var all []named
	for _, name := range []string{"ChannelID", "Token", "MemberNumber", "Seq", "MessageText", "Sender", "Presence", "Limits", "Reason"} {
		all = append(all, named{name, p.Async.Components.Schemas.get(name)})
	}
	return all
}
