package chat

import (
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Profiles made up for one contact alone, so that nobody can tell that two
// contacts know the same person.

var (
	firstWords = strings.Fields(`Amber Arctic Autumn Bold Brass Bright Brisk Calm Cedar Chalk Clear Clever Coastal Copper
		Coral Crisp Curious Dapper Dawn Deep Distant Dusty Eager Early Ember Fabled Fair Fern Fleet Foggy Frosty Gentle Glad
		Golden Grand Granite Happy Hazel Hidden Humble Icy Indigo Ivory Jade Jolly Keen Kind Late Lemon Light Lively Lucky
		Lunar Maple Marble Mellow Merry Mild Misty Modest Mossy Neat Nimble Noble North Oaken Ochre Olive Open Pale Patient
		Pearl Plain Polar Proud Quick Quiet Rapid Ready Rosy Royal Rustic Sandy Scarlet Serene Sharp Silent Silver Simple
		Sleek Smart Snowy Solar Solid South Spare Spring Stout Sunny Swift Tidy Timber Tranquil True Upbeat Vast Velvet
		Violet Vivid Warm West Wild Willow Winter Wise Witty Young Zesty`)
	lastWords = strings.Fields(`Acorn Anchor Antler Arrow Badger Bamboo Basin Beacon Beaver Birch Bison Bramble Breeze Bridge
		Brook Canyon Castle Cello Cliff Cloud Clover Comet Compass Condor Cove Crane Creek Cricket Cypress Daisy Delta Dolphin
		Dune Eagle Echo Elm Falcon Feather Ferry Field Finch Fjord Flame Forest Fox Garden Geyser Glacier Glade Grove Gull
		Harbor Hare Harp Hawk Heron Hill Hollow Horizon Island Jasper Juniper Kestrel Kite Lagoon Lake Lantern Lark Leaf
		Ledge Lynx Magnet Marsh Meadow Mesa Meteor Mill Moor Nebula Nest Oak Ocean Orchard Otter Owl Panther Peak Pebble
		Pine Planet Plum Pond Prairie Quail Quarry Raven Reef Ridge River Robin Sail Salmon Shore Spark Sparrow Spruce
		Star Stone Stork Stream Summit Swallow Swan Thistle Thunder Tiger Tower Trail Tulip Tundra Valley Walnut Wave Wolf`)
)

func pick(words []string) string {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(len(words))))
	if err != nil {
		panic("chat: unreachable: crypto/rand.Reader never fails")
	}
	return words[n.Int64()]
}

// newCustomProfile makes up a profile.
func (w *work) newCustomProfile() (*CustomProfile, error) {
	id, err := w.NewProfileID()
	return &CustomProfile{ID: id, Profile: api.Profile{DisplayName: pick(firstWords) + pick(lastWords)}}, err
}
