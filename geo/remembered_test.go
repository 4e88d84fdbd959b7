package geo

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestRemembered(t *testing.T) {
	var c recent
	for range 2 { // the second time from memory, unless another line has taken the place
		for i := range 3 * len(c) {
			for _, lines := range [][]string{
				nil,
				{""},
				{fmt.Sprintf("de;q=0.%d, fr", i)},
				{"de", fmt.Sprintf("fr;q=0.%d", i)},
				{strings.Repeat("x-", i) + "de, fr"},
			} {
				if got, want := c.wishes(lines), ParseWishes(lines); !reflect.DeepEqual(got, want) {
					t.Fatalf("%q: got %v, want %v", lines, got, want)
				}
			}
		}
	}
	c.wishes([]string{"ja"})
	if n := testing.AllocsPerRun(10, func() { c.wishes([]string{"ja"}) }); n != 0 {
		t.Errorf("a header that is known allocates %v times", n)
	}
}
