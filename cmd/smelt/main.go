// Command smelt looks at Core ML models, shrinks, compares and runs them.
//
// Every verb has a file of its own here. It reads its flags, calls the library
// and prints what came back, for people or as one JSON object; whatever would be
// of use without a command line may not enter.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
