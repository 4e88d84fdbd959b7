package settings

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"channelserver/relay"
)

// environment makes the process environment hold these settings and no others for the test.
func environment(t *testing.T, variables ...string) {
	t.Helper()
	for _, variable := range os.Environ() {
		key, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(strings.ToUpper(key), "PAIR_") {
			t.Setenv(key, "") // so that it is put back afterwards
			if err := os.Unsetenv(key); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, variable := range variables {
		key, value, _ := strings.Cut(variable, "=")
		t.Setenv(key, value)
	}
}

// load loads what must be right and warn of nothing.
func load(t *testing.T, args ...string) Settings {
	t.Helper()
	s, warnings, err := Load(args)
	if err != nil || warnings != nil {
		t.Fatalf("Load(%q): warnings %q, error %v", args, warnings, err)
	}
	return s
}

func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestDefaults(t *testing.T) {
	// Shells, containers and platforms set HOSTNAME, PORT and DEBUG for ends of their own.
	environment(t, "HOSTNAME=box", "PORT=1", "DEBUG=true", "MMDB_LOC=x", "HEARTBEAT=1")
	s := load(t)
	want := Settings{
		Hostname: "0.0.0.0", Port: 8000, AdminAddr: "127.0.0.1:8001", DrainTimeout: Seconds(300 * time.Second),
		MaxChannelConnections: 3, ConnLifespan: Seconds(300 * time.Second), MaxExchanges: 10, MaxExchangesAsked: 1000, MaxMessageSize: 65536, Page: true,
		ClientTimeout: Seconds(30 * time.Second), HeartbeatInterval: Seconds(10 * time.Second), WriteTimeout: PositiveSeconds(10 * time.Second),
		TrustedProxyList: "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
		MMDBLoc:          "mmdb/latest/GeoLite2-City.mmdb", MMDBCheckInterval: Seconds(60 * time.Second), DefaultLang: "en",
		MetricName: "channelserver", ResumeTimeout: Seconds(300 * time.Second), MaxKept: 1 << 20, MaxKeptTotal: 256 << 20,
		MaxOpeningsPerMinute: 60, MaxConnectionsPerAddress: 200, MaxWrongIdsPerMinute: 60, MaxConnections: 100_000, MaxChannels: 100_000,
		given: map[string]string{},
	}
	if got, want := dump(&s), dump(&want); got != want {
		t.Errorf("defaults:\n%s\nwant:\n%s", got, want)
	}
	wantLimits := relay.Limits{
		MaxExchanges: 10, MaxExchangesAsked: 1000, MaxMessageSize: 65536, MaxConnections: 3, Lifespan: 300 * time.Second,
		MaxLag: 1 << 20, MaxKept: 256 << 20, ResumeTimeout: 300 * time.Second,
	}
	if got := s.Limits(); got != wantLimits {
		t.Errorf("limits %+v, want %+v", got, wantLimits)
	}
}

// TestEverySetting gives every setting a value of its own, once as a variable and once as an
// argument. Its table has to name all settings, so it also holds Mozilla's names to be known.
func TestEverySetting(t *testing.T) {
	values := []struct{ name, text, want string }{
		{"hostname", "[::1]", "::1"},
		{"port", "0", "0"},
		{"allowed_origins", "https://A.example:443, null", "[https://a.example null]"},
		{"page", "off", "false"},
		{"tls_cert", "c.pem", "c.pem"},
		{"tls_key", "k.pem", "k.pem"},
		{"admin_addr", "", ""},
		{"drain_timeout", "0", "0"},
		{"max_channel_connections", "2", "2"},
		{"conn_lifespan", "10m", "600000000000"},
		{"max_exchanges", "20", "20"},
		{"max_exchanges_asked", "50", "50"},
		{"max_data", "1000000", "1000000"},
		{"max_message_size", "16777216", "16777216"},
		{"resume_timeout", "1m", "60000000000"},
		{"max_kept", "40000000", "40000000"},
		{"max_kept_total", "0", "0"},
		{"require_base64", "yes", "true"},
		{"max_openings_per_minute", "0", "0"},
		{"max_connections_per_address", "1", "1"},
		{"max_wrong_ids_per_minute", "2", "2"},
		{"max_connections", "3", "3"},
		{"max_channels", "4", "4"},
		{"client_timeout", "60", "60000000000"},
		{"heartbeat_interval", "5s", "5000000000"},
		{"write_timeout", "1500ms", "1500000000"},
		{"trusted_proxy_list", "192.0.2.1 2001:db8::/32", "192.0.2.1 2001:db8::/32"},
		{"proxy_protocol", "1", "true"},
		{"mmdb_loc", "/tmp/a b.mmdb", "/tmp/a b.mmdb"},
		{"mmdb_check_interval", "0", "0"},
		{"default_lang", "pt_br", "pt-BR"},
		{"debug", "1", "true"},
		{"verbose", "ON", "true"},
		{"human_logs", "true", "true"},
		{"statsd_host", "localhost", "localhost:8125"},
		{"metric_name", "", ""},
		{"ip_reputation_server", "http://rep", "http://rep"},
		{"iprep_min", "5", "5"},
		{"ip_violation", "channel_abuse", "channel_abuse"},
	}
	var variables, args, names []string
	for _, v := range values {
		variables = append(variables, "PAIR_"+strings.ToUpper(v.name)+"="+v.text)
		args = append(args, "--"+v.name+"="+v.text)
		names = append(names, v.name)
	}
	for _, from := range []string{"variables", "arguments"} {
		t.Run(from, func(t *testing.T) {
			environment(t)
			var given []string
			if from == "variables" {
				environment(t, variables...)
			} else {
				given = args
			}
			s, warnings, err := Load(given)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 3 || strings.Count(strings.Join(warnings, " "), "has no effect") != 3 {
				t.Errorf("warnings %q, want one for each setting without effect", warnings)
			}
			var known []string
			for i, f := range fieldsOf(&s) {
				known = append(known, f.name)
				if got := plain(f); i < len(values) && got != values[i].want {
					t.Errorf("%s=%q became %q, want %q", f.name, values[i].text, got, values[i].want)
				}
			}
			if !slices.Equal(known, names) {
				t.Errorf("settings are\n%q, the table has\n%q", known, names)
			}
			if len(s.Given()) != len(values) {
				t.Errorf("given: %q", s.Given())
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	environment(t, "PAIR_PORT=1", "PAIR_MAX_DATA=7", "PAIR_CONN_LIFESPAN=never")
	s := load(t, "--port=2", "--port", "3", "--conn-lifespan=60")
	if s.Port != 3 {
		t.Errorf("port %d, want the last argument's", s.Port)
	}
	if s.MaxData != 7 {
		t.Errorf("max_data %d, want the variable's", s.MaxData)
	}
	if s.DrainTimeout != Seconds(time.Minute) {
		t.Errorf("drain_timeout %d, want conn_lifespan", s.DrainTimeout)
	}
	want := []string{`--conn-lifespan="60"`, `PAIR_MAX_DATA="7"`, `--port="3"`}
	if got := s.Given(); !slices.Equal(got, want) {
		t.Errorf("given %q, want %q", got, want)
	}
}

func TestDependentDefaults(t *testing.T) {
	environment(t)
	for _, c := range []struct {
		args             []string
		heartbeat, drain time.Duration
	}{
		{nil, 10 * time.Second, 300 * time.Second},
		{[]string{"--client_timeout=6"}, 2 * time.Second, 300 * time.Second},
		{[]string{"--client_timeout=600"}, 10 * time.Second, 300 * time.Second},
		{[]string{"--client_timeout=0"}, 10 * time.Second, 300 * time.Second},
		{[]string{"--client_timeout=0", "--heartbeat_interval=3600"}, time.Hour, 300 * time.Second},
		{[]string{"--client_timeout=6", "--heartbeat_interval=5"}, 5 * time.Second, 300 * time.Second},
		{[]string{"--heartbeat_interval=0"}, 0, 300 * time.Second},
		{[]string{"--conn_lifespan=0"}, 10 * time.Second, 300 * time.Second},
		{[]string{"--conn_lifespan=0", "--drain_timeout=0"}, 10 * time.Second, 0},
	} {
		s := load(t, c.args...)
		if s.HeartbeatInterval != Seconds(c.heartbeat) || s.DrainTimeout != Seconds(c.drain) {
			t.Errorf("%q: heartbeat %v, drain %v; want %v, %v", c.args,
				time.Duration(s.HeartbeatInterval), time.Duration(s.DrainTimeout), c.heartbeat, c.drain)
		}
	}
}

func TestFitMemory(t *testing.T) {
	environment(t)
	for _, c := range []struct {
		args   []string
		memory int64
		want   Octets
	}{
		{nil, 0, 256 << 20},
		{nil, 4 << 30, 256 << 20},
		{nil, 1 << 30, 256 << 20},
		{nil, 1<<30 - 4, 256<<20 - 1},
		{[]string{"--max_kept_total=268435456"}, 1000, 256 << 20},
		{[]string{"--max_kept_total=0"}, 1000, 0},
	} {
		s := load(t, c.args...)
		s.FitMemory(c.memory)
		if s.MaxKeptTotal != c.want {
			t.Errorf("%q with %d octets of memory: %d, want %d", c.args, c.memory, s.MaxKeptTotal, c.want)
		}
	}
}

func TestMMDBExplicit(t *testing.T) {
	environment(t)
	if s := load(t); s.MMDBExplicit() {
		t.Error("the default counts as explicit")
	}
	if s := load(t, "--mmdb_loc=mmdb/latest/GeoLite2-City.mmdb"); !s.MMDBExplicit() {
		t.Error("an argument that repeats the default does not count as explicit")
	}
	environment(t, "PAIR_MMDB_LOC=")
	if s := load(t); !s.MMDBExplicit() || s.MMDBLoc != "" {
		t.Errorf("empty variable: explicit %v, file %q", s.MMDBExplicit(), s.MMDBLoc)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	environment(t, "PAIR_PORT=tcp://10.0.0.1:8000", "PAIR_MAX_EXCHANGES=", "PAIR_HEARTBEAT_INTERVAL=30", "PAIR_TLS_KEY=k.pem")
	s, _, err := Load([]string{"serve", "--max-exchangs", "3", "--max_message_size=0", "--default-lang=klingon!", "--admin_addr"})
	want := []string{
		`"serve" is not accepted: write arguments as --name=value, switches as --debug or --debug=false`,
		`"--max-exchangs" is not an argument; did you mean --max_exchanges?`,
		`--admin_addr needs a value: write --admin_addr=HOST:PORT`,
		`PAIR_PORT="tcp://10.0.0.1:8000" is not accepted: give a whole number from 0 to 65535`,
		`PAIR_MAX_EXCHANGES="" is not accepted: give a whole number from 0 to 1000000000`,
		`--max_message_size="0" is not accepted: give a whole number from 1 to 16777216`,
		`--default-lang="klingon!" is not accepted: give a BCP 47 language tag (en, pt-BR)`,
		`PAIR_HEARTBEAT_INTERVAL="30" is not accepted: no ping would be sent before the connection is closed (client_timeout, 30s by default); give less than that, or 0 for no pings`,
		`PAIR_TLS_KEY="k.pem" is not accepted without tls_cert: give both files, or neither to serve without TLS`,
	}
	if got := lines(err); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := dump(&s), dump(new(Settings)); got != want {
		t.Errorf("settings beside an error:\n%s", got)
	}
}

func TestContradictions(t *testing.T) {
	environment(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{
			[]string{"--client_timeout=5", "--heartbeat-interval=5s"},
			`--heartbeat-interval="5s" is not accepted: no ping would be sent before the connection is closed (--client_timeout="5"); give less than that, or 0 for no pings`,
		},
		{
			[]string{"--tls_cert=c.pem"},
			`--tls_cert="c.pem" is not accepted without tls_key: give both files, or neither to serve without TLS`,
		},
		{
			[]string{"--max_kept=2001", "--max_message_size=1001"},
			`--max_kept="2001" is not accepted: a message may have 1001 octets (max_message_size); give at least twice that, or 0 for no limit`,
		},
		{ // one mistake, one problem: the other setting is not held against what was mistyped
			[]string{"--client_timeout=x", "--heartbeat_interval=60"},
			`--client_timeout="x" is not accepted: give seconds (300) or a duration (5m), from 1ms to 8760h, or 0`,
		},
		{
			[]string{"--client_timeout=5", "--heartbeat_interval=x"},
			`--heartbeat_interval="x" is not accepted: give seconds (300) or a duration (5m), from 1ms to 8760h, or 0`,
		},
	} {
		if _, _, err := Load(c.args); err == nil || err.Error() != c.want {
			t.Errorf("%q: got  %v\nwant %s", c.args, err, c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		variables, args, want []string
	}{
		{[]string{"PAIRING=1", "XPAIR_PORT=1"}, nil, nil},
		{[]string{"PAIR_MAX_EXCHANGE=1"}, nil, []string{`"PAIR_MAX_EXCHANGE" is not a setting and is ignored; did you mean PAIR_MAX_EXCHANGES?`}},
		{[]string{"PAIR_=1"}, nil, []string{`"PAIR_" is not a setting and is ignored`}},
		{[]string{"PAIR_SERVICE_HOST=1", "pair_Port=1"}, nil, []string{
			`"PAIR_SERVICE_HOST" is not a setting and is ignored`,
			`"pair_Port" is not a setting and is ignored; did you mean PAIR_PORT?`,
		}},
		{[]string{"PAIR_HEARTBEAT=5"}, nil, []string{`PAIR_HEARTBEAT is the old name of PAIR_HEARTBEAT_INTERVAL; use that`}},
		{nil, []string{"--heartbeat", "5"}, []string{`--heartbeat is the old name of --heartbeat_interval; use that`}},
		{[]string{"PAIR_IPREP_MIN=5"}, nil, []string{`PAIR_IPREP_MIN="5" has no effect: Mozilla's channelserver knew this setting and never used it`}},
		{nil, []string{"--ip-violation="}, []string{`--ip-violation="" has no effect: Mozilla's channelserver knew this setting and never used it`}},
	} {
		t.Run(strings.Join(append(c.variables, c.args...), " "), func(t *testing.T) {
			environment(t, c.variables...)
			s, warnings, err := Load(c.args)
			if err != nil || !slices.Equal(warnings, c.want) {
				t.Errorf("error %v, warnings\n%q\nwant\n%q", err, warnings, c.want)
			}
			if strings.Contains(strings.Join(warnings, ""), "old name") && s.HeartbeatInterval != Seconds(5*time.Second) {
				t.Errorf("heartbeat_interval %v, want the 5s of its old name", time.Duration(s.HeartbeatInterval))
			}
		})
	}
	environment(t, "PAIR_HEARTBEAT=5", "PAIR_HEARTBEAT_INTERVAL=7")
	if s, _, err := Load(nil); err != nil || s.HeartbeatInterval != Seconds(7*time.Second) {
		t.Errorf("with both names: %v, error %v; want the new one's 7s", time.Duration(s.HeartbeatInterval), err)
	}
	environment(t, "PAIR_PROT=1")
	if _, warnings, err := Load([]string{"--port=x"}); err == nil || len(warnings) != 1 {
		t.Errorf("warnings beside an error: %q, %v", warnings, err)
	}
}

func TestHelpAndVersion(t *testing.T) {
	environment(t)
	for _, c := range []struct {
		args string
		want error
	}{
		{"--help", ErrHelp},
		{"-h", ErrHelp},
		{"--version", ErrVersion},
		{"--port=x serve --help", ErrHelp},
		{"--port -h", ErrHelp},
		{"--port --version --help", ErrVersion},
	} {
		if _, warnings, err := Load(strings.Fields(c.args)); !errors.Is(err, c.want) || warnings != nil {
			t.Errorf("%s: error %v, warnings %q, want %v alone", c.args, err, warnings, c.want)
		}
	}
}
