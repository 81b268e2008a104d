//go:build ignore

// Gen writes new accounts to testdata/accounts.
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

func main() {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 5 {
		a, err := ident.NewAccount(now)
		if err != nil {
			log.Fatal(err)
		}
		b, err := a.MarshalPEM()
		write(fmt.Sprintf("%d-account.pem", i), b, err)
		for j := range 2 {
			d, err := a.NewDevice(now)
			if err != nil {
				log.Fatal(err)
			}
			b, err := d.MarshalPEM()
			write(fmt.Sprintf("%d-device-%d.pem", i, j), b, err)
		}
	}
}

func write(name string, b []byte, err error) {
	if err == nil {
		err = os.WriteFile("testdata/accounts/"+name, b, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
