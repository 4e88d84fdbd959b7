package load

import "time"

// A Process is a process id. The system is asked what the process has used.
type Process int

// A Usage is what a process used during a run. What there was none of is 0.
type Usage struct {
	OpeningCPU     time.Duration `json:"opening_cpu_ns"` // for what was open all the time
	CPU            time.Duration `json:"cpu_ns"`         // while it was measured
	ResidentBefore int64         `json:"resident_before_bytes"`
	ResidentOpened int64         `json:"resident_opened_bytes"` // when all was open
	ResidentAfter  int64         `json:"resident_after_bytes"`  // before all was closed

	PerOpening    time.Duration `json:"cpu_per_opening_ns"` // OpeningCPU for each channel
	PerMessage    time.Duration `json:"cpu_per_message_ns"` // CPU for each message, with all that belongs to it
	PerPairing    time.Duration `json:"cpu_per_pairing_ns"`
	PerResume     time.Duration `json:"cpu_per_resume_ns"`
	PerConnection int64         `json:"resident_per_connection_bytes"` // what was added, for each connection that was open all the time
}

// A meter reads a process at the turns of a run.
type meter struct {
	process Process
	usage   Usage
	last    time.Duration // the CPU clock at the last turn
}

// A turn is where a run enters its next part.
type turn int

const (
	begin  turn = iota
	opened      // all that stays open
	ended
)

func (m *meter) read(at turn) error {
	cpu, err := m.process.CPU()
	if err != nil {
		return err
	}
	resident, err := m.process.Resident()
	if err != nil {
		return err
	}
	switch at {
	case begin:
		m.usage.ResidentBefore = resident
	case opened:
		m.usage.OpeningCPU, m.usage.ResidentOpened = cpu-m.last, resident
	case ended:
		m.usage.CPU, m.usage.ResidentAfter = cpu-m.last, resident
	}
	m.last = cpu
	return nil
}

// share divides what was used.
func (m *meter) share(r *Report) *Usage {
	per := func(cpu time.Duration, units int64) time.Duration {
		if units == 0 {
			return 0
		}
		return cpu / time.Duration(units)
	}
	u := &m.usage
	u.PerOpening = per(u.OpeningCPU, int64(r.Channels+r.Idle/2))
	u.PerMessage = per(u.CPU, r.Messages)
	u.PerPairing = per(u.CPU, r.Pairings)
	u.PerResume = per(u.CPU, r.Resumes)
	if connections := int64(2*r.Channels + r.Idle); connections > 0 {
		u.PerConnection = (u.ResidentOpened - u.ResidentBefore) / connections
	}
	return u
}
