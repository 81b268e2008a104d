package pack

import "errors"

// What is wrong with a pack. All of them come wrapped in words that say where.
var (
	// ErrFormat: the bytes are no pack or no index: wrong mark, version,
	// kind, sizes that do not meet, a zlib stream that is broken.
	ErrFormat = errors.New("malformed")
	// ErrChecksum: a trailer or a CRC does not match.
	ErrChecksum = errors.New("wrong checksum")
	// ErrTrailing: something follows the pack.
	ErrTrailing = errors.New("trailing bytes")
	// ErrBase: a delta's base is not in the pack (a thin pack), or it is its
	// own ancestor.
	ErrBase = errors.New("base of a delta missing or circular")
	// ErrDuplicate: an object comes twice.
	ErrDuplicate = errors.New("object twice")
	// ErrTooLarge: one of the [Limits] is exceeded.
	ErrTooLarge = errors.New("too large")
)
