package verifycmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/statement"
	"github.com/attestry/attestry/verifier"
)

// errByteOrderMark says why a document is not even looked into.
var errByteOrderMark = errors.New("starts with a byte-order mark: save it without one")

// document is a kind of document, as people call it.
type document struct{ format, name string }

var (
	bundleDocument   = document{verifier.BundleFormat, "a bundle"}
	trustDocument    = document{verifier.TrustFormat, "a trust file"}
	openingsDocument = document{verifier.OpeningsFormat, "an openings file"}
	requestDocument  = document{statement.RequestFormat, "a request"}
	receiptDocument  = document{verifier.ReceiptFormat, "a receipt"}
)

// ReadBundle reads a bundle from a file or from standard input. Like the other
// readers it names the file in its errors, and another document for what it is.
func ReadBundle(env *cli.Env, name string) (*verifier.Bundle, error) {
	return read(env, name, bundleDocument, verifier.ParseBundle)
}

// ReadTrust reads a trust file.
func ReadTrust(env *cli.Env, name string) (*verifier.Trust, error) {
	return read(env, name, trustDocument, verifier.ParseTrust)
}

// ReadOpenings reads an openings file.
func ReadOpenings(env *cli.Env, name string) (*verifier.Openings, error) {
	return read(env, name, openingsDocument, verifier.ParseOpenings)
}

// ReadReceipt reads a receipt.
func ReadReceipt(env *cli.Env, name string) (*verifier.Receipt, error) {
	return read(env, name, receiptDocument, verifier.ParseReceipt)
}

// ReadRequest reads a request in YAML or JSON.
func ReadRequest(env *cli.Env, name string) (*statement.Request, error) {
	return read(env, name, requestDocument, statement.ParseRequest)
}

func read[T any](env *cli.Env, name string, want document, parse func([]byte) (T, error)) (parsed T, err error) {
	data, err := env.ReadFile(name)
	if err != nil {
		return parsed, err
	}
	if got, ok := documentOf(data); ok && got != want {
		return parsed, fmt.Errorf("%s is %s, where %s is expected", cli.FileName(name), got.name, want.name)
	}
	if want != requestDocument && bytes.HasPrefix(data, []byte("\ufeff")) { // which editors of YAML write
		return parsed, fmt.Errorf("%s %w", cli.FileName(name), errByteOrderMark)
	}
	if parsed, err = parse(data); err != nil {
		err = fmt.Errorf("%s: %w", cli.FileName(name), err)
	}
	return parsed, err
}

// documentOf tells which document of attestry a file is, if it says so itself.
func documentOf(data []byte) (document, bool) {
	var head struct {
		Format string `json:"format"`
	}
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &head) != nil {
		return document{}, false
	}
	for _, d := range []document{bundleDocument, trustDocument, openingsDocument, requestDocument, receiptDocument} {
		if head.Format == d.format {
			return d, true
		}
	}
	return document{}, false
}
