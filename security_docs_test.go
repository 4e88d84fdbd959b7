package channelserver_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityNamesTests holds that the tests of Go which docs/security.md names exist where it says.
func TestSecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	// A package, and behind it names of tests, up to the next package or cell.
	lists := regexp.MustCompile("([\\w/]+) ((?:`(?:Test|Fuzz)\\w+`(?:, )?)+)").FindAllStringSubmatch(string(text), -1)
	named := 0
	for _, list := range lists {
		folder := list[1]
		if folder == "server" {
			folder = server
		}
		files, err := filepath.Glob(folder + "/*_test.go")
		if err != nil || files == nil {
			t.Errorf("%s has no tests: %v", folder, err)
		}
		var code strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(list[2], -1) {
			named++
			if !strings.Contains(code.String(), "\nfunc "+name+"(") {
				t.Errorf("%s has no test %s", folder, name)
			}
		}
	}
	if all := regexp.MustCompile("`(?:Test|Fuzz)\\w+`").FindAllString(string(text), -1); named != len(all) {
		t.Errorf("%d of %d tests stand behind a package: %v", named, len(all), all)
	}
}

// TestSecurityNamesTestsOfJavaScript holds the same for those of JavaScript: a file, and behind it names in quotes.
func TestSecurityNamesTestsOfJavaScript(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	lists := regexp.MustCompile(`([\w/-]+\.test\.js)((?:,? "[^"]+")+)`).FindAllStringSubmatch(string(text), -1)
	if all := strings.Count(string(text), ".test.js"); len(lists) != all {
		t.Errorf("%d of %d files of tests have names of tests behind them", len(lists), all)
	}
	for _, list := range lists {
		code, err := os.ReadFile(list[1])
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range regexp.MustCompile(`"[^"]+"`).FindAllString(list[2], -1) {
			if !strings.Contains(string(code), strings.Trim(name, `"`)) {
				t.Errorf("%s has no test %s", list[1], name)
			}
		}
	}
}
