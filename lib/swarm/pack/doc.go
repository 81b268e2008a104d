// Package pack reads, checks and writes git packs, version 2, with their
// index, version 2: the form in which objects travel between the members of a
// conversation and in which old ones lie on disk (gitformat-pack).
//
// A pack:
//
//	"PACK"  version(4)=2  count(4)
//	count × entry
//	SHA-1 of all before(20)
//
//	entry = head  [base]  zlib stream of the content
//	head  = one or more bytes, the first 1 bit more, 3 bits kind, 4 bits size,
//	        the others 1 bit more, 7 bits size; low bits come first
//	kind  = 1 commit  2 tree  3 blob  4 tag  6 offset delta  7 reference delta
//	base  = of kind 6 the distance back to the base's entry, of kind 7 its id(20)
//
// A delta is the size of the base and of the result, each as 7 bits a byte,
// low bits first, then instructions: copy a range of the base, or insert up to
// 127 bytes. The index holds a table of 256 counts, the ids in order, a CRC-32
// of each entry and its offset, then the trailers of the pack and of itself.
//
// Whoever sends a pack is not trusted. [Receive] holds to [Limits] in bytes,
// objects, sizes and depth, takes no delta whose base is not in the same pack,
// and says what is wrong with the rest by the errors of this package. The
// packs that lie on disk went through it, or were written by [Writer]; [File]
// reads them without trust all the same, since disks fail too.
package pack
