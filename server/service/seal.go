package service

// Sealer keeps what is private from whoever reads the database's file. The key of
// internal/atrest is one.
type Sealer interface {
	// Seal encrypts a value for its place in the database.
	Seal(place, plain []byte) []byte
	// Open decrypts what was sealed for the place, and fails with anything else.
	Open(place, sealed []byte) ([]byte, error)
}

// clear is the Sealer where no key is configured.
type clear struct{}

func (clear) Seal(_, plain []byte) []byte           { return plain }
func (clear) Open(_, sealed []byte) ([]byte, error) { return sealed, nil }

// place names a value by its bucket and key, so that no value passes for another.
func place(bucket string, key []byte) []byte {
	return append(append([]byte(bucket), 0), key...)
}
