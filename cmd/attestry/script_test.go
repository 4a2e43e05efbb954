package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/attestry/attestry/verifier"
	"github.com/attestry/attestry/workspace"
)

// TestScripts runs the sessions of testdata. Each starts in a directory with its
// own files and a fresh workspace, attestry-data. Beside testscript's commands they
// have:
//
//	exits CODE PROGRAM ARGS…   runs a program, which must give this exit code
//	keys FILE|stdout KEY…      the JSON object has exactly these members
//	flip FILE OFFSET           changes one byte of a file
//	flipbit FILE TEXT          changes one bit wherever a file has this text
//	mode FILE PERMISSIONS      the file has these permissions
//	hold DIR                   keeps the workspace open until the session ends
//	tagged FILE PUBLIC         puts a holder's tag in the place of TAG
//	sealed NAME KEY PUBLIC OUT [FLAG…]  seals a record to a holder's recipient
//	circuits DIR TO            copies a workspace's proving keys
//	rename FROM TO             renames a file or directory
//	requirelogged TRUST TO     writes a trust file that wants every proof logged
//	requiregrants TRUST TO     writes a trust file that wants a grant for every proof
//	start NAME [VAR=VALUE…] PROGRAM ARGS…  runs a server until the session ends: its address is in
//	                           the variable NAME, that of its private listener in
//	                           NAME_private, what it logs in the file NAME.log
//	get STATUS URL FILE        asks a server, and writes what it answers into a file
//	getas KEY STATUS URL FILE  get with an API key
//	holds DIR TEXT             a file in the directory has this text, or what it is the hexadecimal of
//	interrupt NAME             interrupts it, and waits
//	crash NAME                 kills it, and waits
//	unpack FILE.tar.gz         unpacks a file of testdata
//	copydir FROM TO            copies a directory, as a backup does
//	subst FILE OLD NEW         replaces a text in a file
//	pick VAR FILE|stdout RE    sets a variable to what the expression's group matches
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[backgroundKey{}] = background{}
			return copyTemplate(env.WorkDir + "/attestry-data")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "keys": keys, "flip": flip, "flipbit": flipBit, "mode": mode, "hold": hold,
			"tagged": tagged, "sealed": sealed, "circuits": copyCircuits, "rename": rename, "requirelogged": requireLogged, "requiregrants": requireGrants,
			"start": start, "interrupt": interrupt, "crash": crash, "unpack": unpack, "copydir": copyDir, "pick": pick, "subst": subst,
			"get": getURL, "getas": getAs, "holds": holds,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

func keys(ts *testscript.TestScript, _ bool, args []string) {
	var object map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	got, want := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[1:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("the members are %q, not %q", got, want)
	}
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	if offset >= len(data) {
		ts.Fatalf("%s has %d bytes", args[0], len(data))
	}
	data[offset] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

func flipBit(ts *testscript.TestScript, _ bool, args []string) {
	data := []byte(ts.ReadFile(args[0]))
	changed := bytes.ToLower([]byte(args[1]))
	changed[len(changed)-2] ^= 1
	if !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("%s does not have %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(data, []byte(args[1]), changed), 0o600))
}

func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	if got := info.Mode().Perm(); got != os.FileMode(want) {
		ts.Fatalf("the permissions are %o, not %o", got, want)
	}
}

func hold(ts *testscript.TestScript, _ bool, args []string) {
	w, err := workspace.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = w.Close() })
}

// pick sets a variable to what the first group of a regular expression matches.
func pick(ts *testscript.TestScript, _ bool, args []string) {
	re, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	match := re.FindStringSubmatch(ts.ReadFile(args[1]))
	if match == nil {
		ts.Fatalf("%s does not match %s", args[1], args[2])
	}
	ts.Setenv(args[0], match[1])
}

// subst replaces a text in a file.
func subst(ts *testscript.TestScript, _ bool, args []string) {
	content := strings.ReplaceAll(ts.ReadFile(args[0]), args[1], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// holds looks for a text, and for the bytes that it is the hexadecimal of, in all files of a
// directory.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	wanted := [][]byte{[]byte(args[1])}
	if raw, err := hex.DecodeString(args[1]); err == nil {
		wanted = append(wanted, raw)
	}
	var in string
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if slices.ContainsFunc(wanted, func(w []byte) bool { return bytes.Contains(content, w) }) {
			in = path
		}
		return err
	}))
	if found := in != ""; found == neg {
		ts.Fatalf("%s is held by %q", args[1], in)
	}
}

// tagged puts the tag of a holder's public part in the place of TAG in a file.
func tagged(ts *testscript.TestScript, _ bool, args []string) {
	public := readPublic(ts, args[1])
	content := strings.Replace(ts.ReadFile(args[0]), "TAG", public.Tag.String(), 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// sealed runs record open for the recipient of a holder's public part.
func sealed(ts *testscript.TestScript, _ bool, args []string) {
	public := readPublic(ts, args[2])
	ts.Check(ts.Exec("attestry", append([]string{"record", "open", args[0], args[1], "--to", public.Recipient, "-o", args[3]}, args[4:]...)...))
}

func readPublic(ts *testscript.TestScript, name string) (public holderPublic) {
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &public))
	return public
}

// copyCircuits copies a workspace's proving keys.
func copyCircuits(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]+"/circuits"))))
}

func rename(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.Rename(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
}

// requireLogged writes a trust file that wants every proof logged.
func requireLogged(ts *testscript.TestScript, _ bool, args []string) {
	changeTrust(ts, args, func(trust *verifier.Trust) { trust.RequireLogged = true })
}

// requireGrants writes a trust file that wants a grant for every proof.
func requireGrants(ts *testscript.TestScript, _ bool, args []string) {
	changeTrust(ts, args, func(trust *verifier.Trust) { trust.RequireGrants = true })
}

func changeTrust(ts *testscript.TestScript, args []string, change func(*verifier.Trust)) {
	trust, err := verifier.ParseTrust([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	change(trust)
	document, err := trust.Marshal()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), document, 0o600))
}

// unpack unpacks a file of testdata where the session is.
func unpack(ts *testscript.TestScript, _ bool, args []string) {
	packed, err := os.Open("testdata/" + args[0])
	ts.Check(err)
	defer func() { _ = packed.Close() }() // only read
	z, err := gzip.NewReader(packed)
	ts.Check(err)
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		if h.FileInfo().IsDir() {
			ts.Check(os.MkdirAll(ts.MkAbs(h.Name), 0o700))
			continue
		}
		content, err := io.ReadAll(t)
		ts.Check(err)
		ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(h.Name)), 0o700))
		ts.Check(os.WriteFile(ts.MkAbs(h.Name), content, h.FileInfo().Mode().Perm()))
	}
}
