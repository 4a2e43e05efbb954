package service

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/server/access"
	"github.com/attestry/attestry/workspace"
)

// AuditRecord says who did what and when. It holds no personal data: what was asked
// about is told by registries, attributes and scopes, and never by a value.
type AuditRecord struct {
	Number       uint64      `json:"number"`
	At           time.Time   `json:"at"`
	Organisation string      `json:"organisation,omitempty"` // empty: the server itself
	Credential   string      `json:"credential,omitempty"`
	Action       string      `json:"action"`
	Outcome      string      `json:"outcome,omitempty"` // a code, where it is not simply done
	Request      string      `json:"request,omitempty"`
	Proof        string      `json:"proof,omitempty"`
	Job          string      `json:"job,omitempty"`
	Registry     string      `json:"registry,omitempty"`
	Epoch        uint64      `json:"epoch,omitempty"`
	Entry        *uint64     `json:"entry,omitempty"`
	Target       string      `json:"target,omitempty"` // the organisation or key that it is about
	Facts        []AuditFact `json:"facts,omitempty"`
}

// AuditFact says what a fact was about.
type AuditFact struct {
	Registry   string   `json:"registry"`
	Subject    bool     `json:"subject,omitempty"`
	Key        bool     `json:"key,omitempty"`
	Attributes []string `json:"attributes,omitempty"`
	Reveal     []string `json:"reveal,omitempty"`
	Absent     bool     `json:"absent,omitempty"`
	Once       string   `json:"once,omitempty"`
}

func auditFacts(facts []AskedFact) (out []AuditFact) {
	for _, f := range facts {
		out = append(out, AuditFact{
			Registry: f.Registry, Subject: f.Subject, Key: f.Key, Attributes: f.Attributes,
			Reveal: f.Reveal, Absent: f.Absent, Once: f.Once,
		})
	}
	return out
}

// record writes a record of the audit log, in the transaction of what it tells, so that
// nothing happens that it does not tell. p is who did it, nil the server itself.
func (s *Service) record(tx *bbolt.Tx, p *access.Principal, a AuditRecord) error {
	if p != nil {
		a.Organisation, a.Credential = p.Organisation.ID, p.Credential
	}
	number, err := tx.Bucket([]byte(s.audits.name)).NextSequence()
	if err != nil {
		return err
	}
	a.Number, a.At = number, s.now().UTC()
	tx.OnCommit(func() { s.log.LogAttrs(context.Background(), slog.LevelInfo, "audit", a.attributes()...) })
	return s.audits.add(tx, strconv.FormatUint(number, 10), a.Organisation, &a)
}

// attributes gives what a log line says of a record.
func (a AuditRecord) attributes() (out []slog.Attr) {
	for _, f := range []struct{ name, value string }{
		{"action", a.Action}, {"organisation", a.Organisation}, {"credential", a.Credential}, {"outcome", a.Outcome},
		{"request_id", a.Request}, {"proof", a.Proof}, {"job", a.Job}, {"registry", a.Registry}, {"target", a.Target},
	} {
		if f.value != "" {
			out = append(out, slog.String(f.name, f.value))
		}
	}
	return out
}

// Record writes that an organisation did something that this package does not do itself,
// such as changing who may use the server.
func (s *Service) Record(p *access.Principal, action, target string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		return s.record(tx, p, AuditRecord{Action: action, Target: target})
	})
}

// RecordStopped is [Service.Record] for a workspace that no server works on: it leaves the
// queue alone, whose jobs are for the next server to take up.
func RecordStopped(w *workspace.Workspace, sealer Sealer, p *access.Principal, action, target string) error {
	s, err := open(Config{Workspace: w, Sealer: sealer})
	if err != nil {
		return err
	}
	return s.Record(p, action, target)
}

// Audit lists the audit log, the newest record first.
func (s *Service) Audit(p *access.Principal, f Filter) (page Page[*AuditRecord], err error) {
	list := f.list("audit", p)
	below, err := s.at(list, f.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []*AuditRecord{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		records, next, err := s.audits.page(tx, f.Organisation, below, f.Limit, func(a *AuditRecord) bool {
			return f.Action == "" || f.Action == a.Action
		})
		page.Items = append(page.Items, records...)
		page.Next = s.cursor(list, next)
		return err
	})
	return page, err
}
