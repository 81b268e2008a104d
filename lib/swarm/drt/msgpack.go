package drt

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The part of msgpack that the messages need. What is written is the shortest
// form; any form is read.

func appendMap(b []byte, n int) []byte {
	if n < 16 {
		return append(b, 0x80|byte(n))
	}
	return binary.BigEndian.AppendUint16(append(b, 0xde), uint16(n))
}

func appendArray(b []byte, n int) []byte {
	if n < 16 {
		return append(b, 0x90|byte(n))
	}
	return binary.BigEndian.AppendUint16(append(b, 0xdc), uint16(n))
}

func appendStr(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n < 256:
		b = append(b, 0xd9, byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	}
	return append(b, s...)
}

func appendBin(b, s []byte) []byte {
	if n := len(s); n < 256 {
		b = append(b, 0xc4, byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0xc5), uint16(n))
	}
	return append(b, s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

func appendUint(b []byte, v uint64) []byte {
	switch {
	case v < 128:
		return append(b, byte(v))
	case v < 1<<8:
		return append(b, 0xcc, byte(v))
	case v < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(v))
	case v < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), v)
}

const (
	maxFields = 32
	maxDepth  = 8
)

// decoder reads one message. After an error it returns zeros.
type decoder struct {
	r    *bufio.Reader
	left int // bytes that the message may still have
	err  error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMessage, what)
	}
}

func (d *decoder) ioFail(err error) {
	if d.err != nil {
		return
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == io.ErrUnexpectedEOF {
		d.err = fmt.Errorf("%w: %w", ErrMessage, err)
		return
	}
	d.err = err
}

// raw reads n bytes.
func (d *decoder) raw(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.left {
		d.fail("too large")
		return nil
	}
	d.left -= n
	b := make([]byte, n)
	if _, err := io.ReadFull(d.r, b); err != nil {
		d.ioFail(err)
		return nil
	}
	return b
}

func (d *decoder) byte() byte {
	if b := d.raw(1); b != nil {
		return b[0]
	}
	return 0xc1 // which msgpack does not use
}

// big reads a number of n bytes.
func (d *decoder) big(n int) (v uint64) {
	for _, c := range d.raw(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

// length reads how much follows the first byte c: of maps, arrays, strings.
func (d *decoder) length(c byte, sizes map[byte]int) (int, bool) {
	n, ok := sizes[c]
	if !ok {
		return 0, false
	}
	v := d.big(n)
	if v > MaxMessage {
		d.fail("too large")
		return 0, true
	}
	return int(v), true
}

var (
	strSizes   = map[byte]int{0xc4: 1, 0xc5: 2, 0xc6: 4, 0xd9: 1, 0xda: 2, 0xdb: 4}
	arraySizes = map[byte]int{0xdc: 2, 0xdd: 4}
	mapSizes   = map[byte]int{0xde: 2, 0xdf: 4}
)

// bytes reads a string or binary of at most limit bytes.
func (d *decoder) bytes(limit int) []byte {
	c := d.byte()
	n, ok := int(c&0x1f), c>>5 == 5
	if !ok {
		n, ok = d.length(c, strSizes)
	}
	if !ok || n > limit {
		d.fail("string")
		return nil
	}
	return d.raw(n)
}

func (d *decoder) array(limit int) int {
	c := d.byte()
	n, ok := int(c&0x0f), c>>4 == 9
	if !ok {
		n, ok = d.length(c, arraySizes)
	}
	if !ok || n > limit {
		d.fail("array")
	}
	if d.err != nil {
		return 0
	}
	return n
}

// fields calls fn with the name of each member, whose value fn reads.
func (d *decoder) fields(fn func(name string)) {
	c := d.byte()
	n, ok := int(c&0x0f), c>>4 == 8
	if !ok {
		n, ok = d.length(c, mapSizes)
	}
	if !ok || n > maxFields {
		d.fail("map")
	}
	seen := map[string]bool{}
	for i := 0; i < n && d.err == nil; i++ {
		name := string(d.bytes(64))
		if seen[name] {
			d.fail("a member twice")
		}
		if seen[name] = true; d.err == nil {
			fn(name)
		}
	}
}

func (d *decoder) bool() bool {
	c := d.byte()
	if c != 0xc2 && c != 0xc3 {
		d.fail("boolean")
	}
	return c == 0xc3
}

func (d *decoder) uint() uint64 {
	c := d.byte()
	switch {
	case c < 0x80:
		return uint64(c)
	case c >= 0xcc && c <= 0xcf:
		return d.big(1 << (c - 0xcc))
	case c >= 0xd0 && c <= 0xd3:
		n := 1 << (c - 0xd0)
		v := d.big(n)
		if v>>(8*n-1) != 0 {
			d.fail("negative number")
		}
		return v
	}
	d.fail("number")
	return 0
}

// skip passes over a value of any type.
func (d *decoder) skip(depth int) {
	if d.err != nil {
		return
	}
	if depth > maxDepth {
		d.fail("too deep")
		return
	}
	c := d.byte()
	items := 0
	switch {
	case c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
	case c>>4 == 8:
		items = 2 * int(c&0x0f)
	case c>>4 == 9:
		items = int(c & 0x0f)
	case c>>5 == 5:
		d.discard(int(c & 0x1f))
	case c == 0xca, c == 0xcb:
		d.raw(4 << (c - 0xca))
	case c >= 0xcc && c <= 0xcf:
		d.raw(1 << (c - 0xcc))
	case c >= 0xd0 && c <= 0xd3:
		d.raw(1 << (c - 0xd0))
	case c >= 0xd4 && c <= 0xd8:
		d.raw(1 + 1<<(c-0xd4))
	case c >= 0xc7 && c <= 0xc9:
		d.discard(1 + int(min(d.big(1<<(c-0xc7)), MaxMessage)))
	default:
		items = d.long(c)
	}
	for i := 0; i < items && d.err == nil; i++ {
		d.skip(depth + 1)
	}
}

// long is the part of skip for values whose length is written apart.
func (d *decoder) long(c byte) (items int) {
	if n, ok := d.length(c, strSizes); ok {
		d.discard(n)
		return 0
	}
	if n, ok := d.length(c, arraySizes); ok {
		return n
	}
	if n, ok := d.length(c, mapSizes); ok {
		return 2 * n
	}
	d.fail("type")
	return 0
}

func (d *decoder) discard(n int) {
	if n > d.left {
		d.fail("too large")
	}
	if d.err != nil {
		return
	}
	d.left -= n
	if _, err := d.r.Discard(n); err != nil {
		d.ioFail(err)
	}
}
