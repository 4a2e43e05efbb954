package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ErrBad is wrapped by every error that a configuration caused.
var ErrBad = errors.New("bad configuration")

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// reading is a configuration that is being read.
type reading struct {
	Config
	file   string
	places map[string]string // of the settings that somebody has set, by their paths
}

// Read reads a configuration: the file of this name, or none where it is empty, over that
// the variables of an environment, and over these the settings of the command line, by
// their paths. It fails with [ErrBad] and the place of everything that is wrong.
func Read(file string, environ []string, flags map[string]string) (Config, error) {
	r := &reading{Default(), file, map[string]string{}}
	if file != "" {
		data, err := readFile(file)
		if err != nil {
			return r.Config, err
		}
		if err := r.readYAML(data); err != nil {
			return r.Config, err
		}
	}
	if err := r.override(environ, flags); err != nil {
		return r.Config, err
	}
	return r.Config, r.check()
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%w: %s is over %d bytes", ErrBad, file, maxFile)
	}
	return data, err
}

// override takes the settings that are one text from the command line, else from the
// environment.
func (r *reading) override(environ []string, flags map[string]string) error {
	values := map[string]string{}
	for _, line := range environ {
		if variable, value, ok := strings.Cut(line, "="); ok && value != "" {
			values[variable] = value
		}
	}
	return eachText("", reflect.ValueOf(&r.Config).Elem(), func(path string, v reflect.Value) error {
		text, ok := flags[path]
		place := "--" + strings.NewReplacer("_", "-", ".", "-").Replace(path)
		if !ok {
			text, ok = values[Variable(path)]
			place = Variable(path)
			if path == "trust" && !r.VerifyOnly { // the variable is that of other commands
				ok = false
			}
		}
		if !ok {
			return nil
		}
		if err := setText(v, text); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBad, place, err)
		}
		r.places[path] = place
		return nil
	})
}

// Strangers gives the variables of an environment that look like a setting's and are none,
// nor one that attestry knows otherwise.
func Strangers(environ []string, known ...string) (names []string) {
	_ = eachText("", reflect.ValueOf(new(Config)).Elem(), func(path string, _ reflect.Value) error {
		known = append(known, Variable(path))
		return nil
	})
	for _, line := range environ {
		variable, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(variable, variablePrefix) && !slices.Contains(known, variable) {
			names = append(names, variable)
		}
	}
	slices.Sort(names)
	return names
}

// readYAML reads a file's content. It is read by its syntax tree, and not by the YAML
// package's decoder, so that every setting has a place to be named by later, and so that
// nothing is taken for what it does not say: no aliases, no nulls, no tags.
func (r *reading) readYAML(data []byte) error {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return r.syntaxError(err)
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil // nothing but comments
	case 1:
		return r.node("", reflect.ValueOf(&r.Config).Elem(), bodies[0])
	}
	return r.bad(bodies[1], "a second document")
}

// syntaxError gives what the YAML package says of a file in one line, after the place.
func (r *reading) syntaxError(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n") // a picture of the source follows
	at, what, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
	if !ok || !strings.HasPrefix(line, "[") {
		return fmt.Errorf("%w: %s: %s", ErrBad, r.file, line)
	}
	return fmt.Errorf("%w: %s:%s: %s", ErrBad, r.file, at, what)
}

func (r *reading) place(n ast.Node) string {
	switch m := n.(type) { // whose own token is a colon or a brace
	case *ast.MappingValueNode:
		n = m.Key
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d:%d", r.file, t.Position.Line, t.Position.Column)
	}
	return r.file
}

func (r *reading) bad(n ast.Node, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrBad, r.place(n), fmt.Sprintf(format, args...))
}

// node reads what stands at a path.
func (r *reading) node(path string, v reflect.Value, n ast.Node) error {
	switch v.Kind() {
	case reflect.Struct:
		return r.mapping(path, v, n)
	case reflect.Slice:
		return r.sequence(path, v, n)
	}
	text, ok := scalar(n)
	if !ok {
		return r.bad(n, "%s is to be one plain value", path)
	}
	if err := setText(v, text); err != nil {
		return r.bad(n, "%s: %v", path, err)
	}
	r.places[path] = r.place(n) + ": " + path
	return nil
}

// scalar gives the text of a plain value, as it is spelled.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (r *reading) mapping(path string, v reflect.Value, n ast.Node) error {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return r.bad(n, "%s is to have settings below it: %s", cmp.Or(path, "the document"), strings.Join(fieldNames(v.Type()), ", "))
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		key, ok := pair.Key.(*ast.StringNode)
		if !ok {
			return r.bad(pair.Key, "a setting's name is to be a plain word")
		}
		field, ok := fieldByName(v, key.Value)
		if !ok {
			return r.bad(key, "no such setting: %s (known are %s)", join(path, key.Value), strings.Join(fieldNames(v.Type()), ", "))
		}
		if seen[key.Value] {
			return r.bad(key, "%s twice", join(path, key.Value))
		}
		seen[key.Value] = true
		if err := r.node(join(path, key.Value), field, pair.Value); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) sequence(path string, v reflect.Value, n ast.Node) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return r.bad(n, "%s is to be a list", path)
	}
	if len(list.Values) == 0 { // as if it were not there
		v.SetZero()
		return nil
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, element := range list.Values {
		if err := r.node(fmt.Sprintf("%s[%d]", path, i), v.Index(i), element); err != nil {
			return err
		}
	}
	return nil
}
