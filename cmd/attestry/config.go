package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/config"
)

type configCmds struct {
	Check   configCheckCmd   `cmd:"" help:"Check a configuration file."`
	Show    configShowCmd    `cmd:"" help:"Show the settings that count."`
	Example configExampleCmd `cmd:"" help:"Show a file of all settings, with what they mean."`
}

func (*configCmds) Help() string {
	return `Examples:

    attestry config example -o attestry.yaml
    attestry config check attestry.yaml
    attestry config show --config attestry.yaml`
}

type configCheckCmd struct {
	File string `arg:"" placeholder:"FILE" help:"The configuration file."`
}

func (*configCheckCmd) Help() string {
	return `Reads a configuration file as attestry serve does, under the environment's variables, and says everything that is wrong with it, with line and column: settings that there are none of, values out of bounds, settings that contradict each other, files that are missing, certificates that have expired or belong to another key. Exit code 2: serve would not start.

Examples:

    attestry config check /etc/attestry/attestry.yaml`
}

// configCheckResult is what config check says in JSON.
type configCheckResult struct {
	OK       bool     `json:"ok"`
	Warnings []string `json:"warnings"`
}

func (c *configCheckCmd) Run(env *cli.Env) error {
	settings, err := config.Read(c.File, os.Environ(), nil)
	if err == nil {
		err = checkFiles(settings)
	}
	if err == nil {
		_, err = openTLS(settings.TLS, nil)
	}
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(configCheckResult{true, append([]string{}, settings.Warnings()...)})
	}
	warnSettings(env, settings)
	return env.Print("%s is good", c.File)
}

// checkFiles looks for the files that a configuration names, and for private ones that
// others can read.
func checkFiles(c config.Config) error {
	var errs []error
	files := c.Files()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		info, err := os.Stat(files[path])
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%w: %s: %w", config.ErrBad, path, err))
		case !info.Mode().IsRegular():
			errs = append(errs, fmt.Errorf("%w: %s: %s is not a file", config.ErrBad, path, files[path]))
		case slices.Contains(config.PrivateFiles(), path) && info.Mode().Perm()&0o077 != 0:
			errs = append(errs, fmt.Errorf("%w: %s: others can read %s (%v): chmod 600", config.ErrBad, path, files[path], info.Mode().Perm()&fs.ModePerm))
		}
	}
	return errors.Join(errs...)
}

type configShowCmd struct {
	Config string `placeholder:"FILE" help:"A configuration file."`
}

func (*configShowCmd) Help() string {
	return `Shows the settings that attestry serve would go by, from the file, the environment and the defaults, as YAML that can be read again.

Examples:

    attestry config show
    ATTESTRY_LISTEN=:8080 attestry config show --config attestry.yaml`
}

func (c *configShowCmd) Run(env *cli.Env) error {
	settings, err := config.Read(c.Config, os.Environ(), nil)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(settings.Map())
	}
	_, err = env.Out.Write(settings.YAML())
	return err
}

type configExampleCmd struct {
	Out string `short:"o" default:"-" placeholder:"FILE" help:"Where to write it (${default}: standard output)."`
}

func (*configExampleCmd) Help() string {
	return `Shows a configuration file of all settings at their defaults, with what each of them means. A file of your own needs only what differs.

Examples:

    attestry config example -o attestry.yaml`
}

func (c *configExampleCmd) Run(env *cli.Env) error {
	return env.WriteFile(c.Out, config.Example, 0o644)
}
