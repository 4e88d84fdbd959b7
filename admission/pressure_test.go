package admission

import (
	"bytes"
	"log/slog"
	"math"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// At nine tenths of the descriptors no channel is opened; who joins gets in.
func TestDescriptors(t *testing.T) {
	g := New(Options{})
	g.pressure.base, g.pressure.most = 20, 90 // of 100
	newcomer, joiner := Visit{Addr: one, New: true, Holds: true}, Visit{Addr: one, Holds: true}
	for range 70 {
		want(t, g, newcomer, none)
		g.Track(http.StateNew)
	}
	g.Track(http.StateActive)
	g.Track(http.StateIdle)
	want(t, g, newcomer, none)
	g.Track(http.StateNew)
	want(t, g, newcomer, Descriptors)
	pass := want(t, g, joiner, none)
	g.Track(http.StateHijacked) // one of those that are there becomes a WebSocket
	pass.Hijacked()
	want(t, g, newcomer, Descriptors)
	pass.Leave()
	want(t, g, newcomer, none)
	g.Track(http.StateNew)
	want(t, g, newcomer, Descriptors)
	g.Track(http.StateClosed)
	want(t, g, newcomer, none)
}

// The limit of descriptors is taken with a tenth off.
func TestDescriptorsOfProcess(t *testing.T) {
	for limit, most := range map[int]int{0: 0, 64: 58, 1000: 900, 1024: 922} {
		if got := New(Options{Process: Process{Descriptors: limit}}).pressure.most; got != most {
			t.Errorf("of %d descriptors %d are used, want %d", limit, got, most)
		}
	}
	open := func() {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
	}
	open() // with the first one the runtime may open some of its own
	before := openDescriptors()
	open()
	if after := openDescriptors(); after != before+1 {
		t.Errorf("%d descriptors are open, then %d", before, after)
	}
}

// A server short of memory opens no channels, lets others join, and says when it begins and ends: once.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		g := New(Options{})
		newcomer, joiner := Visit{Addr: one, New: true}, Visit{Addr: one, Holds: true}
		look := func(limit int64) {
			time.Sleep(watchInterval)
			g.pressure.look(time.Now(), Process{Memory: limit}, log)
		}
		const plenty, little = math.MaxInt64, 1000
		look(plenty)
		want(t, g, newcomer, none)
		for range 5 {
			look(little)
			want(t, g, newcomer, Memory)
			want(t, g, joiner, none)
		}
		look(plenty)
		want(t, g, newcomer, none) // at once
		look(little)
		want(t, g, newcomer, Memory)
		if got := text.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "overloaded: no new channels") || !strings.Contains(got, `"short of"=memory`) {
			t.Errorf("logged:\n%s", got)
		}
		for range 10 {
			look(plenty)
		}
		if got := text.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "no longer overloaded") {
			t.Errorf("logged:\n%s", got)
		}
		look(0) // no limit
		want(t, g, newcomer, none)
	})
}

// What is counted as memory is what lives, not what waits to be collected.
func TestMemoryIsWhatLives(t *testing.T) {
	var p pressure
	p.start(Process{})
	const much = 64 << 20
	runtime.GC()
	before := p.memory()
	held := make([]byte, much)
	runtime.GC()
	during := p.memory()
	runtime.KeepAlive(held)
	held = nil // nobody reads it, but the collector sees it
	runtime.GC()
	after := p.memory()
	if during < before+much/2 || after > during-much/2 {
		t.Errorf("%d octets, then %d with %d more, then %d", before, during, much, after)
	}

	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 16 {
		held = make([]byte, much/16)
	}
	runtime.KeepAlive(held)
	if garbage := p.memory(); garbage > after+much/2 {
		t.Errorf("%d octets, then %d with garbage", after, garbage)
	}
}

func TestThisProcess(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	debug.SetMemoryLimit(123 << 20)
	t.Setenv("GOMEMLIMIT", "123MiB")
	if p := ThisProcess(); p.Memory != 123<<20 || p.MemoryFrom != "GOMEMLIMIT" || p.Descriptors < 1 {
		t.Errorf("%+v", p)
	}
	t.Setenv("GOMEMLIMIT", "off")
	debug.SetMemoryLimit(math.MaxInt64)
	if p := ThisProcess(); p.Memory != 0 || p.MemoryFrom != "" {
		t.Errorf("%+v", p)
	}
}

func TestCgroupMemory(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":           {nil, 0},
		"version 2, inside": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gib},
		"version 2, none":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"version 2, own": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/pair.service\n", "sys/fs/cgroup/system.slice/pair.service/memory.max": "1073741824\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, gib},
		"version 2, above": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/pair.service\n", "sys/fs/cgroup/system.slice/pair.service/memory.max": "max\n",
			"sys/fs/cgroup/system.slice/memory.max": "1073741824\n",
		}, gib},
		"version 2, path of the host": {map[string]string{
			"proc/self/cgroup": "0::/../../docker/abc\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, gib},
		"version 1, inside": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, gib},
		"version 1, none": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"both": {map[string]string{
			"proc/self/cgroup": "4:memory:/a\n0::/b\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2147483648\n",
			"sys/fs/cgroup/b/memory.max": "1073741824\n",
		}, gib},
		"nonsense": {map[string]string{"proc/self/cgroup": "nonsense\n\n:\n0::\n", "sys/fs/cgroup/memory.max": "-1\n"}, 0},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := cgroupMemory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// A server that is short of memory collects garbage itself to learn that it no longer is: it opens no
// channels, and so may have no other cause to.
func TestMemoryRecovers(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var p pressure
	p.start(Process{})
	runtime.GC()
	const much = 64 << 20
	limit := p.memory() + much/2
	log := slog.New(slog.DiscardHandler)
	held := make([]byte, much)
	runtime.GC()
	now := time.Now()
	p.look(now, Process{Memory: limit}, log)
	if !p.memoryShort.Load() {
		t.Error("with twice what is allowed, memory is not short")
	}
	runtime.KeepAlive(held)
	held = nil // nobody reads it, but the collector sees it
	p.look(now.Add(time.Minute), Process{Memory: limit}, log)
	if p.memoryShort.Load() {
		t.Error("memory that is free again is still short")
	}
}
