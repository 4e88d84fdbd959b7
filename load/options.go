package load

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Scenario is a kind of load.
type Scenario string

// The scenarios.
const (
	Idle   Scenario = "idle"   // connections that say nothing
	Relay  Scenario = "relay"  // closed loop: one message in flight in each direction of each channel
	Rate   Scenario = "rate"   // open loop: messages at a fixed rate
	Pairs  Scenario = "pair"   // channels that are opened, carry some messages, and are closed
	Churn  Scenario = "churn"  // the same without messages
	Resume Scenario = "resume" // version 2: connections are cut and their seats taken back
)

// standing tells whether channels that relay messages stay open all the time.
func (s Scenario) standing() bool { return s == Relay || s == Rate || s == Resume }

// passing tells whether channels are opened and closed.
func (s Scenario) passing() bool { return s == Pairs || s == Churn }

// Bounds of a run.
const (
	MaxConnections = 100_000
	MaxChannels    = 10_000 // that relay messages
	MaxWorkers     = 1_000
	MaxMessages    = 1_000 // of a pairing
	MaxSize        = 1 << 20
	MaxRate        = 200_000 // messages a second
	MaxTime        = time.Hour
)

// Options say what a run does. What does not belong to its scenario is not looked at.
type Options struct {
	Scenario Scenario
	Door     Door
	Dialer   *Dialer
	For      time.Duration // how long to measure, at most MaxTime
	Idle     int           // connections that say nothing, besides; in channels of two
	Channels int           // relay, rate and resume: channels that relay messages
	Workers  int           // pair and churn: channels that are open at one time
	Size     int           // of a message in octets, from MinSize to MaxSize
	Messages int           // pair: messages of each channel
	Rate     float64       // rate: messages a second, of all channels together
	Server   Process       // of which CPU and memory are told; 0 is unknown

	Progress func(Progress) // called each second, from one goroutine; may be nil
}

// Check returns an error for options that are not within the bounds, or more than the system lets this process open.
func (o *Options) Check() error {
	connections := o.Idle
	if o.Scenario.standing() {
		connections += 2 * o.Channels
	}
	if o.Scenario.passing() {
		connections += 2 * o.Workers
	}
	const others = 50 // descriptors for all but connections
	switch limit := descriptors() - others; {
	case !slices.Contains([]Scenario{Idle, Relay, Rate, Pairs, Churn, Resume}, o.Scenario):
		return fmt.Errorf("there is no scenario %q: idle, relay, rate, pair, churn and resume are", o.Scenario)
	case o.For <= 0 || o.For > MaxTime:
		return fmt.Errorf("%v is not a time up to %v", o.For, MaxTime)
	case o.Idle < 0 || o.Idle > MaxConnections || o.Idle%2 != 0:
		return fmt.Errorf("%d idle connections are not an even number up to %d", o.Idle, MaxConnections)
	case o.Scenario == Idle && o.Idle == 0:
		return errors.New("the scenario idle needs idle connections")
	case o.Scenario.standing() && (o.Channels < 1 || o.Channels > MaxChannels):
		return fmt.Errorf("%d channels are not from 1 to %d", o.Channels, MaxChannels)
	case o.Scenario.passing() && (o.Workers < 1 || o.Workers > MaxWorkers):
		return fmt.Errorf("%d workers are not from 1 to %d", o.Workers, MaxWorkers)
	case o.Size < MinSize || o.Size > MaxSize:
		return fmt.Errorf("messages of %d octets are not from %d to %d", o.Size, MinSize, MaxSize)
	case o.Scenario == Pairs && (o.Messages < 1 || o.Messages > MaxMessages):
		return fmt.Errorf("%d messages in each channel are not from 1 to %d", o.Messages, MaxMessages)
	case o.Scenario == Rate && !(o.Rate > 0 && o.Rate <= MaxRate && o.Rate*o.For.Seconds() >= 1):
		return fmt.Errorf("%g messages a second are not up to %d, or none in %v", o.Rate, MaxRate, o.For)
	case connections > limit:
		return fmt.Errorf("%d connections are more than the %d that the limit of open files leaves: raise that with ulimit -n", connections, limit)
	}
	return nil
}
