package settings

import (
	"errors"
	"fmt"
	"strings"
)

// What Load returns when the arguments ask for something else than to serve.
var (
	ErrHelp    = errors.New("the arguments ask for help")
	ErrVersion = errors.New("the arguments ask for the version")
)

// An argument is the value of a setting, as it was written.
type argument struct {
	as   string // --max-data
	text string
	old  bool // as is an old name
}

// parseArguments sorts args by the names of settings. Words are joined by _ or -, values by = or
// as the next argument; a switch takes its value by = only, for otherwise it could not be told
// from what follows. The problems are everything that is not an argument of a setting; err is
// ErrHelp or ErrVersion, whichever was asked for first.
func parseArguments(fields []field, args []string) (arguments map[string]argument, problems []error, err error) {
	byName := make(map[string]field)
	for _, f := range fields {
		for _, name := range f.names() {
			byName[name] = f
		}
	}
	arguments = make(map[string]argument)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch arg {
		case "-h", "--help":
			return nil, nil, ErrHelp
		case "--version":
			return nil, nil, ErrVersion
		}
		as, text, hasText := strings.Cut(arg, "=")
		if !strings.HasPrefix(as, "-") {
			problems = append(problems, fmt.Errorf("%q is not accepted: write arguments as --name=value, switches as --debug or --debug=false", arg))
			continue
		}
		name := strings.ReplaceAll(strings.TrimLeft(as, "-"), "-", "_")
		f, isSetting := byName[name]
		isSetting = isSetting && strings.HasPrefix(as, "--") && !strings.HasPrefix(as, "---")
		if !hasText && !(isSetting && f.isSwitch()) && len(args) > 0 && isValue(args[0]) {
			text, hasText = args[0], true
			args = args[1:]
		}
		switch {
		case !isSetting:
			problem := fmt.Sprintf("%q is not an argument; ", as)
			if near := nearest(name, append(namesOf(fields), "help", "version")); near != "" {
				problem += "did you mean --" + near + "?"
			} else {
				problem += "--help lists them all"
			}
			problems = append(problems, errors.New(problem))
			continue
		case !hasText && f.isSwitch():
			text = "true"
		case !hasText:
			problems = append(problems, fmt.Errorf("%s needs a value: write %s=%s", as, as, f.Tag.Get("unit")))
			continue
		}
		arguments[f.name] = argument{as: as, text: text, old: name != f.name}
	}
	return arguments, problems, nil
}

// isValue tells the value of the argument before it from the next argument. A value of the latter
// look has to be joined by =.
func isValue(arg string) bool {
	return !strings.HasPrefix(arg, "--") && arg != "-h"
}

// nearest returns the known name that the fewest typing errors tell from name, or nothing where
// they would be more than about a third of it.
func nearest(name string, known []string) (best string) {
	name = strings.ToLower(name)
	fewest := (len(name)+2)/3 + 1
	for _, candidate := range known {
		if n := distance(name, candidate); n < fewest {
			best, fewest = candidate, n
		}
	}
	return best
}

// distance is Levenshtein's: the octets to insert, delete or replace to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of the part of a seen so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
