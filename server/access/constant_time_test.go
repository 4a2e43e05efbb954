package access

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// sources parses the package without its tests.
func sources(t *testing.T) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// called names the function of a call: f or package.f.
func called(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// mentions tells whether a proof or a secret's hash is in an expression.
func mentions(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Proof" || s.Sel.Name == "hash") {
			found = true
		}
		return !found
	})
	return found
}

// isLength tells a check of a length.
func isLength(n ast.Expr) bool { return called(n) == "len" }

// Secrets are compared in constant time and in one place, which every API key comes to,
// known or not, before anything is said of it.
func TestSecretsAreComparedInOnePlace(t *testing.T) {
	calls := map[string][]string{} // of a function, the calls in its body in order
	for _, file := range sources(t) {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if name := called(n); name != "" {
					calls[f.Name.Name] = append(calls[f.Name.Name], name)
				}
				b, ok := n.(*ast.BinaryExpr)
				if ok && (b.Op == token.EQL || b.Op == token.NEQ) && (mentions(b.X) && !isLength(b.X) || mentions(b.Y) && !isLength(b.Y)) {
					t.Errorf("%s compares a proof or a hash with %s", f.Name.Name, b.Op)
				}
				return true
			})
		}
	}
	for function, made := range calls {
		for _, call := range made {
			if call == "bytes.Equal" || call == "bytes.Compare" || call == "strings.EqualFold" && function != "bearer" && function != "resemblesRegistered" || call == "reflect.DeepEqual" {
				t.Errorf("%s compares by %s", function, call)
			}
			if call == "sameSecret" && function != "byToken" || call == "subtle.ConstantTimeCompare" && function != "sameSecret" {
				t.Errorf("%s calls %s", function, call)
			}
		}
	}
	if got := strings.Join(calls["sameSecret"], " "); strings.Count(got, "subtle.ConstantTimeCompare") != 1 {
		t.Errorf("sameSecret calls %s", got)
	}
	path := strings.Join(calls["byToken"], " ")
	found, compared, admitted := strings.Index(path, "findRecord"), strings.Index(path, "sameSecret"), strings.Index(path, "a.admit")
	if strings.Count(path, "sameSecret") != 1 || found < 0 || compared < found || admitted < compared {
		t.Errorf("byToken calls %s", path)
	}
	if len(nobodysProof) != 64 {
		t.Errorf("what an unknown key is compared with has %d characters", len(nobodysProof))
	}
}

// What no key is compared with is the proof of none: who knew a secret of it would still
// not be let in, since the key is not there.
func TestUnknownKeyIsNobody(t *testing.T) {
	d, _ := newDirectory(t)
	a := newAuthenticator(t, d)
	newOrganisation(t, d, "bank-a", RoleBank)
	for _, id := range []string{"aaaaaaaaaaaaaaaa", "2222222222222222"} {
		if p, err := a.Authenticate(withToken("Bearer " + formatToken(id, secret{}))); err != ErrBadCredential || p != nil {
			t.Errorf("%s: %+v, %v", id, p, err)
		}
	}
}
