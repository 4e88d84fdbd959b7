// Command channelctl is the terminal's side of channelserver: channelctl pair pairs this terminal with another
// device, load measures what a server carries and what that costs, and soak strains it with good and bad clients
// together. Each tells more with --help.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program itself
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage: channelctl <command> [options]

commands:
  pair   pair this terminal with another device, encrypted end to end
  load   put a load on a server, and measure what it carries and what it costs
  soak   strain a server with good and bad clients, and count what is lost

channelctl <command> --help tells more.
`

// run does what the arguments say and returns the exit status: 0 when all went well, 1 when it did
// not, 2 when the arguments are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "load":
		return runLoad(ctx, args[1:], stdout, stderr)
	case "pair":
		return runPair(ctx, args[1:], streams{os.Stdin, stdout, stderr, openTerminal})
	case "soak":
		return runSoak(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "channelctl: there is no command %q\n%s", args[0], usage)
	return 2
}
