package geo

import (
	"slices"

	"golang.org/x/text/language"
)

// languages are those in which a database has names. They do not change.
type languages struct {
	codes   []string // as the database writes them
	tags    []language.Tag
	matcher language.Matcher // over tags
}

// newLanguages reads the codes of a database. Codes that are no language tag
// are left out.
func newLanguages(codes []string) languages {
	var known languages
	for _, code := range codes {
		if tag, err := language.Parse(code); err == nil {
			known.codes = append(known.codes, code)
			known.tags = append(known.tags, tag)
		}
	}
	known.matcher = language.NewMatcher(known.tags)
	return known
}

// order returns the languages in which a name may be given to somebody, the
// best first and none twice:
//
//  1. The languages wished for, by falling quality. en-GB is served by en and
//     pt by pt-BR, but zh-TW not by zh-CN, which its readers need not know.
//     "*" stands for the default language, then English, then any other, except
//     those that another range names.
//  2. Languages that readers of a wished one mostly know, such as French for
//     Breton, according to CLDR. They come later because somebody who asks for
//     "br, en" would rather read the English that was asked for.
//  3. The default language.
//
// A language excluded by a quality of 0 is never among them, not even as the
// default: "en;q=0" excludes en and en-GB, "en-GB;q=0" only the latter, and
// "*;q=0" every language not reached by a wish.
func (l languages) order(wishes Wishes, defaultLang string) []string {
	ordered := make([]string, 0, len(l.codes))
	add := func(i int) {
		if !slices.Contains(ordered, l.codes[i]) && !wishes.excludes(l.tags[i]) {
			ordered = append(ordered, l.codes[i])
		}
	}

	preset, hasPreset := l.lookup(defaultLang)
	presetAllowed := true
	var related []int
	for _, wanted := range wishes.ranges {
		if wanted.any {
			presetAllowed = wanted.quality > 0
			if wanted.quality > 0 {
				for _, i := range l.anyOrder(preset, hasPreset) {
					if !wishes.names(l.tags[i]) {
						add(i)
					}
				}
			}
			continue
		}
		if wanted.quality == 0 {
			continue
		}
		i, same, found := l.match(wanted.tag)
		switch {
		case found && same:
			add(i)
		case found:
			related = append(related, i)
		}
	}
	for _, i := range related {
		add(i)
	}
	if hasPreset && presetAllowed {
		add(preset)
	}
	return ordered
}

// anyOrder returns all languages in the order in which "*" tries them.
func (l languages) anyOrder(preset int, hasPreset bool) []int {
	var all []int
	if hasPreset {
		all = append(all, preset)
	}
	if english, ok := l.lookup("en"); ok {
		all = append(all, english)
	}
	for i := range l.codes {
		all = append(all, i)
	}
	return all
}

// lookup finds the language that serves a tag in text form.
func (l languages) lookup(code string) (index int, found bool) {
	if i := slices.Index(l.codes, code); i >= 0 {
		return i, true // spares parsing in the usual case
	}
	tag, err := language.Parse(code)
	if err != nil {
		return 0, false
	}
	index, _, found = l.match(tag)
	return index, found
}

// match finds the language that readers of tag most likely understand; same
// says that it is the same language, if perhaps another variety of it.
func (l languages) match(tag language.Tag) (index int, same, found bool) {
	_, index, confidence := l.matcher.Match(tag)
	if confidence < language.High {
		return 0, false, false
	}
	wanted, _, _ := tag.Raw()
	base, _, _ := l.tags[index].Raw()
	return index, confidence == language.Exact || wanted == base, true
}

// excludes says whether the most specific range that covers tag has a quality
// of 0. Of equally specific ones, one with 0 wins.
func (w Wishes) excludes(tag language.Tag) bool {
	most, excluded := 0, false
	for _, wanted := range w.ranges {
		specific, ok := wanted.covers(tag)
		if ok && specific >= most { // ranges with 0 come last
			most, excluded = specific, wanted.quality == 0
		}
	}
	return excluded
}

// names says whether a range other than "*" covers tag.
func (w Wishes) names(tag language.Tag) bool {
	return slices.ContainsFunc(w.ranges, func(wanted wish) bool {
		_, ok := wanted.covers(tag)
		return ok
	})
}

// covers says whether every subtag of a range other than "*" is that of tag
// (RFC 4647 section 3.3.1, with the script of zh-CN taken to be Hans), and how
// many there are.
func (wanted wish) covers(tag language.Tag) (specific int, ok bool) {
	if wanted.any {
		return 0, false
	}
	base, script, region := wanted.tag.Raw()
	tagBase, _, tagRegion := tag.Raw()
	if base != tagBase {
		return 0, false
	}
	specific = 1
	if script != (language.Script{}) {
		if likely, _ := tag.Script(); script != likely {
			return 0, false
		}
		specific++
	}
	if region != (language.Region{}) {
		if region != tagRegion {
			return 0, false
		}
		specific++
	}
	return specific, true
}
