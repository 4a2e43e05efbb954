// Package server answers attestry's HTTP interface: it verifies bundles and serves
// the log's checkpoint and tiles.
//
// [New] makes a [Server] of a [Config]; [Server.Serve] runs it on a listener until
// its context ends, and then lets requests in flight finish. [Server.Handler] is
// the same thing for a program that has its own HTTP server, which then owes it the
// timeouts that Serve sets.
//
//	s, err := server.New(server.Config{Trust: trust, Log: log, Logger: slog.Default()})
//	if err != nil {
//		return err
//	}
//	return s.Serve(ctx, listener)
//
// The interface is written down in api/openapi.yaml, from which the routing and the
// types are generated, and in docs/spec/http.md, which has the codes of all
// problems. A body is read once, held to its size, its media type and the document,
// and then given byte for byte to the strict parsers of the verifier; it is never
// stored or logged.
package server
