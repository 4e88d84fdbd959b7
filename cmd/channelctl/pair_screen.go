package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
	"golang.org/x/term"
)

// A screen is what a person sees. It is for one goroutine at a time.
type screen struct {
	out, err    io.Writer // static, like all down to color
	outTerminal bool
	errTerminal bool
	color       bool

	progressing bool // the last line of err is not at its end
}

func newScreen(s streams) *screen {
	_, noColor := os.LookupEnv("NO_COLOR")
	return &screen{
		out: s.out, err: s.err, outTerminal: isTerminal(s.out), errTerminal: isTerminal(s.err),
		color: !noColor && os.Getenv("TERM") != "dumb",
	}
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// say tells the person something, in a line.
func (s *screen) say(format string, args ...any) {
	s.wipe()
	fmt.Fprintln(s.err, harmless(fmt.Sprintf(format, args...)))
}

// progress replaces what it showed last. Where that is not possible it shows nothing.
func (s *screen) progress(format string, args ...any) {
	if !s.errTerminal {
		return
	}
	s.wipe()
	fmt.Fprint(s.err, harmless(fmt.Sprintf(format, args...)))
	s.progressing = true
}

func (s *screen) wipe() {
	if s.progressing {
		fmt.Fprintf(s.err, "\r%80s\r", "")
		s.progressing = false
	}
}

// show writes a text of the other device, as it is unless a terminal would take some of it for orders.
func (s *screen) show(text string) error {
	s.wipe()
	if s.outTerminal {
		text = harmless(text)
	}
	_, err := io.WriteString(s.out, text+"\n")
	return err
}

// harmless makes a text one that cannot move a terminal's cursor, or show a person its parts in another order.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if showable(r) {
			return r
		}
		return utf8.RuneError
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// showable tells whether a character stands for itself.
func showable(r rune) bool {
	return r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// quiet is how many light modules are around a QR code (ISO/IEC 18004 section 6.3.8), and leastQuiet how many are
// above and below it where the terminal has few lines; readers manage with that.
const (
	quiet      = 4
	leastQuiet = 2
)

// code shows a text as a QR code, if the terminal has room for it, and tells whether it did.
func (s *screen) code(text string) bool {
	if !s.errTerminal {
		return false
	}
	columns, rows, err := term.GetSize(int(s.err.(*os.File).Fd())) // it is a terminal
	if err != nil || columns == 0 {                                // one that does not tell
		columns, rows = 80, 24
	}
	drawn := drawCode(text, columns, rows-1, s.color)
	s.wipe()
	fmt.Fprint(s.err, drawn)
	return drawn != ""
}

// drawCode draws a text as a QR code, two modules to a character, one above the other. With color it is
// black on white whatever the terminal's colors are. Without, the light modules are drawn, as is right for
// light letters on a dark ground; most readers take it the other way round too. It is empty if there is not
// enough room.
func drawCode(text string, columns, rows int, color bool) string {
	code, err := qr.Encode(text, qr.L, qr.Unicode) // nothing will damage it on the way
	if err != nil {
		return "" // too long a link
	}
	side := code.Bounds().Dx()
	margin := quiet // above and below
	if (side+2*margin+1)/2 > rows {
		margin = leastQuiet
	}
	if side+2*quiet > columns || (side+2*margin+1)/2 > rows {
		return ""
	}
	dark := func(x, y int) bool {
		if x < 0 || y < 0 || x >= side || y >= side {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var b strings.Builder
	for y := -margin; y < side+margin; y += 2 {
		if color {
			b.WriteString("\x1b[38;5;16;48;5;231m") // xterm's black on its white
		}
		for x := -quiet; x < side+quiet; x++ {
			up, down := dark(x, y) == color, dark(x, y+1) == color
			switch {
			case up && down:
				b.WriteRune('█')
			case up:
				b.WriteRune('▀')
			case down:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		if color {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
