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

	mu     sync.Mutex
	pair   *tls.Certificate // guarded by mu, like all below
	looked time.Time
	tried  [2]fs.FileInfo // the files last tried
}

func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	found, err := c.find()
	if err == nil {
		err = c.loadLocked(found)
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
		if found, err := c.find(); err != nil || !unchanged(found[0], c.tried[0]) || !unchanged(found[1], c.tried[1]) {
			if err == nil {
				err = c.loadLocked(found)
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

func (c *certificate) loadLocked(found [2]fs.FileInfo) error {
	c.tried = found
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

func (c *certificate) find() (found [2]fs.FileInfo, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if found[i], err = os.Stat(name); err != nil {
			return found, err
		}
	}
	return found, nil
}

// unchanged tells whether two looks found the same file in the same state.
func unchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
