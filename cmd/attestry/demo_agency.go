package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/attestry/attestry/internal/cli"
	"github.com/attestry/attestry/internal/countydata"
	"github.com/attestry/attestry/ledger"
	"github.com/attestry/attestry/prover"
	"github.com/attestry/attestry/registry"
	"github.com/attestry/attestry/statement"
)

// titles is the register of the demonstration.
const titles = "lucas-titles"

// commitRegister imports and commits the county's homes.
func (d *demo) commitRegister(ctx context.Context) error {
	schema, err := statement.ParseSchema(countydata.TitlesSchema())
	if err != nil {
		return err
	}
	if err := d.w.CreateRegistry(ctx, schema); err != nil {
		return err
	}
	start := time.Now()
	counts, err := d.importTitles(ctx)
	if err != nil {
		return err
	}
	imported := time.Since(start)
	start = time.Now()
	epoch, err := commit(ctx, d.env, d.w, titles)
	if err != nil {
		return err
	}
	committed := time.Since(start)
	size, err := dirSize(filepath.Join(d.agency, "registries"))
	if err != nil {
		return err
	}
	d.page.para(`It reads %s parcels of land, each with %d attributes such as assessed_value, sale_price, year_built and garage (%s), and builds a tree of hashes over all of them (%s). At the top of the tree is one number of 32 bytes, the root:`,
		cli.Count(counts.Rows), len(schema.Attributes), cli.Duration(imported), cli.Duration(committed))
	d.page.code(elementText(epoch.Root))
	d.page.para(`Had any field of any parcel been another, the root would be another one. The registry signs the root and puts it into its public ledger as epoch %d: from now on it cannot change its story. The records stay where they are, in a file of %s.`, epoch.Number, cli.Bytes(size))
	return d.findOwner()
}

func (d *demo) importTitles(ctx context.Context) (registry.Counts, error) {
	s, err := d.w.Registry(titles)
	if err != nil {
		return registry.Counts{}, err
	}
	file, err := countydata.Titles()
	if err != nil {
		return registry.Counts{}, err
	}
	bar := d.env.Progress("import " + titles)
	defer bar.End()
	return s.Import(ctx, file, registry.CSV, func(_ int64, rows int) { bar.Update(int64(rows), countydata.TitlesRecords) })
}

// findOwner finds in the data whom the bank asks about: the owner of the first
// parcel that meets the bank's conditions.
func (d *demo) findOwner() error {
	file, err := countydata.Titles()
	if err != nil {
		return err
	}
	rows := csv.NewReader(file)
	header, err := rows.Read()
	if err != nil {
		return err
	}
	column := func(name string) int { return slices.Index(header, name) }
	owner, assessed, price, garage := column("owner_id"), column("assessed_value"), column("sale_price"), column("garage")
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return errors.New("no parcel meets the bank's conditions")
		}
		if err != nil {
			return err
		}
		a, errA := strconv.ParseInt(row[assessed], 10, 64)
		p, errP := strconv.ParseInt(row[price], 10, 64)
		if err := errors.Join(errA, errP); err != nil {
			return err
		}
		if a >= leastValue && p*100 <= a*120 && slices.Contains(garages, row[garage]) {
			d.owner = row[owner]
			return nil
		}
	}
}

// prove answers the bank's request and hands over the files.
func (d *demo) prove(ctx context.Context) (err error) {
	if d.answer, err = d.w.Agency().Answer(ctx, d.request); err != nil {
		return err
	}
	bundle, err := d.answer.Bundle.Marshal()
	if err != nil {
		return err
	}
	openings, err := d.answer.Openings.Marshal()
	if err != nil {
		return err
	}
	d.page.para(`It finds the record that the question is about and proves, in %s, that a record under the published root belongs to that owner and meets all the conditions. The proof itself is %d bytes, however large the register.`,
		cli.Duration(d.answer.Timings.Prove), ledger.ProofBytes)
	d.page.para(`The bank gets two files:`)
	d.page.item(`bundle.json, %s: the question, the proof and its place in the ledger. It can be passed on to anybody. Of the record it holds sealed values only (commitments).`, cli.Bytes(len(bundle)))
	d.page.item(`openings.json, %s: opens the sealed owner and year_built, for the bank alone.`, cli.Bytes(len(openings)))
	d.page.para(`The record never leaves the registry. The ledger has %d entries now; the one of this proof shows neither the question, nor the owner, nor the bank.`, d.w.Ledger.Size())
	return errors.Join(
		writeIn(d.bank, "bundle.json", bundle, 0o644),
		writeIn(d.bank, "openings.json", openings, 0o600),
		writeIn(d.auditor, "bundle.json", bundle, 0o644),
	)
}

// askFalsely asks for what the registry does not bear out.
func (d *demo) askFalsely(ctx context.Context) error {
	question := fmt.Sprintf("registry: %s\nsubject: %s\nwhere:\n  - assessed_value >= 5000000\naudience: bank-a\n", titles, d.owner)
	request, err := completed(question)
	if err != nil {
		return err
	}
	d.page.para(`Suppose that the same customer claims a house that is assessed at 5,000,000 or more. The registry's prover tries:`)
	before := d.w.Ledger.Size()
	_, err = d.w.Agency().Answer(ctx, request)
	if err == nil {
		return errors.New("a false claim was proved")
	}
	if !errors.Is(err, prover.ErrFalse) {
		return err
	}
	d.page.para(`On the registry's own screen, with the parcel's number, which is for its clerk and not for the bank:`)
	d.page.quote(err.Error())
	d.page.para(`There is no proof of a false claim to be had: not by trying longer, and not by a registry that would like to oblige (but for who holds development keys). No bundle is made: that there is none, and what else the bank is told, is for the registry to say. The ledger still has %d entries.`, before)
	if d.w.Ledger.Size() != before {
		return errors.New("the ledger grew by a false claim")
	}
	return nil
}

func writeIn(dir, name string, data []byte, mode os.FileMode) error {
	return (&cli.Env{}).WriteFile(dir+string(os.PathSeparator)+name, append(data, '\n'), mode)
}
