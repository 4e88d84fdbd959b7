package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"channelserver/client"
)

// Two members pair. Each would be a program of its own.
func Example() {
	url, stop := startServer() // such as wss://channels.example
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var dialer client.Dialer
	first, err := dialer.Create(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	if _, err := first.Send(ctx, "Who is there?"); err != nil { // it waits for whoever joins
		log.Fatal(err)
	}

	second, err := dialer.Join(ctx, first.Link())
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	for {
		event, err := second.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case client.Joined:
			fmt.Printf("member %d is here\n", e.Member)
		case client.Message:
			fmt.Printf("member %d says: %s\n", e.From, e.Text)
			if err := second.Leave(ctx); err != nil { // which acknowledges the message
				log.Fatal(err)
			}
			return
		}
	}
	// Output:
	// member 1 is here
	// member 1 says: Who is there?
}
