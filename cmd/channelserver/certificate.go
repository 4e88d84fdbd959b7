package main

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A certificate is a key pair in files that may be replaced while it is in use. A handshake looks
// at most once a second whether they have changed; while the new ones cannot be used, the old
// ones stay.
type certificate struct {
	certFile, keyFile string       // static
	log               *slog.Logger // static

	mu      sync.Mutex
	pair    *tls.Certificate // guarded by mu, like all below
	looked  time.Time
	written [2]stamp // of the files last tried
}

// A stamp tells one state of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	written, err := c.stamps()
	if err == nil {
		err = c.loadLocked(written)
	}
	if err != nil {
		return nil, fmt.Errorf("tls_cert=%q and tls_key=%q cannot be used: %w; give a certificate chain and its private key in PEM form", certFile, keyFile, err)
	}
	return c, nil
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= time.Second {
		c.looked = time.Now()
		if written, err := c.stamps(); err != nil || written != c.written {
			if err == nil {
				err = c.loadLocked(written)
			}
			if err != nil {
				c.log.Error("the certificate cannot be reloaded; the old one stays in use", "error", err)
			} else {
				c.log.Info("certificate reloaded", "path", c.certFile)
			}
		}
	}
	return c.pair, nil
}

func (c *certificate) loadLocked(written [2]stamp) error {
	c.written = written
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

func (c *certificate) stamps() (written [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		var info fs.FileInfo
		if info, err = os.Stat(name); err != nil {
			return written, err
		}
		written[i] = stamp{info.ModTime(), info.Size()}
	}
	return written, nil
}
