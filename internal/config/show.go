package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// YAML writes a configuration so that [Read] reads the same again.
func (c Config) YAML() []byte {
	var out strings.Builder
	write(&out, reflect.ValueOf(c), "")
	return []byte(out.String())
}

// write writes the settings of a struct, each on lines that begin with indent.
func write(out *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		key, f := indent+name(v.Type().Field(i))+":", v.Field(i)
		switch {
		case f.Kind() == reflect.Struct:
			out.WriteString(key + "\n")
			write(out, f, indent+"  ")
		case f.Kind() == reflect.Slice && f.Len() > 0:
			out.WriteString(key + "\n")
			for j := range f.Len() {
				writeElement(out, f.Index(j), indent+"  ")
			}
		case f.Kind() == reflect.Slice:
			out.WriteString(key + " []\n")
		default:
			out.WriteString(key + " " + text(f) + "\n")
		}
	}
}

func writeElement(out *strings.Builder, v reflect.Value, indent string) {
	if v.Kind() != reflect.Struct {
		out.WriteString(indent + "- " + text(v) + "\n")
		return
	}
	var element strings.Builder
	write(&element, v, indent+"  ")
	out.WriteString(indent + "- " + strings.TrimPrefix(element.String(), indent+"  "))
}

// text writes one setting as YAML has it. Strings are quoted as in JSON, which YAML
// contains.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return FormatTime(x)
	case string:
		return strconv.QuoteToASCII(x)
	default:
		return fmt.Sprint(x)
	}
}

// Map gives the settings by their names, section in section, as [Config.YAML] has them.
func (c Config) Map() map[string]any { return toMap(reflect.ValueOf(c)) }

func toMap(v reflect.Value) map[string]any {
	out := map[string]any{}
	for i := range v.NumField() {
		out[name(v.Type().Field(i))] = toPlain(v.Field(i))
	}
	return out
}

func toPlain(v reflect.Value) any {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return text(v)
	case v.Kind() == reflect.Struct:
		return toMap(v)
	case v.Kind() == reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, toPlain(v.Index(i)))
		}
		return list
	}
	return v.Interface()
}
