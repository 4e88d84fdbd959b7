// Command chat is a relay as the usual example of a chat with gorilla/websocket has it, for servers to be
// compared with: one hub in a goroutine of its own, two goroutines for each connection, one that reads and
// one that writes what comes through a channel and pings, buffers of the default sizes, encoding/json. It
// speaks version 1 of the protocol (docs/protocol.md sections 1 and 2) without limits or defences: it is for
// the loopback interface, where it listens.
//
// It prints where it listens. At SIGUSR2 it collects garbage, and prints that it has.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go collect()
	fmt.Printf("listening on %s\n", listener.Addr())
	h := newHub()
	go h.run()
	fail(http.Serve(listener, http.HandlerFunc(h.upgrade)))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "chat:", err)
	os.Exit(1)
}

func collect() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	for range asked {
		runtime.GC()
		runtime.GC()
		fmt.Println("collected")
	}
}
