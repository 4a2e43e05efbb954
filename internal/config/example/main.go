// Command example writes attestry.yaml, a configuration of all settings at their
// defaults, with the comments of the struct that they are read into.
package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/attestry/attestry/internal/config"
)

const head = `# The configuration of attestry serve (--config). Everything here says what is so
# anyway: a file needs only what differs. A setting that is one value can be given
# in the environment, too, which wins over this file: ATTESTRY_ and its path in
# capitals, such as ATTESTRY_QUEUE_WORKERS. Flags win over both.
#
# attestry config check FILE checks a file, attestry config show what counts.
`

func main() {
	docs, err := comments("config.go")
	if err == nil {
		err = os.WriteFile("attestry.yaml", []byte(head+render(docs, "Config", reflect.ValueOf(config.Default()), "")), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "example: error:", err)
		os.Exit(2)
	}
}

// comments reads a file's comments on struct types and their fields, by "Type" and
// "Type.Field".
func comments(file string) (map[string]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	docs := map[string]string{}
	for _, d := range parsed.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		for _, s := range general.Specs {
			spec := s.(*ast.TypeSpec)
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			docs[spec.Name.Name] = general.Doc.Text()
			for _, f := range structure.Fields.List {
				docs[spec.Name.Name+"."+f.Names[0].Name] = f.Doc.Text()
			}
		}
	}
	return docs, nil
}

// render writes a struct's settings.
func render(docs map[string]string, typeName string, v reflect.Value, indent string) string {
	var out strings.Builder
	for i := range v.NumField() {
		f := v.Type().Field(i)
		doc := cmp.Or(docs[typeName+"."+f.Name], about(docs[f.Type.Name()], f.Type.Name(), f.Tag.Get("yaml")))
		if i > 0 || indent == "" {
			out.WriteString("\n")
		}
		out.WriteString(comment(doc, indent))
		key := indent + f.Tag.Get("yaml") + ":"
		switch {
		case f.Type.Kind() == reflect.Struct:
			out.WriteString(key + "\n" + render(docs, f.Type.Name(), v.Field(i), indent+"  "))
		case f.Type.Kind() == reflect.Slice:
			out.WriteString(key + " []\n" + element(docs, f.Type.Elem(), indent+"  "))
		default:
			fmt.Fprintf(&out, "%s %s\n", key, value(v.Field(i)))
		}
	}
	return out.String()
}

// about turns a type's comment into its section's: it begins with the section's name.
func about(doc, typeName, section string) string {
	return strings.Replace(doc, typeName, section, 1)
}

// element shows, in a comment, what an element of a list has.
func element(docs map[string]string, t reflect.Type, indent string) string {
	if t.Kind() != reflect.Struct {
		return ""
	}
	text := render(docs, t.Name(), reflect.New(t).Elem(), "  ")
	text = "- " + strings.TrimSpace(strings.TrimLeft(text, "\n"))
	return comment(strings.ReplaceAll(text, "\n\n", "\n"), indent)
}

func comment(text, indent string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		out.WriteString(strings.TrimRight(indent+"# "+line, " ") + "\n")
	}
	return out.String()
}

// value writes a setting's value in YAML.
func value(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return config.FormatTime(x)
	case string:
		if x == "" {
			return `""`
		}
		return x
	default:
		return fmt.Sprint(x)
	}
}
