package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A pemPair is a certificate and its key, in files.
type pemPair struct{ cert, key string }

func newPEMPair(t *testing.T) pemPair {
	dir := t.TempDir()
	return pemPair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// write makes a certificate with a serial number and puts it in the files, the certificate first.
func (p pemPair) write(t *testing.T, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "relay.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	replace(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// serial returns the serial number of the certificate that the server shows, and the protocol
// that is agreed on.
func serial(p *process) (number int64, protocol string) {
	p.t.Helper()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: patience},
		Config:    &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}},
	}
	conn, err := dialer.DialContext(p.t.Context(), "tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0].SerialNumber.Int64(), state.NegotiatedProtocol
}

func TestTLS(t *testing.T) {
	t.Parallel()
	files := newPEMPair(t)
	files.write(t, 1)
	p := start(t, "--tls_cert="+files.cert, "--tls_key="+files.key)
	if p.scheme != "https" {
		t.Fatalf("listens for %s", p.scheme)
	}
	a, b := p.pair()
	talk(a, b)
	if number, protocol := serial(p); number != 1 || protocol != "http/1.1" {
		t.Errorf("certificate %d, protocol %s", number, protocol)
	}
	if status := p.healthcheck("--tls_cert="+files.cert, "--tls_key="+files.key); status != 0 {
		t.Errorf("the health check over https: status %d", status)
	}

	files.write(t, 2)
	eventually(t, "a handshake gets the new certificate", func() bool { number, _ := serial(p); return number == 2 })
	talk(a, b)

	replace(t, files.key, []byte("damaged"))
	eventually(t, "the damaged key is logged", func() bool {
		if number, _ := serial(p); number != 2 {
			t.Fatalf("after a damaged key the certificate is %d", number)
		}
		return strings.Contains(p.stdout.String(), "the old one stays in use")
	})
	talk(a, b)
	p.signal(syscall.SIGTERM)
	a.bye()
	b.bye()
	exits0(p)
}

// The files are looked at when a second has gone by, no oftener, and what is wrong with them is
// told once for each change.
func TestCertificateIsReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newPEMPair(t)
		files.write(t, 1)
		var logged bytes.Buffer
		c, err := openCertificate(files.cert, files.key, slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when string, serial int64) {
			t.Helper()
			pair, err := c.get(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := pair.Leaf.SerialNumber.Int64(); got != serial {
				t.Errorf("%s: certificate %d, want %d", when, got, serial)
			}
		}
		expect("at the start", 1)
		files.write(t, 2)
		time.Sleep(time.Second - 1)
		expect("within a second", 1)
		time.Sleep(time.Nanosecond)
		expect("after a second", 2)

		one := newPEMPair(t)
		one.write(t, 3)
		content, err := os.ReadFile(one.cert)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, files.cert, content) // whose key is another
		for range 5 {
			time.Sleep(time.Second)
			expect("with half a pair", 2)
		}
		if n := strings.Count(logged.String(), "the old one stays in use"); n != 1 {
			t.Errorf("told %d times that the pair is no pair:\n%s", n, &logged)
		}
		if err := os.Remove(files.cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		expect("without a file", 2)
		files.write(t, 4)
		time.Sleep(time.Second)
		expect("with a new pair", 4)
	})
}

// healthcheck runs the health check of the server with the same settings and returns its status.
func (p *process) healthcheck(args ...string) int {
	p.t.Helper()
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	status, stdout, stderr := finish(p.t, command(p.t, append([]string{"healthcheck", "--hostname=" + host, "--port=" + port}, args...)...))
	if status == 0 && stdout+stderr != "" || status != 0 && !strings.Contains(stderr, "the server") {
		p.t.Errorf("the health check says %q, %q", stdout, stderr)
	}
	return status
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	p := launch(t, command(t, "--port=0", "--admin_addr=127.0.0.1:0"))
	if status := p.healthcheck(); status != 0 { // of 0.0.0.0
		t.Errorf("of a server that is well: status %d", status)
	}
	if status := p.healthcheck("--tls_cert=x", "--tls_key=x"); status != 1 {
		t.Errorf("over https of a server without: status %d", status)
	}
	p.join("/v1/ws/")
	drainFrom(p, syscall.SIGTERM)
	if status := p.healthcheck(); status != 0 {
		t.Errorf("of a server that drains: status %d; restarting it would cut living channels", status)
	}
	p.signal(syscall.SIGTERM)
	exits0(p)
	if status := p.healthcheck(); status != 1 {
		t.Errorf("of a server that is gone: status %d", status)
	}
}
