package admission

import (
	"bufio"
	"cmp"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// A Process is what this process may use. Zero stands for unknown, or for no limit.
type Process struct {
	Descriptors int    // that may be open at one time (getrlimit(2), RLIMIT_NOFILE)
	Memory      int64  // octets that the Go runtime keeps within (runtime/debug.SetMemoryLimit)
	MemoryFrom  string // where that limit comes from, in words; empty without one
}

// cgroupShare is the part of a cgroup's memory that the Go runtime is to keep within, in tenths: the
// kernel counts more against the cgroup, such as socket buffers and files.
const cgroupShare = 9

// ThisProcess returns the limits of this process. Where the environment does not set GOMEMLIMIT and
// a cgroup limits memory, it has the Go runtime keep within nine tenths of that.
//
// The Go runtime itself has raised the soft limit of descriptors to the hard one at the start.
func ThisProcess() Process {
	p := Process{Descriptors: maxDescriptors(), Memory: debug.SetMemoryLimit(-1), MemoryFrom: "GOMEMLIMIT"}
	if os.Getenv("GOMEMLIMIT") == "" {
		p.Memory, p.MemoryFrom = cgroupMemory(os.DirFS("/")), "the cgroup"
		p.Memory = p.Memory / 10 * cgroupShare
		if p.Memory > 0 {
			debug.SetMemoryLimit(p.Memory)
		}
	}
	if p.Memory <= 0 || p.Memory == math.MaxInt64 {
		p.Memory, p.MemoryFrom = 0, ""
	}
	return p
}

// noLimit is above any memory there is, and at or below what version 1 says for no limit.
const noLimit = 1 << 60

// cgroupMemory returns the least memory limit of the cgroups that this process is in, in octets; 0 when
// there is none. It reads version 2 (Linux, Documentation/admin-guide/cgroup-v2.rst, memory.max) and version 1
// (cgroup-v1/memory.rst, memory.limit_in_bytes), where distributions mount them.
func cgroupMemory(root fs.FS) int64 {
	own, err := root.Open("proc/self/cgroup")
	if err != nil {
		return 0
	}
	defer own.Close()
	least := int64(noLimit)
	lines := bufio.NewScanner(own)
	for lines.Scan() { // hierarchy-ID:controller-list:cgroup-path, cgroups(7)
		hierarchy, rest, _ := strings.Cut(lines.Text(), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case hierarchy == "0" && controllers == "":
			least = min(least, leastLimit(root, "sys/fs/cgroup", group, "memory.max"))
		case strings.Contains(","+controllers+",", ",memory,"):
			least = min(least, leastLimit(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
		}
	}
	if least == noLimit {
		return 0
	}
	return least
}

// leastLimit returns the least limit of a cgroup and those that it lies in. In a container the path may
// be one of the host, which cannot be seen; the mount itself can.
func leastLimit(root fs.FS, mount, group, file string) int64 {
	least := int64(noLimit)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		text, _ := fs.ReadFile(root, path.Join(mount, group, file)) // where it is missing there is no limit
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			least = min(least, limit)
		}
		if group == "/" {
			return least
		}
	}
}

// openDescriptors returns how many descriptors are open now, or a guess where the system does not tell.
func openDescriptors() int {
	const guess = 16
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return guess
	}
	return cmp.Or(len(open)-1, guess) // one was for the directory itself
}
