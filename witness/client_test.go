package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/attestry/attestry/ledger"
)

func newPeer(t *testing.T, url string, w *Witness) *Peer {
	t.Helper()
	p, err := NewPeer(url, w.Key())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSubmit(t *testing.T) {
	l := newLog(t, origin).grow(7, "entry")
	w, _ := newWitness(t, l)
	p := newPeer(t, serve(t, w), w)
	// Whatever size the log thinks that the witness has.
	for i, old := range []uint64{99, 0, 3, 7, 600} {
		l.grow(i*50, "entry")
		line, err := p.Submit(t.Context(), l, l.signed(), old)
		if err != nil {
			t.Fatalf("old %d: %v", old, err)
		}
		cosigned, err := ledger.AddCosignatures(l.signed(), line)
		if err != nil || !p.Key.Cosigned(cosigned) {
			t.Errorf("%q, %v", line, err)
		}
	}
}

// TestSubmitBetrayed: what a log learns of a witness that saw another history.
func TestSubmitBetrayed(t *testing.T) {
	l := newLog(t, origin).grow(7, "entry")
	w, _ := newWitness(t, l)
	p := newPeer(t, serve(t, w), w)
	backup := l.fork()
	l.grow(5, "entry")
	if _, err := p.Submit(t.Context(), l, l.signed(), 0); err != nil {
		t.Fatal(err)
	}
	_, err := p.Submit(t.Context(), backup, backup.signed(), 7)
	if ahead, ok := errors.AsType[*AheadError](err); !ok || ahead.Seen != 12 || ahead.Have != 7 || !errors.Is(err, ErrBetrayed) {
		t.Errorf("an old copy: %v", err)
	}
	for name, n := range map[string]int{"the same size": 5, "larger": 9} {
		fork := backup.fork().grow(n, "other")
		for _, old := range []uint64{0, 7, 12, 99} {
			if _, err := p.Submit(t.Context(), fork, fork.signed(), old); !errors.Is(err, ErrBetrayed) {
				t.Errorf("%s, old %d: %v", name, old, err)
			}
		}
	}
}

// TestSubmitAnswers: what a witness may say that is no cosignature.
func TestSubmitAnswers(t *testing.T) {
	l := newLog(t, origin).grow(7, "entry")
	w, _ := newWitness(t, l)
	other, _ := newWitness(t, l)
	lineOf := func(w *Witness, c ledger.Checkpoint) string {
		line, err := w.cosign(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(line)
	}
	good := lineOf(w, l.checkpoint(7))
	cases := map[string]struct {
		status int
		sized  bool
		body   string
		want   error
	}{
		"cosigned":                  {200, false, good, nil},
		"with a stranger's":         {200, false, lineOf(other, l.checkpoint(7)) + good, nil},
		"a stranger's alone":        {200, false, lineOf(other, l.checkpoint(7)), ErrUnreachable},
		"of another size":           {200, false, lineOf(w, l.checkpoint(6)), ErrUnreachable},
		"nothing":                   {200, false, "", ErrUnreachable},
		"an endless answer":         {200, false, good + strings.Repeat("x", maxAnswerBytes), ErrUnreachable},
		"always another size":       {409, true, "3\n", ErrUnreachable},
		"a size that is none":       {409, true, "03\n", ErrUnreachable},
		"a size without newline":    {409, true, "3", ErrUnreachable},
		"a size above":              {409, true, "8\n", ErrBetrayed},
		"a conflict without a size": {409, false, "3\n", ErrUnreachable},
		"not followed":              {404, false, "no\n", ErrRefused},
		"an unknown key":            {403, false, "no\n", ErrRefused},
		"a proof that fails":        {422, false, "no\n", ErrBetrayed},
		"broken":                    {500, false, "no\n", ErrUnreachable},
		"moved":                     {307, false, "", ErrUnreachable},
	}
	for name, c := range cases {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if c.sized {
				rw.Header().Set("Content-Type", sizeType)
			}
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(c.status)
			_, _ = io.WriteString(rw, c.body)
		}))
		line, err := newPeer(t, s.URL, w).Submit(t.Context(), l, l.signed(), 0)
		if !errors.Is(err, c.want) || (line == good) != (c.want == nil) || (err != nil) != (c.want != nil) {
			t.Errorf("%s: %q, %v", name, line, err)
		}
		s.Close()
	}
}

func TestSubmitUnreachable(t *testing.T) {
	l := newLog(t, origin).grow(7, "entry")
	w, _ := newWitness(t, l)
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := newPeer(t, gone.URL, w).Submit(t.Context(), l, l.signed(), 0); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := newPeer(t, slow.URL, w).Submit(ctx, l, l.signed(), 0); !errors.Is(err, ErrUnreachable) || time.Since(start) > 5*time.Second {
		t.Errorf("no answer: %v after %s", err, time.Since(start))
	}
}

func TestNewPeer(t *testing.T) {
	w, _ := newWitness(t)
	for _, url := range []string{"https://witness.example", "http://127.0.0.1:1/prefix/", "https://witness.example:8443"} {
		if _, err := NewPeer(url, w.Key()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"", "witness.example", "ftp://witness.example", "https://", "https://u:p@witness.example", "https://w.example?q", "https://w.example#f", "mailto:w"} {
		if _, err := NewPeer(url, w.Key()); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := NewPeer("https://witness.example", fmt.Sprint(w.Key(), "x")); !errors.Is(err, ledger.ErrBadKey) {
		t.Errorf("a bad key: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	l := newLog(f, origin).grow(7, "entry")
	w, _ := newWitness(f, l)
	key, err := ledger.ParseWitnessKey(w.Key())
	if err != nil {
		f.Fatal(err)
	}
	p, c := &Peer{Key: key}, l.checkpoint(7)
	line, err := w.cosign(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, false, line, uint64(0))
	f.Add(409, true, []byte("3\n"), uint64(0))
	f.Add(409, true, []byte("99\n"), uint64(7))
	f.Add(422, false, []byte("no"), uint64(3))
	f.Fuzz(func(t *testing.T, status int, sized bool, body []byte, old uint64) {
		line, seen, err := p.read(&answer{status, sized, body}, c, old)
		switch {
		case err != nil && (line != "" || !errors.Is(err, ErrBetrayed) && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrUnreachable)):
			t.Fatalf("%q, %v", line, err)
		case err == nil && line == "" && seen > c.Size:
			t.Fatalf("size %d goes on", seen)
		case line != "":
			if cosigned, err := ledger.AddCosignatures(l.signed(), line); err != nil || !key.Cosigned(cosigned) {
				t.Fatalf("%q, %v", line, err)
			}
		}
	})
}
