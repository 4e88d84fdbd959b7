package metrics

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"channelserver/relay"
)

// A row is what docs/metrics.md and the registry both say about a metric.
type row struct{ labels, kind, meaning string }

func readDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documented returns the rows of the table by Prometheus name, and the statsd names in it.
func documented(t *testing.T) (rows map[string]row, statsd []string) {
	rows = map[string]row{}
	line := regexp.MustCompile("(?m)^\\| `(\\w+)(?:\\{([\\w,]+)})?` \\| (?:`([^`]+)`|-) \\| (\\w+) \\| [^|]+ \\| (.+) \\|$")
	for _, cells := range line.FindAllStringSubmatch(readDocs(t), -1) {
		rows[cells[1]] = row{cells[2], cells[4], cells[5]}
		if cells[3] != "" {
			statsd = append(statsd, cells[3])
		}
	}
	return rows, statsd
}

func TestDocsListEverySeries(t *testing.T) {
	families, err := newTest(t, Options{}).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]row{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), namespace) {
			continue
		}
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		slices.Sort(labels)
		registered[family.GetName()] = row{
			strings.Join(labels, ","), strings.ToLower(family.GetType().String()), family.GetHelp(),
		}
	}
	rows, _ := documented(t)
	for name, r := range rows {
		labels := strings.Split(r.labels, ",")
		slices.Sort(labels)
		r.labels = strings.Join(labels, ",")
		rows[name] = r
	}
	for name := range registered {
		if rows[name] != registered[name] {
			t.Errorf("%s: docs say %+v, the registry %+v", name, rows[name], registered[name])
		}
	}
	for name := range rows {
		if _, ok := registered[name]; !ok {
			t.Errorf("%s is documented and does not exist", name)
		}
	}
	// The alerts must not name what does not exist either.
	for _, name := range regexp.MustCompile(namespace+`\w+`).FindAllString(readDocs(t), -1) {
		_, known := registered[name]
		_, histogram := registered[regexp.MustCompile("_(bucket|count|sum)$").ReplaceAllString(name, "")]
		if !known && !histogram {
			t.Errorf("docs name %s, which does not exist", name)
		}
	}
}

func TestDocsListEveryStatsdName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := listen(t)
		m, err := New(Options{StatsdHost: server.LocalAddr().String()})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events() {
			event.call(m)
		}
		time.Sleep(gaugeInterval + time.Second) // in the bubble: for one round of gauges
		m.Close()
		sent := map[string]bool{}
		for _, line := range received(t, server) {
			name, _, _ := strings.Cut(line, ":")
			sent[name] = true
		}

		_, names := documented(t)
		listed := map[string]bool{}
		for _, name := range names {
			base, label, _ := strings.Cut(name, "<")
			switch label {
			case "":
				listed[name] = true
			case "kind>":
				for _, kind := range []string{"new", "existing", "bad-id"} {
					listed[base+kind] = true
				}
			case "reason>":
				for _, reason := range relay.Reasons() {
					listed[base+reason.String()] = true
				}
			default:
				t.Errorf("%s: no such label", name)
			}
		}
		if !maps.Equal(sent, listed) {
			t.Errorf("sent %v\nlisted %v", slices.Sorted(maps.Keys(sent)), slices.Sorted(maps.Keys(listed)))
		}
	})
}
