package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checking gathers what is wrong with a configuration.
type checking struct {
	*reading
	errs []error
}

// wrong notes that a setting is wrong, with the place where it was set.
func (c *checking) wrong(path, format string, args ...any) {
	place, ok := c.places[path]
	if !ok {
		place = path
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s", place, fmt.Sprintf(format, args...)))
}

// check holds the settings to their bounds and to each other.
func (r *reading) check() error {
	c := &checking{reading: r}
	c.listeners()
	c.tls()
	for i, p := range r.Auth.OIDC {
		c.oidc(i, p)
	}
	c.queue()
	c.rest()
	if len(c.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBad, errors.Join(c.errs...))
}

func (c *checking) listeners() {
	c.address("listen", c.Listen)
	for i, text := range c.TrustedProxies {
		if _, err := proxy(text); err != nil {
			c.wrong(fmt.Sprintf("trusted_proxies[%d]", i), "%v", err)
		}
	}
	if c.Private.Listen != "" {
		c.address("private.listen", c.Private.Listen)
		if c.Private.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			c.wrong("private.listen", "the same as listen: what is private would be public")
		}
	} else if c.Private.Pprof {
		c.wrong("private.pprof", "there is no private.listen to serve it")
	}
}

func (c *checking) address(path, address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		c.wrong(path, "%q is not host:port, such as 127.0.0.1:8080 or :8443", address)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		c.wrong(path, "%q is not a port from 0 to 65535", port)
	}
}

// proxy reads an address or a network.
func proxy(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && !a.Is4In6() {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, fmt.Errorf("%q is no address or network such as 10.0.0.7 or 10.1.0.0/16", text)
	case p.Bits() == 0:
		return p, fmt.Errorf("%s is everybody: then anybody can be any address", text)
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits beyond its length: is %s meant?", text, p.Masked())
	}
	return p, nil
}

// Proxies gives the networks of the trusted proxies.
func (c Config) Proxies() (all []netip.Prefix) {
	for _, text := range c.TrustedProxies {
		if p, err := proxy(text); err == nil { // as was checked
			all = append(all, p)
		}
	}
	return all
}

func (c *checking) tls() {
	switch {
	case c.TLS.Cert == "" && c.TLS.Key != "":
		c.wrong("tls.key", "there is no tls.cert that it belongs to")
	case c.TLS.Cert != "" && c.TLS.Key == "":
		c.wrong("tls.cert", "there is no tls.key that belongs to it")
	case c.TLS.Cert == "" && c.TLS.ClientCA != "":
		c.wrong("tls.client_ca", "clients show certificates over TLS alone, and there is no tls.cert")
	}
}

func (c *checking) oidc(i int, p OIDC) {
	path := fmt.Sprintf("auth.oidc[%d]", i)
	c.url(path+".issuer", p.Issuer)
	if p.Audience == "" {
		c.wrong(path+".audience", "it is needed: else tokens for others would be taken")
	}
	if p.OrganisationClaim == "" {
		c.wrong(path+".organisation_claim", "it is needed: which claim names the organisation?")
	}
	for j, id := range p.Organisations {
		if !isOrganisation(id) || slices.Contains(p.Organisations[:j], id) {
			c.wrong(fmt.Sprintf("%s.organisations[%d]", path, j), "%q is no organisation's id, or named twice", id)
		}
	}
	if slices.ContainsFunc(c.Auth.OIDC[:i], func(o OIDC) bool { return o.Issuer == p.Issuer }) {
		c.wrong(path+".issuer", "twice")
	}
}

// isOrganisation tells whether a text has the form of an organisation's id.
func isOrganisation(id string) bool {
	return regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`).MatchString(id)
}

// url wants one that nobody on the way can change: https, but to this machine itself.
func (c *checking) url(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.wrong(path, "it is not a URL such as https://id.example/realm")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		c.wrong(path, "it is not an https URL (http is for this machine alone)")
	}
}

// isLoopback tells a name or address of this machine itself.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func (c *checking) queue() {
	q := c.Queue
	c.least("queue.workers", q.Workers, 0)
	c.least("queue.jobs", q.Jobs, 1)
	c.least("queue.jobs_per_organisation", q.JobsPerOrganisation, 1)
	c.least("queue.attempts", q.Attempts, 1)
	if q.JobsPerOrganisation > q.Jobs {
		c.wrong("queue.jobs_per_organisation", "more than queue.jobs, so one organisation could fill the queue")
	}
	if q.Deadline < 0 {
		c.wrong("queue.deadline", "a negative time")
	}
	if q.Backoff <= 0 {
		c.wrong("queue.backoff", "it is to be more than nothing: else a failing job is run without pause")
	}
	if q.MaxBackoff < q.Backoff {
		c.wrong("queue.max_backoff", "less than queue.backoff")
	}
	if q.Retain <= 0 {
		c.wrong("queue.retain", "it is to be more than nothing: else nobody could learn how a job ended")
	}
}

// rest checks the sections of a setting or two.
func (c *checking) rest() {
	c.oneOf("answer.automatic", c.Answer.Automatic, AnswerGranted, AnswerAll, AnswerNone)
	c.oneOf("log.format", c.Log.Format, FormatText, FormatJSON)
	c.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	c.least("budget.questions", c.Budget.Questions, 0)
	c.least("budget.registry_questions", c.Budget.RegistryQuestions, 0)
	c.least("webhooks.attempts", c.Webhooks.Attempts, 1)
	c.least("limits.connections", c.Limits.Connections, 1)
	c.least("limits.verifications", c.Limits.Verifications, 0)
	c.least("limits.body_mib", c.Limits.BodyMiB, 8)
	if w := c.Limits.Waste; !(w >= 0 && w <= 1) {
		c.wrong("limits.waste", "it is not from 0 to 1")
	}
	c.least("limits.free_disk_mib", c.Limits.FreeDiskMiB, 0)
	if c.Budget.Window < time.Minute {
		c.wrong("budget.window", "it is to be a minute or more")
	}
	if c.Webhooks.Timeout <= 0 {
		c.wrong("webhooks.timeout", "it is to be more than nothing")
	}
	if c.Drain.Delay < 0 {
		c.wrong("drain.delay", "a negative time")
	}
	if c.Drain.Timeout <= 0 {
		c.wrong("drain.timeout", "it is to be more than nothing: requests in progress would be cut off")
	}
	if c.Tracing.Endpoint != "" {
		c.url("tracing.endpoint", c.Tracing.Endpoint)
	}
	if s := c.Tracing.Sample; !(s >= 0 && s <= 1) {
		c.wrong("tracing.sample", "it is not from 0 to 1")
	}
	c.atRest()
}

func (c *checking) atRest() {
	var named []string
	for path, given := range map[string]bool{
		"at_rest.file": c.AtRest.File != "", "at_rest.env": c.AtRest.Env != "", "at_rest.command": len(c.AtRest.Command) > 0,
	} {
		if given {
			named = append(named, path)
		}
	}
	if slices.Sort(named); len(named) > 1 {
		c.wrong(named[1], "there is %s as well: name one source", named[0])
	}
}

func (c *checking) least(path string, n, least int) {
	if n < least {
		c.wrong(path, "%d is less than %d", n, least)
	}
}

func (c *checking) oneOf(path, value string, values ...string) {
	if !slices.Contains(values, value) {
		c.wrong(path, "%q is none of %s", value, strings.Join(values, ", "))
	}
}

// Warnings says what is possible and seldom meant.
func (c Config) Warnings() (warnings []string) {
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !isLoopback(host) && c.TLS.Cert == "" {
		warnings = append(warnings, "listen: others can reach "+c.Listen+", where credentials and answers travel in the clear: set tls, or put a proxy that speaks TLS before it")
	}
	if host, _, err := net.SplitHostPort(c.Private.Listen); err == nil && !isLoopback(host) {
		warnings = append(warnings, "private.listen: others can reach "+c.Private.Listen+", which asks for no credential")
	}
	if c.Answer.Automatic == AnswerAll && c.Budget.Questions == 0 {
		warnings = append(warnings, "answer.automatic is all and budget.questions is 0: any bank can find out any hidden value by halving")
	}
	if c.AtRest.Env != "" {
		warnings = append(warnings, "at_rest.env: other processes of the same user can read the variable; a file of mode 0600 or a command is safer")
	}
	return warnings
}

// Files gives the files that the configuration names, by the settings' paths.
func (c Config) Files() map[string]string {
	files := map[string]string{
		"trust": c.Trust, "tls.cert": c.TLS.Cert, "tls.key": c.TLS.Key, "tls.client_ca": c.TLS.ClientCA, "at_rest.file": c.AtRest.File,
	}
	for path, file := range files {
		if file == "" {
			delete(files, path)
		}
	}
	return files
}

// PrivateFiles gives the paths of [Config.Files] whose files nobody else may read.
func PrivateFiles() []string { return []string{"tls.key", "at_rest.file"} }
