package server_test

import (
	"context"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"

	"github.com/attestry/attestry/server"
	"github.com/attestry/attestry/verifier"
)

// A server that only verifies, until it is interrupted.
func Example() {
	document, err := os.ReadFile("trust.json")
	if err != nil {
		log.Fatal(err)
	}
	trust, err := verifier.ParseTrust(document)
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.New(server.Config{Trust: trust, Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.Serve(ctx, listener); err != nil {
		log.Print(err)
	}
}
