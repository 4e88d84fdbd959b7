package encrypted_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"channelserver/client/encrypted"
)

// Two devices pair. Each would run a program of its own.
func Example() {
	url, stop := startServer() // such as https://pair.example
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	first, err := encrypted.Create(ctx, nil, url)
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	said := make(chan bool)
	go func() {
		for {
			event, err := first.Receive(ctx)
			if err != nil {
				log.Fatal(err)
			}
			if _, ok := event.(encrypted.Paired); ok { // and people have compared first.ShortString()
				break
			}
		}
		if _, err := first.SendText(ctx, "hello"); err != nil {
			log.Fatal(err)
		}
		close(said)
	}()

	second, err := encrypted.Join(ctx, nil, first.Link()) // from a QR code
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
		case encrypted.Paired:
			fmt.Println("the short strings are the same:", e.ShortString == first.ShortString())
		case encrypted.Message:
			fmt.Printf("the other says: %s\n", e.Data)
			<-said
			return
		}
	}
	// Output:
	// the short strings are the same: true
	// the other says: hello
}
