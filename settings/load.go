package settings

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
)

const prefix = "PAIR"

// Load reads the settings from the process environment and from args, the arguments without the
// program's name. An argument wins over a variable, the last of several arguments over the others.
//
// The warnings are sentences for the log, also beside an error: names that are not settings, old
// names, settings without effect. The error lists everything that is wrong, one problem a line; or
// it is ErrHelp or ErrVersion. The settings are empty then.
func Load(args []string) (s Settings, warnings []string, err error) {
	fields := fieldsOf(&s)
	arguments, problems, err := parseArguments(fields, args)
	if err != nil {
		return Settings{}, nil, err
	}
	s.given = make(map[string]string)
	for _, f := range fields {
		warning, err := f.load(arguments, s.given)
		if warning != "" {
			warnings = append(warnings, warning)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, s.reconcile()...)
	warnings = append(warnings, unknownVariables(fields)...)
	if problems != nil {
		return Settings{}, warnings, errors.Join(problems...)
	}
	return s, warnings, nil
}

// A field is one setting: a field of Settings with its names.
type field struct {
	reflect.StructField
	name  string        // max_data
	key   string        // PAIR_MAX_DATA
	value reflect.Value // where it goes in the Settings; can be set
}

// fieldsOf lists the settings of s in order. envconfig makes the names of variables out of those
// of fields, so it is asked for them.
func fieldsOf(s *Settings) []field {
	var keys strings.Builder
	if err := envconfig.Usagef(prefix, s, &keys, "{{range .}}{{.Key}} {{end}}"); err != nil {
		panic(err) // the type Settings is wrong, whatever the input
	}
	value := reflect.ValueOf(s).Elem()
	var fields []field
	for i, key := range strings.Fields(keys.String()) { // unexported fields, which have none, come last
		fields = append(fields, field{
			StructField: value.Type().Field(i),
			name:        strings.ToLower(strings.TrimPrefix(key, prefix+"_")),
			key:         key,
			value:       value.Field(i),
		})
	}
	return fields
}

// isSwitch reports whether the setting's argument may stand without a value.
func (f field) isSwitch() bool {
	return f.Type == reflect.TypeFor[Switch]()
}

// names lists the setting's name and, if it has one, its old name.
func (f field) names() []string {
	if old := f.Tag.Get("old"); old != "" {
		return []string{f.name, old}
	}
	return []string{f.name}
}

// oldKey is the variable's former name, or empty.
func (f field) oldKey() string {
	if old := f.Tag.Get("old"); old != "" {
		return variable(old)
	}
	return ""
}

func namesOf(fields []field) (names []string) {
	for _, f := range fields {
		names = append(names, f.names()...)
	}
	return names
}

// variable returns the environment's name of a setting, as envconfig makes it.
func variable(name string) string {
	return prefix + "_" + strings.ToUpper(name)
}

// load sets the field from its argument, else its variable, else the variable's old name, else its
// default, and notes in given how it was given.
func (f field) load(arguments map[string]argument, given map[string]string) (warning string, err error) {
	arg, isArgument := arguments[f.name]
	text, isVariable := os.LookupEnv(f.key)
	oldText, isOld := os.LookupEnv(f.oldKey())
	switch {
	case isArgument:
		given[f.name] = fmt.Sprintf("%s=%q", arg.as, arg.text)
		err = f.decode(arg.text)
		if arg.old {
			warning = fmt.Sprintf("%s is the old name of --%s; use that", arg.as, f.name)
		}
	case isVariable || !isOld:
		if isVariable {
			given[f.name] = fmt.Sprintf("%s=%q", f.key, text)
		}
		err = f.process()
	default:
		given[f.name] = fmt.Sprintf("%s=%q", f.oldKey(), oldText)
		err = f.decode(oldText)
	}
	if err != nil {
		err = fmt.Errorf("%s is not accepted: %w", given[f.name], err)
	}
	if isOld {
		warning = fmt.Sprintf("%s is the old name of %s; use that", f.oldKey(), f.key)
	}
	if f.Tag.Get("unused") != "" && given[f.name] != "" {
		warning = given[f.name] + " has no effect: Mozilla's channelserver knew this setting and never used it"
	}
	return warning, err
}

// process lets envconfig set the field from its variable or default. envconfig stops at the first
// value it cannot decode, so to learn of all of them it is given one field at a time.
func (f field) process() error {
	one := reflect.New(reflect.StructOf([]reflect.StructField{f.StructField}))
	err := envconfig.Process(prefix, one.Interface())
	if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
		err = parse.Err // which says what is accepted; the rest speaks of Go types
	}
	f.value.Set(one.Elem().Field(0))
	return err
}

// decode sets the field as envconfig would from a variable of that text.
func (f field) decode(text string) error {
	switch target := f.value.Addr().Interface().(type) {
	case envconfig.Decoder:
		return target.Decode(text)
	case *string:
		*target = text
		return nil
	}
	panic("settings: no way to decode " + f.Name)
}

// reconcile sets the defaults that depend on other settings and reports settings that contradict
// each other. A setting that could not be decoded is zero here and contradicts nothing.
func (s *Settings) reconcile() (problems []error) {
	if s.given["drain_timeout"] == "" {
		s.DrainTimeout = s.ConnLifespan
		if s.DrainTimeout == 0 {
			s.DrainTimeout = Seconds(300 * time.Second)
		}
	}
	if s.given["max_kept"] == "" {
		s.MaxKept = max(1<<20, 2*Octets(s.MaxMessageSize))
	}
	if s.given["max_kept_total"] == "" {
		s.MaxKeptTotal = 256 << 20
	}
	if s.MaxKept != 0 && s.MaxKept < 2*Octets(s.MaxMessageSize) {
		problems = append(problems, fmt.Errorf("%s is not accepted: a message may have %d octets (max_message_size); give at least twice that, or 0 for no limit",
			s.given["max_kept"], s.MaxMessageSize))
	}
	if s.given["heartbeat_interval"] == "" && s.ClientTimeout != 0 {
		s.HeartbeatInterval = min(s.HeartbeatInterval, s.ClientTimeout/3)
	}
	if s.ClientTimeout != 0 && s.HeartbeatInterval >= s.ClientTimeout {
		timeout := s.given["client_timeout"]
		if timeout == "" {
			timeout = "client_timeout, " + time.Duration(s.ClientTimeout).String() + " by default"
		}
		problems = append(problems, fmt.Errorf("%s is not accepted: no ping would be sent before the connection is closed (%s); give less than that, or 0 for no pings",
			s.given["heartbeat_interval"], timeout))
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		one, other := "tls_cert", "tls_key"
		if s.TLSCert == "" {
			one, other = other, one
		}
		problems = append(problems, fmt.Errorf("%s is not accepted without %s: give both files, or neither to serve without TLS", s.given[one], other))
	}
	return problems
}

// unknownVariables warns of variables that look like settings and are not. They are not refused:
// the environment is shared, and Kubernetes for one adds names of its own to it.
func unknownVariables(fields []field) (warnings []string) {
	names := namesOf(fields)
	for _, entry := range os.Environ() {
		key, _, _ := strings.Cut(entry, "=")
		name, isOurs := strings.CutPrefix(strings.ToUpper(key), prefix+"_")
		near := nearest(name, names)
		switch {
		case !isOurs, near != "" && key == variable(near): // not meant for us, or known
		case near != "":
			warnings = append(warnings, fmt.Sprintf("%q is not a setting and is ignored; did you mean %s?", key, variable(near)))
		default:
			warnings = append(warnings, fmt.Sprintf("%q is not a setting and is ignored", key))
		}
	}
	slices.Sort(warnings)
	return warnings
}
