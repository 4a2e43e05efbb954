package access

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/attestry/attestry/internal/canon"
)

// Role is what an organisation is to the service.
type Role string

// The roles.
const (
	RoleAgency   Role = "agency"   // answers requests from its registries
	RoleBank     Role = "bank"     // asks
	RoleAuditor  Role = "auditor"  // looks on, where an agency allows it
	RoleOperator Role = "operator" // runs the server: organisations and their credentials
)

// Roles lists every role.
func Roles() []Role { return []Role{RoleAgency, RoleBank, RoleAuditor, RoleOperator} }

// Organisation is who credentials belong to.
type Organisation struct {
	// ID names it for ever: [a-z][a-z0-9-]{0,63}.
	ID   string `json:"id"`
	Role Role   `json:"role"`
	// Registries are those that an agency acts for; none means all. No other role
	// has any.
	Registries []string `json:"registries,omitempty"`
	// Audience is the one that a bank's requests carry; no two banks share it. No
	// other role has one. [Directory.CreateOrganisation] takes the ID where it is empty.
	Audience string    `json:"audience,omitempty"`
	Created  time.Time `json:"created"`
	// Disabled is when its credentials ceased to count; zero: they count.
	Disabled time.Time `json:"disabled,omitzero"`
}

const (
	maxRegistries = 256
	maxAudience   = 1024 // bytes, as the API's
)

// ActsFor tells whether an organisation is an agency that acts for a registry.
func (o Organisation) ActsFor(registry string) bool {
	return o.Role == RoleAgency && (len(o.Registries) == 0 || slices.Contains(o.Registries, registry))
}

func (o Organisation) check() error {
	switch {
	case !isID(o.ID):
		return fmt.Errorf("%w: an organisation's id is of a-z, 0-9 and -, begins with a letter and has at most 64: %q", ErrInvalid, o.ID)
	case !slices.Contains(Roles(), o.Role):
		return fmt.Errorf("%w: no role is %q (there are %v)", ErrInvalid, o.Role, Roles())
	case o.Role != RoleAgency && len(o.Registries) > 0:
		return fmt.Errorf("%w: only an agency acts for registries", ErrInvalid)
	case o.Role != RoleBank && o.Audience != "":
		return fmt.Errorf("%w: only a bank has an audience", ErrInvalid)
	case len(o.Registries) > maxRegistries || len(o.Audience) > maxAudience:
		return fmt.Errorf("%w: at most %d registries and an audience of %d bytes", ErrInvalid, maxRegistries, maxAudience)
	}
	for i, name := range o.Registries {
		if name == "" || len(name) > maxAudience || slices.Contains(o.Registries[:i], name) {
			return fmt.Errorf("%w: registry %q is empty, too long or named twice", ErrInvalid, name)
		}
	}
	return nil
}

func isID(s string) bool {
	return regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`).MatchString(s)
}

// CreateOrganisation makes an organisation, of now and enabled, and gives it as it is
// kept. It fails with [ErrInvalid], and with [ErrExists] where the id or a bank's audience is
// taken.
func (d *Directory) CreateOrganisation(o Organisation) (Organisation, error) {
	o, err := d.newOrganisation(o)
	if err != nil {
		return Organisation{}, err
	}
	return o, d.db.Update(func(tx *bbolt.Tx) error { return addOrganisation(tx, o) })
}

func (d *Directory) newOrganisation(o Organisation) (Organisation, error) {
	if o.Role == RoleBank && o.Audience == "" {
		o.Audience = o.ID
	}
	o.Created, o.Disabled = d.time(), time.Time{}
	return o, o.check()
}

// addOrganisation adds an organisation whose id and audience nobody has.
func addOrganisation(tx *bbolt.Tx, o Organisation) error {
	if tx.Bucket([]byte(organisationsBucket)).Get([]byte(o.ID)) != nil {
		return fmt.Errorf("%w: organisation %s", ErrExists, o.ID)
	}
	all, err := organisations(tx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if o.Audience != "" && other.Audience == o.Audience {
			return fmt.Errorf("%w: the audience %q, which is %s's", ErrExists, o.Audience, other.ID)
		}
	}
	return putOrganisation(tx, o)
}

// Organisation gives one organisation. It fails with [ErrNotFound].
func (d *Directory) Organisation(id string) (o Organisation, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		o, err = organisation(tx, id)
		return err
	})
	return o, err
}

// Organisations lists all of them, by id.
func (d *Directory) Organisations() (all []Organisation, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		all, err = organisations(tx)
		return err
	})
	return all, err
}

// DisableOrganisation ends an organisation's access, until it is enabled: none of its
// credentials counts. It fails with [ErrNotFound].
func (d *Directory) DisableOrganisation(id string) (Organisation, error) {
	return d.changeOrganisation(id, func(o *Organisation) {
		if o.Disabled.IsZero() {
			o.Disabled = d.time()
		}
	})
}

// EnableOrganisation undoes [Directory.DisableOrganisation].
func (d *Directory) EnableOrganisation(id string) (Organisation, error) {
	return d.changeOrganisation(id, func(o *Organisation) { o.Disabled = time.Time{} })
}

func (d *Directory) changeOrganisation(id string, change func(*Organisation)) (o Organisation, err error) {
	err = d.db.Update(func(tx *bbolt.Tx) error {
		if o, err = organisation(tx, id); err != nil {
			return err
		}
		change(&o)
		return putOrganisation(tx, o)
	})
	return o, err
}

func organisation(tx *bbolt.Tx, id string) (o Organisation, err error) {
	document := tx.Bucket([]byte(organisationsBucket)).Get([]byte(id))
	if document == nil {
		return o, fmt.Errorf("%w: no organisation is called %q", ErrNotFound, id)
	}
	return decodeOrganisation(id, document)
}

func decodeOrganisation(id string, document []byte) (o Organisation, err error) {
	if err := canon.Unmarshal(document, &o); err != nil {
		return o, fmt.Errorf("%w: organisation %q: %w", ErrFormat, id, err)
	}
	if o.ID != id {
		return o, fmt.Errorf("%w: organisation %q", ErrFormat, id)
	}
	return o, nil
}

func organisations(tx *bbolt.Tx) ([]Organisation, error) {
	all := []Organisation{}
	err := tx.Bucket([]byte(organisationsBucket)).ForEach(func(id, document []byte) error {
		o, err := decodeOrganisation(string(id), document)
		all = append(all, o)
		return err
	})
	return all, err
}

func putOrganisation(tx *bbolt.Tx, o Organisation) error {
	document, err := canon.Marshal(o)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(organisationsBucket)).Put([]byte(o.ID), document)
}
