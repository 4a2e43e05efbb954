package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/attestry/attestry/statement"
)

const header = "parcel,业主,holder,value,建筑面积,sold,leased,wall\n"

// secretWord stands in the cells of bad files; no error may hold it.
const secretWord = "CANARY"

func TestImportRefusesCSV(t *testing.T) {
	good := header + "LC-1,OH-1,,1,,,,\n"
	for name, c := range map[string]struct {
		file   string
		line   int
		column int
		field  string
		cause  error
	}{
		"empty file":             {"", 1, 1, "", errEmptyFile},
		"a mark and nothing":     {"\xef\xbb\xbf", 1, 1, "", errEmptyFile},
		"blank lines alone":      {"\n\r\n\n", 1, 1, "", errEmptyFile},
		"missing column":         {"parcel,业主,holder,value,sold,leased,wall\n", 1, 1, "建筑面积", errNoColumn},
		"column twice":           {"parcel,业主,holder,value,建筑面积,sold,leased,wall,sold\n", 1, 58, "sold", errColumnTwice},
		"unknown column twice":   {"CANARY,parcel,CANARY\n", 1, 15, "", errColumnTwice},
		"too few fields":         {good + "LC-2,CANARY,,1,,,\n", 3, 1, "", nil},
		"too many fields":        {good + "\nLC-2,CANARY,,1,,,,,\n", 4, 1, "", nil},
		"empty key":              {good + ",CANARY,,1,,,,\n", 3, 1, "parcel", errEmptyKey},
		"key of white space":     {good + "  ,CANARY,,1,,,,\n", 3, 1, "parcel", errEmptyKey},
		"key twice":              {good + "LC-2,,,1,,,,\nLC-1,CANARY,,1,,,,\n", 4, 1, "parcel", nil},
		"key twice, spelt other": {good + " lc-1,CANARY,,1,,,,\n", 3, 1, "parcel", nil},
		"empty value":            {good + "LC-2,CANARY,,,,,,\n", 3, 14, "value", statement.ErrBadValue},
		"no integer":             {good + "LC-2,,,CANARY,,,,\n", 3, 8, "value", statement.ErrBadValue},
		"integer too large":      {good + "LC-2,,,9223372036854775808,,,,\n", 3, 8, "value", statement.ErrBadValue},
		"integer too small":      {good + "LC-2,,,-9223372036854775809,,,,\n", 3, 8, "value", statement.ErrBadValue},
		"decimals over scale":    {good + "LC-2,,,1,1.234,,,\n", 3, 10, "建筑面积", statement.ErrBadValue},
		"no day":                 {good + "LC-2,,,1,,2026-02-30,,\n", 3, 11, "sold", statement.ErrBadValue},
		"no bool":                {good + "LC-2,,,1,,,CANARY,\n", 3, 12, "leased", statement.ErrBadValue},
		"no holder tag":          {good + "LC-2,,CANARY,1,,,,\n", 3, 7, "holder", errHolder},
		"holder tag of r":        {good + "LC-2,," + base64.StdEncoding.EncodeToString(fr.Modulus().Bytes()) + ",1,,,,\n", 3, 7, "holder", errHolder},
		"byte not UTF-8":         {good + "LC-2,OH-\xff,,1,,,,CANARY\n", 3, 9, "", errNotUTF8},
		"half a rune at the end": {good + "LC-2,,,1,,,,\xe5\xbb", 3, 13, "", errNotUTF8},
		"UTF-16":                 {"\xff\xfep\x00a\x00", 1, 1, "", errNotUTF8},
		"bad byte in quotes":     {good + "LC-2,\"CANARY\n\n ab\xff\",,1,,,,\n", 5, 4, "", errNotUTF8},
		"quote in a bare field":  {good + "LC-2,CAN\"ARY,,1,,,,\n", 3, 9, "", nil},
		"text after a quote":     {good + "LC-2,\"CAN\"ARY,,1,,,,\n", 3, 10, "", nil},
		"quote not closed":       {good + "LC-2,\"CANARY,,1,,,,\n", 3, 21, "", nil},
		"after a quoted break":   {good + "\"LC-2\",\"CANARY\r\n\",,x,,,,\n", 4, 4, "value", statement.ErrBadValue},
		"long text":              {good + "LC-2,,,1,,,," + strings.Repeat("x", 4097) + "\n", 3, 13, "wall", statement.ErrBadValue},
		"long canonical text":    {good + "LC-2,,,1,,,," + strings.Repeat("\u0958", 1300) + "\n", 3, 13, "wall", errLongText},
		"long line":              {good + strings.Repeat("x", 1<<20) + "y\n", 3, 1, "", nil},
		"long row of lines":      {good + "LC-2,\"" + strings.Repeat("CANARY\n", 1<<18), 3, 1, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, CSV, c.file, c.line, c.column, c.field, c.cause)
		})
	}
}

func TestImportRefusesNDJSON(t *testing.T) {
	good := `{"parcel":"LC-1","业主":"OH-1","holder":"","value":1,"建筑面积":null,"sold":null,"leased":null,"wall":null}` + "\n"
	// Cut after the members that a case writes itself.
	rest := `,"业主":null,"holder":null,"value":1,"建筑面积":null,"sold":null,"leased":null,"wall":null}` + "\n"
	for name, c := range map[string]struct {
		file   string
		line   int
		column int
		field  string
		cause  error
	}{
		"empty file":         {"", 1, 1, "", errEmptyFile},
		"blank lines":        {"\n \n", 1, 1, "", errEmptyFile},
		"an array":           {good + "[\"CANARY\"]\n", 2, 1, "", errNotObject},
		"a word":             {good + "CANARY\n", 2, 1, "", errNotObject},
		"a cut object":       {good + `{"parcel":"CANARY"` + "\n", 2, 20, "", errNotObject},
		"two objects":        {good + `{"parcel":"LC-2"` + strings.TrimSpace(rest) + " {}\n", 2, 17 + len(rest), "", errNotObject},
		"over two lines":     {good + "{\n\"parcel\":\"LC-2\"" + rest, 2, 3, "", errNotObject},
		"missing member":     {good + `{"parcel":"CANARY"}` + "\n", 2, 1, "业主", errNoColumn},
		"member twice":       {good + `{"parcel":"LC-2","parcel":"CANARY"` + rest, 2, 18, "parcel", errMemberTwice},
		"escaped twice":      {good + `{"parcel":"LC-2","p\u0061rcel":"CANARY"` + rest, 2, 18, "parcel", errMemberTwice},
		"unknown twice":      {good + `{"parcel":"LC-2","CANARY":1,"CANARY":1` + rest, 2, 29, "", errMemberTwice},
		"nested":             {good + `{"parcel":{"CANARY":1}` + rest, 2, 11, "parcel", errNested},
		"nested unknown":     {good + `{"parcel":"LC-2","x":["CANARY"]` + rest, 2, 22, "", errNested},
		"null key":           {good + `{"parcel":null` + rest, 2, 11, "parcel", errEmptyKey},
		"key twice":          {good + "\n" + `{ "parcel" : "lc-1"` + rest, 3, 14, "parcel", nil},
		"float":              {good + strings.Replace(good, `"value":1`, `"value":1.5`, 1), 2, 54, "value", statement.ErrBadValue},
		"exponent":           {good + strings.Replace(good, `"value":1`, `"value":1e3`, 1), 2, 54, "value", statement.ErrBadValue},
		"too many decimals":  {good + strings.Replace(good, `"建筑面积":null`, `"建筑面积":0.125`, 1), 2, 71, "建筑面积", statement.ErrBadValue},
		"true as an integer": {good + strings.Replace(good, `"value":1`, `"value":true`, 1), 2, 54, "value", statement.ErrBadValue},
		"lone surrogate":     {good + `{"parcel":"CANARY\ud800"` + rest, 2, 11, "parcel", errBadString},
		"not UTF-8":          {good + "{\"parcel\":\"CANARY\xc0\"" + rest, 2, 18, "", errNotUTF8},
		"comma after":        {good + strings.TrimSpace(good) + ",\n", 2, len(good), "", errNotObject},
		"trailing comma":     {good + `{"parcel":"CANARY",}` + "\n", 2, 20, "", errNotObject},
		"long line":          {good + `{"parcel":"` + strings.Repeat("x", 1<<20) + `"` + rest, 2, 1, "", nil},
	} {
		t.Run(name, func(t *testing.T) { checkRefused(t, NDJSON, c.file, c.line, c.column, c.field, c.cause) })
	}
}

// checkRefused imports a bad file over a committed state and a staged import, and
// finds both unharmed.
func checkRefused(t *testing.T, f Format, file string, line, column int, field string, cause error) {
	t.Helper()
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1")))
	mustCommit(t, s)
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	refused(t, s, f, file, line, column, field, cause)
}

// refused imports a bad file, finds the store as it was, and gives the error.
func refused(t *testing.T, s *Store, f Format, file string, line, column int, field string, cause error) error {
	t.Helper()
	return refusedWith(t, s, ImportOptions{Format: f}, file, line, column, field, cause)
}

func refusedWith(t *testing.T, s *Store, opts ImportOptions, file string, line, column int, field string, cause error) error {
	t.Helper()
	before, _ := s.Latest()
	staged, waiting, errBefore := s.Staged()
	_, err := s.ImportWith(t.Context(), strings.NewReader(file), opts)
	where := (*ImportError)(nil)
	if !errors.Is(err, ErrBadImport) || !errors.As(err, &where) {
		t.Fatalf("error %v, want ErrBadImport", err)
	}
	if where.Line != line || where.Column != column || where.Name != field {
		t.Errorf("at line %d, column %d (%s); want line %d, column %d (%s): %v", where.Line, where.Column, where.Name, line, column, field, err)
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	if strings.Contains(err.Error(), secretWord) || strings.Contains(fmt.Sprintf("%+v %#v", err, err), secretWord) {
		t.Errorf("the error shows a value: %v", err)
	}
	if latest, ok := s.Latest(); !ok || latest != before {
		t.Errorf("the latest epoch is %+v, was %+v", latest, before)
	}
	if after, ok, err := s.Staged(); errors.Join(err, errBefore) != nil || ok != waiting || after != staged {
		t.Errorf("staged is %+v, was %+v (%v)", after, staged, err)
	}
	return err
}

// Files of one content in the spellings that just work.
func TestImportSpellings(t *testing.T) {
	tag := statement.Element(statement.HolderTag(fr.NewElement(7))).String()
	plain := header + "LC-1,业主三," + tag + ",1200,81.50,1997-04-21,true,\"a, \"\"b\"\"\nc\"\nLC-2,,,-5,,,,\n"
	object := `{"parcel":"LC-1","业主":"业主三","holder":"` + tag + `","value":1200,"建筑面积":81.50,"sold":"1997-04-21","leased":true,"wall":"a, \"b\"\nc"}` + "\n" +
		`{"wall":null,"leased":null,"sold":"","建筑面积":null,"value":"-5","holder":null,"业主":"","parcel":"LC-2","more":false}`
	want := commitOf(t, CSV, plain)
	for name, c := range map[string]struct {
		format Format
		file   string
	}{
		"byte-order mark":   {CSV, "\xef\xbb\xbf" + plain},
		"CRLF":              {CSV, strings.ReplaceAll(plain, "\n", "\r\n")},
		"no last line end":  {CSV, strings.TrimSuffix(plain, "\n")},
		"blank lines":       {CSV, strings.Replace(plain, "\nLC-2", "\n\n\nLC-2", 1)},
		"quoted header":     {CSV, strings.Replace(plain, "parcel,业主", `"parcel","业主"`, 1)},
		"other rows' order": {CSV, header + "LC-2,,,-5,,,,\n" + strings.TrimSuffix(strings.TrimPrefix(plain, header), "LC-2,,,-5,,,,\n")},
		"unnamed columns":   {CSV, strings.NewReplacer("wall\n", "wall,,\n", "c\"\n", "c\",,\n", ",,,,\n", ",,,,,,\n").Replace(plain)},
		"more columns": {CSV, "x,parcel,业主,y,holder,value,建筑面积,sold,leased,wall\n" +
			"9,LC-1,业主三,," + tag + ",1200,81.5,1997-04-21,TRUE,\"a, \"\"b\"\"\nc\"\nz,lc-2 ,,,,-05,,,,\n"},
		"NDJSON":                      {NDJSON, object},
		"NDJSON with mark and CRLF":   {NDJSON, "\xef\xbb\xbf" + strings.ReplaceAll(object, "}\n", "}\r\n\r\n") + "\r\n"},
		"NDJSON with escapes, spaces": {NDJSON, strings.NewReplacer(`"parcel":`, ` "p\u0061rcel" : `, "业主三", `\u4e1a\u4e3b\u4e09`).Replace(object)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := commitOf(t, c.format, c.file); got != want {
				t.Error("another root than the plain file's")
			}
		})
	}
}

// commitOf gives the root of a file in a new store, read one byte at a time.
func commitOf(t *testing.T, f Format, file string) statement.Element {
	t.Helper()
	s := newTestStore(t, testSchema())
	if _, err := s.Import(t.Context(), iotest.OneByteReader(strings.NewReader(file)), f, nil); err != nil {
		t.Fatal(err)
	}
	return mustCommit(t, s).Root
}

func TestImportValues(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile([]string{" lc-1", "业主三", "", "-12", "81.5", "1970-01-02", "true", "Cafe\u0301"}, []string{"LC-2", "", "", "0", "", "", "", ""}))
	mustCommit(t, s)
	r, err := s.Get(1, "LC-1")
	if err != nil {
		t.Fatal(err)
	}
	want := []statement.Value{{Int: -12}, {Int: 8150}, {Int: 1}, {Int: 1}, {Text: "Caf\u00e9"}}
	for i, v := range r.Values {
		if v != want[i] {
			t.Errorf("attribute %d differs", i)
		}
	}
	if r.Key != "LC-1" || r.Subject != "业主三" || !r.Holder.IsZero() {
		t.Error("key, subject or holder differs")
	}
	if r, err = s.Get(1, "lc-2"); err != nil || !r.Values[1].Absent || r.Values[0].Absent {
		t.Errorf("the empty values of LC-2: %v", err)
	}
}

func TestImportCounts(t *testing.T) {
	s := newTestStore(t, testSchema())
	changed := testRow("LC-2")
	changed[3] = "1300"
	for i, c := range []struct {
		rows [][]string
		want Counts
	}{
		{[][]string{testRow("LC-1"), testRow("LC-2"), testRow("LC-3")}, Counts{Rows: 3, Inserted: 3}},
		{[][]string{testRow("LC-3"), testRow("LC-2"), testRow("LC-1")}, Counts{Rows: 3, Unchanged: 3}},
		{[][]string{testRow("LC-1"), changed, testRow("LC-4")}, Counts{Rows: 3, Inserted: 1, Updated: 1, Deleted: 1, Unchanged: 1}},
		{nil, Counts{Deleted: 3}},
		{[][]string{testRow("LC-3")}, Counts{Rows: 1, Inserted: 1}},
	} {
		if got := mustImport(t, s, csvFile(c.rows...)); got != c.want {
			t.Errorf("import %d: %+v, want %+v", i, got, c.want)
		}
		if e := mustCommit(t, s); e.Records != c.want.Rows || e.Number != uint64(i+1) {
			t.Errorf("import %d: epoch %+v", i, e)
		}
		if _, ok, err := s.Staged(); ok || err != nil {
			t.Errorf("import %d: staged after the commit (%v)", i, err)
		}
	}
	// LC-3 came first as the third key in the order of the file, or another in that
	// of the keys; whichever, it has its old place again.
	first, err := s.Get(1, "LC-3")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Get(5, "LC-3"); err != nil || again.Position != first.Position {
		t.Errorf("a key that came back is at another position: %v", err)
	}
}

// Two imports without a commit between: the later one counts, against the epoch.
func TestImportReplacesStaging(t *testing.T) {
	s := newTestStore(t, testSchema())
	mustImport(t, s, csvFile(testRow("LC-1"), testRow("LC-2")))
	if got, want := mustImport(t, s, csvFile(testRow("LC-2"), testRow("LC-3"), testRow("LC-4"))), (Counts{Rows: 3, Inserted: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	mustCommit(t, s)
	if _, err := s.Get(1, "LC-1"); !errors.Is(err, ErrNoRecord) {
		t.Errorf("a record of the replaced import: %v", err)
	}
}

func TestImportStops(t *testing.T) {
	s := newTestStore(t, testSchema())
	var rows [][]string
	for i := range 3 * progressRows {
		rows = append(rows, testRow(fmt.Sprint("LC-", i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Import(ctx, strings.NewReader(csvFile(rows...)), CSV, func(bytes int64, rows int) {
		if bytes == 0 || rows != progressRows {
			t.Errorf("progress %d bytes, %d rows", bytes, rows)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	broken := errors.New("the line broke")
	file := strings.NewReader(csvFile(testRow("LC-1")))
	if _, err := s.Import(t.Context(), iotest.TimeoutReader(iotest.HalfReader(file)), CSV, nil); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("error %v, want that of the reader", err)
	}
	if _, err := s.Import(t.Context(), iotest.ErrReader(broken), NDJSON, nil); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
	if _, ok, err := s.Staged(); ok || err != nil {
		t.Errorf("something is staged (%v)", err)
	}
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{"a.csv": CSV, "B.CSV": CSV, "x/y.ndjson": NDJSON, "z.jsonl": NDJSON} {
		if got, err := FormatOf(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "csv", "a.json", "a.csv.gz"} {
		if _, err := FormatOf(name); !errors.Is(err, ErrUnknownFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newTestStore(t, testSchema())
	if _, err := s.Import(t.Context(), strings.NewReader(header), Format(9), nil); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("an unknown format: %v", err)
	}
}
