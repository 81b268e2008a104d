package xrcp

import "crypto/rand"

type randReader struct{}

func (randReader) Read(b []byte) (int, error) { return rand.Read(b) }
