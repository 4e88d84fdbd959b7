package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	path        = "/v1/ws/"
	maxMessage  = 1 << 16          // octets
	writeWait   = 10 * time.Second // for a peer to take a frame
	pongWait    = 10 * time.Minute // for a peer to answer a ping; as the servers beside are told
	pingEvery   = time.Minute
	sendsQueued = 256
)

// A member is a connection in a channel.
type member struct {
	hub    *hub
	conn   *websocket.Conn
	id     string // of the channel
	sender sender
	send   chan []byte // frames for the peer; closed by the hub
}

// A sender is what the others are told about a member.
type sender struct {
	UserAgent string `json:"ua,omitempty"`
	Remote    string `json:"remote,omitempty"`
}

type envelope struct {
	Message string `json:"message"`
	Sender  sender `json:"sender"`
}

type greeting struct {
	Link      string `json:"link"`
	ChannelID string `json:"channelid"`
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func (h *hub) upgrade(w http.ResponseWriter, r *http.Request) {
	id, found := strings.CutPrefix(r.URL.Path, path)
	if !found {
		http.NotFound(w, r)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // which it has answered
	}
	if id == "" {
		var octets [16]byte
		rand.Read(octets[:])
		id = base64.RawURLEncoding.EncodeToString(octets[:])
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	m := &member{hub: h, conn: conn, id: id, sender: sender{r.UserAgent(), host}, send: make(chan []byte, sendsQueued)}
	text, _ := json.Marshal(greeting{path + id, id})
	m.send <- text
	h.join <- m
	go m.write()
	go m.read()
}

// read hands what the peer sends to the hub.
func (m *member) read() {
	defer func() {
		m.hub.leave <- m
		m.conn.Close()
	}()
	m.conn.SetReadLimit(maxMessage)
	m.conn.SetReadDeadline(time.Now().Add(pongWait))
	m.conn.SetPongHandler(func(string) error { return m.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		_, text, err := m.conn.ReadMessage()
		if err != nil {
			return
		}
		frame, err := json.Marshal(envelope{string(bytes.TrimSpace(text)), m.sender})
		if err != nil {
			return
		}
		m.hub.messages <- message{m, frame}
	}
}

// write sends what the hub has for the peer, and pings.
func (m *member) write() {
	ticker := time.NewTicker(pingEvery)
	defer func() {
		ticker.Stop()
		m.conn.Close()
	}()
	for {
		select {
		case text, open := <-m.send:
			m.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !open {
				m.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			if err := m.conn.WriteMessage(websocket.TextMessage, text); err != nil {
				return
			}
		case <-ticker.C:
			m.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if err := m.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}
