package metrics

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smira/go-statsd"
	"golang.org/x/time/rate"
)

const (
	defaultStatsdPort = "8125"
	gaugeInterval     = 10 * time.Second // statsd's own default for flushing
	reconnectInterval = 5 * time.Minute  // follow the host's name to a new address
	queuedPackets     = 128              // of some 1.4 kB; what does not fit is dropped and counted
	complaintInterval = time.Minute
)

// A sender sends to statsd over UDP. The client behind it writes lines to a buffer under a lock
// and sends full buffers from a goroutine of its own; a buffer that finds the queue full is
// dropped. So no caller waits for the network, a name server or a peer.
type sender struct {
	client *statsd.Client
	gauges sync.WaitGroup
	done   chan struct{} // closed to end gauges
	once   sync.Once     // of close

	mu     sync.RWMutex // held for reading around each use of client, which panics when used after its Close
	closed bool         // guarded by mu
}

// newSender returns nil when the options ask for no statsd.
func newSender(opts Options) (*sender, error) {
	if opts.StatsdHost == "" {
		return nil, nil
	}
	address, err := statsdAddress(opts.StatsdHost)
	if err != nil {
		return nil, err
	}
	prefix, err := statsdPrefix(opts.StatsdName)
	if err != nil {
		return nil, err
	}
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &sender{
		client: statsd.NewClient(address,
			statsd.MetricPrefix(prefix),
			statsd.SendQueueCapacity(queuedPackets),
			statsd.ReconnectInterval(reconnectInterval),
			statsd.Logger(newComplaints(log, address)),
		),
		done: make(chan struct{}),
	}, nil
}

// statsdAddress adds the port that is missing. It looks no name up.
func statsdAddress(host string) (string, error) {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return net.JoinHostPort(ip.String(), defaultStatsdPort), nil
	}
	address := host
	if !strings.Contains(host, ":") {
		address += ":" + defaultStatsdPort
	}
	name, port, err := net.SplitHostPort(address)
	if err != nil || name == "" || strings.ContainsAny(name, " \t\r\n/") {
		return "", fmt.Errorf("statsd_host %q: want host or host:port, such as localhost:8125 or [::1]:8125", host)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", fmt.Errorf("statsd_host %q: port %q: want a number from 1 to 65535", host, port)
	}
	return address, nil
}

// statsdPrefix refuses what would break statsd's line format, and names too long for a packet.
func statsdPrefix(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`).MatchString(name) {
		return "", fmt.Errorf("metric_name %q: want at most 200 letters, digits, dots, hyphens and underscores", name)
	}
	return strings.TrimSuffix(name, ".") + ".", nil
}

// start sends the gauges every gaugeInterval until close.
func (s *sender) start(sources *atomic.Pointer[Sources]) {
	s.gauges.Go(func() {
		ticker := time.NewTicker(gaugeInterval)
		defer ticker.Stop()
		for {
			select {
			case <-s.done:
				return
			case <-ticker.C:
				stats := sources.Load().stats()
				s.client.Gauge("connections", int64(stats.Connections))
				s.client.Gauge("channels", int64(stats.Channels))
				s.client.Gauge("buffered.bytes", stats.Octets)
			}
		}
	})
}

func (s *sender) count(name string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.client.Incr(name, 1)
	}
}

func (s *sender) value(name string, value int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.client.Timing(name, value)
	}
}

func (s *sender) time(name string, took time.Duration) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.client.PrecisionTiming(name, took)
	}
}

// close may be called more than once. It waits for the goroutines, which wait for nobody else.
func (s *sender) close() {
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.done)
		s.gauges.Wait()
		_ = s.client.Close() // always nil
	})
}

// complaints passes on what the client says about its errors: the first at once, then at most one
// a minute, for a dead host gives rise to one every few seconds.
type complaints struct {
	log     *slog.Logger
	address string
	now     rate.Sometimes
}

func newComplaints(log *slog.Logger, address string) *complaints {
	return &complaints{log: log, address: address, now: rate.Sometimes{Interval: complaintInterval}}
}

// Printf implements statsd.SomeLogger.
func (c *complaints) Printf(format string, args ...any) {
	c.now.Do(func() {
		problem := fmt.Sprintf(strings.TrimPrefix(format, "[STATSD] "), args...)
		c.log.Warn("statsd: statistics are being lost", "statsd_host", c.address, "problem", problem)
	})
}
