package swarmtest

import (
	"embed"
	"fmt"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

//go:embed testdata/accounts
var accounts embed.FS

// Accounts is how many accounts there are, each with two devices; they were made
// by ident.NewAccount and written by MarshalPEM.
const Accounts = 5

// Account is an account whose key everybody knows; making one takes seconds.
func Account(t testing.TB, i int) *ident.Account {
	t.Helper()
	b, err := accounts.ReadFile(fmt.Sprintf("testdata/accounts/%d-account.pem", i))
	if err != nil {
		t.Fatal(err)
	}
	a, err := ident.ParseAccount(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Device is a device of Account i, 0 or 1.
func Device(t testing.TB, i, j int) *ident.Device {
	t.Helper()
	b, err := accounts.ReadFile(fmt.Sprintf("testdata/accounts/%d-device-%d.pem", i, j))
	if err != nil {
		t.Fatal(err)
	}
	d, err := ident.ParseDevice(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// LabDevice is a device of the accounts whose repositories [Load] reads: a, a2,
// b, c or e.
func LabDevice(t testing.TB, name string) *ident.Device {
	t.Helper()
	d, err := ident.ParseDevice(append(ReadFile(t, "keys/"+name+".key"), ReadFile(t, "keys/"+name+".crt")...))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
