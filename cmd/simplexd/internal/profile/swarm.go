package profile

import (
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

// openSwarm makes the profile's device of the swarm. It reads nothing yet.
func (p *Profile) openSwarm(dir string) *swarm.Node {
	return swarm.New(swarm.Config{
		Dir:     dir,
		Values:  swarmkv.New(p.db),
		Handler: p.Core.TakeSwarm,
		Name:    p.name,
		Log:     p.log,
	})
}
