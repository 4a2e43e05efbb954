package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// name gives a field's name in the file, and in paths.
func name(f reflect.StructField) string { return f.Tag.Get("yaml") }

// fieldNames lists the names of a struct's fields.
func fieldNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		names = append(names, name(t.Field(i)))
	}
	return names
}

// fieldByName gives the field of a struct that has a name.
func fieldByName(v reflect.Value, wanted string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if name(v.Type().Field(i)) == wanted {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// eachText visits every setting that is one text, by its path. Lists are not.
func eachText(path string, v reflect.Value, visit func(path string, v reflect.Value) error) error {
	switch v.Kind() {
	case reflect.Slice:
		return nil
	case reflect.Struct:
		for i := range v.NumField() {
			if err := eachText(join(path, name(v.Type().Field(i))), v.Field(i), visit); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(path, v)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// setText gives a setting the value that a text says.
func setText(v reflect.Value, text string) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a time such as 30s, 5m or 12h", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(x)
	default:
		return fmt.Errorf("a setting of type %s, which cannot be read", v.Type())
	}
	return nil
}

// Variable gives the environment variable of a setting.
func Variable(path string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

const variablePrefix = "ATTESTRY_"

// FormatTime writes a time as briefly as it can be read: 12h and not 12h0m0s.
func FormatTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
