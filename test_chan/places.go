package main

import (
	"net"
	"os"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Addresses that the database of places knows; they are set aside for documentation (RFC 5737).
const (
	cityAddress    = "203.0.113.5"   // Munich, Bavaria, Germany
	countryAddress = "203.0.113.200" // Switzerland
)

// writePlaces writes a small database of cities in MaxMind's format to a file.
func writePlaces(path string) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType:            "GeoLite2-City",
		Description:             map[string]string{"en": "Made by test_chan"},
		Languages:               []string{"de", "en", "fr"},
		IncludeReservedNetworks: true,
	})
	if err != nil {
		return err
	}
	named := func(en, de, fr string) mmdbtype.Map {
		return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(en), "de": mmdbtype.String(de), "fr": mmdbtype.String(fr)}}
	}
	records := map[string]mmdbtype.Map{
		"203.0.113.0/25": {
			"city":         named("Munich", "München", "Munich"),
			"subdivisions": mmdbtype.Slice{named("Bavaria", "Bayern", "Bavière")},
			"country":      named("Germany", "Deutschland", "Allemagne"),
		},
		"203.0.113.128/25": {"country": named("Switzerland", "Schweiz", "Suisse")},
	}
	for network, record := range records {
		_, ipNet, err := net.ParseCIDR(network)
		if err != nil {
			return err
		}
		if err := tree.Insert(ipNet, record); err != nil {
			return err
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := tree.WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
