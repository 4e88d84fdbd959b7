package main

import (
	"bytes"
	"fmt"
	"html"
	"strconv"
)

// Measures of the plot, in pixels.
const (
	plotWidth  = 900
	labelWidth = 360
	barHeight  = 12
	barSpace   = plotWidth - labelWidth - 60 // the longest bar; values are at the right edge
	textHeight = 16
)

// colours are those of the servers, in the order of the kinds; they can be told apart by those who see few colours
// (Okabe and Ito's palette).
var colours = [...]string{"#0072b2", "#999999", "#e69f00", "#009e73"}

// plot draws the figures as bars (SVG 1.1): first the ratios to the floor, then memory. A line across
// the bars of a figure is its target.
func (r *report) plot() []byte {
	var ratios, octets []*figure
	for i := range figures {
		switch f := &figures[i]; {
		case len(r.samples.of(f.name, ours)) == 0:
		case f.unit == "KiB":
			octets = append(octets, f)
		default:
			ratios = append(ratios, f)
		}
	}
	p := plot{report: r}
	p.legend()
	p.panel("times the raw TCP relay (growth: times the CPU with few connections); less is better", ratios)
	p.panel("KiB resident for each idle connection; less is better", octets)
	var whole bytes.Buffer
	fmt.Fprintf(&whole, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, p.y+textHeight)
	fmt.Fprintf(&whole, `<title>This server beside others: %s</title>`+"\n"+`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n", html.EscapeString(r.about))
	whole.Write(p.body.Bytes())
	whole.WriteString("</svg>\n")
	return whole.Bytes()
}

// A plot is drawn from top to bottom.
type plot struct {
	*report
	body bytes.Buffer
	y    int // where the next thing goes
}

func (p *plot) text(x, y int, anchor, text string) {
	fmt.Fprintf(&p.body, `<text x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(text))
}

func (p *plot) bar(x, y, width, height int, colour string) {
	fmt.Fprintf(&p.body, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", x, y, width, height, colour)
}

func (p *plot) legend() {
	p.y += textHeight + 4
	p.text(10, p.y, "start", p.about)
	p.y += textHeight + 4
	x := 10
	for i, k := range p.kinds {
		p.bar(x, p.y-10, 12, 12, colours[i])
		p.text(x+18, p.y, "start", k.label)
		x += 40 + 7*len(k.label)
	}
	p.bar(x, p.y-10, 3, 12, "#d00000")
	p.text(x+9, p.y, "start", "target for this server")
}

// panel draws figures that have one scale.
func (p *plot) panel(title string, figures []*figure) {
	if len(figures) == 0 {
		return
	}
	p.y += 2 * textHeight
	p.text(10, p.y, "start", title)
	p.y += 8
	longest := 0.0
	for _, f := range figures {
		longest = max(longest, f.target)
		for _, k := range p.kinds {
			s, _ := p.samples.shown(f, k.name)
			longest = max(longest, s.median)
		}
	}
	width := func(value float64) int { return int(value / longest * barSpace) }
	for _, f := range figures {
		top := p.y
		for i, k := range p.kinds {
			s, ok := p.samples.shown(f, k.name)
			if !ok {
				continue
			}
			p.bar(labelWidth, p.y, width(s.median), barHeight-2, colours[i])
			p.text(plotWidth-10, p.y+barHeight-3, "end", strconv.FormatFloat(s.median, 'f', 2, 64))
			p.y += barHeight
		}
		p.text(labelWidth-8, (top+p.y)/2+4, "end", f.label)
		p.bar(labelWidth+width(f.target)-1, top-2, 3, p.y-top+2, "#d00000")
		p.y += barHeight
	}
}
