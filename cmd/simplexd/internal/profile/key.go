package profile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
)

// unlock opens an encrypted database.
func unlock(ctx context.Context, db *store.DB, o Options) error {
	if !db.Encrypted() {
		if o.KeyGiven {
			return exit.Errorf(exit.Usage, "%s is not encrypted, and a key was given for it", o.Home.DB()).
				WithHint("simplexd encrypt encrypts a profile; without the key flags it opens as it is")
		}
		return nil
	}
	if o.Key == nil {
		return fmt.Errorf("profile: %s: %w", o.Home.DB(), store.ErrLocked)
	}
	s, err := o.Key(ctx)
	if err != nil {
		return err
	}
	defer s.Wipe()
	return wrongKey(db.Unlock(ctx, s))
}

// wrongKey says in one line what a wrong key is.
func wrongKey(err error) error {
	if errors.Is(err, store.ErrWrongKey) {
		return &exit.Error{Code: exit.NoPerm, Reason: "wrong_key", Err: errors.New("wrong passphrase or key for this profile")}
	}
	return err
}

// protect makes an encrypted database with the settings of o.Config in it. One
// that an init left behind is opened with the same key.
func protect(ctx context.Context, o Options) (err error) {
	db, err := store.Open(ctx, o.Home.DB(), dbOptions)
	if err != nil {
		return fmt.Errorf("profile: %s: %w", o.Home.DB(), err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if db.Encrypted() {
		return unlock(ctx, db, o)
	}
	if v, err := db.Version(ctx, "chat"); err != nil {
		return err
	} else if v != 0 {
		return exit.Errorf(exit.CantCreate, "%s is there already, and not encrypted", o.Home.DB())
	}
	s, err := o.Key(ctx)
	if err != nil {
		return err
	}
	defer s.Wipe()
	if err := db.Protect(ctx, s); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return sealConfig(ctx, db, o.Config)
}

// settingsName is the database's setting with the sealed settings.
const settingsName = "config"

// sealedConfig is what an encrypted profile does not leave in its file: relay
// addresses have passwords in them.
type sealedConfig struct {
	Name       string   `json:"name"`
	SMPServers []string `json:"smpServers,omitempty"`
}

func sealConfig(ctx context.Context, db *store.DB, c *home.Config) error {
	b, err := json.Marshal(sealedConfig{c.Name, c.SMPServers})
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return db.PutSetting(ctx, settingsName, string(b))
}

// unsealConfig is c with what the database keeps for it.
func unsealConfig(ctx context.Context, db *store.DB, c *home.Config) (*home.Config, error) {
	text, ok, err := db.Setting(ctx, settingsName)
	if err != nil || !ok {
		return c, err
	}
	var sealed sealedConfig
	if err := json.Unmarshal([]byte(text), &sealed); err != nil {
		return nil, fmt.Errorf("profile: settings in the database: %w", err)
	}
	full := *c
	if full.Name == "" {
		full.Name = sealed.Name
	}
	if len(full.SMPServers) == 0 {
		full.SMPServers = slices.Clone(sealed.SMPServers)
	}
	return &full, nil
}

// Columns are all that is sealed in a profile's database.
func Columns() store.Columns {
	return slices.Concat(agentdb.Sealed(), chatdb.Sealed(), remotedb.Sealed(), swarmkv.Sealed())
}

func resealing(from, to *store.Secret) store.Resealing {
	return store.Resealing{
		Options:    dbOptions,
		Migrations: []store.Migrations{agentdb.Migrations(), chatdb.Migrations(), remotedb.Migrations(), swarmkv.Migrations()},
		Columns:    Columns(),
		From:       from, To: to,
	}
}

// Encrypt encrypts a profile that is not, with a key that s opens. The caller
// holds the home's lock. It may be ended at any time: the next call finishes.
func Encrypt(ctx context.Context, h home.Home, s *store.Secret) error {
	cfg, err := h.ReadConfig()
	if err != nil {
		return err
	}
	done, err := Encrypted(ctx, h)
	if err != nil {
		return err
	}
	if done && cfg.Encrypted {
		return exit.Errorf(exit.Usage, "the profile is encrypted already").WithHint("simplexd passwd changes its passphrase")
	}
	if !done {
		if err := keepConfig(ctx, h, nil, cfg); err != nil {
			return err
		}
		if err := store.Reseal(ctx, h.DB(), resealing(nil, s)); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
	} else if err := keepConfig(ctx, h, s, cfg); err != nil {
		return err
	}
	return h.WriteConfig(&home.Config{Relay: cfg.Relay, Encrypted: true})
}

// Decrypt is the opposite of [Encrypt].
func Decrypt(ctx context.Context, h home.Home, s *store.Secret) error {
	cfg, err := h.ReadConfig()
	if err != nil {
		return err
	}
	there, err := Encrypted(ctx, h)
	if err != nil {
		return err
	}
	if !there && !cfg.Encrypted {
		return exit.Errorf(exit.Usage, "the profile is not encrypted")
	}
	if there {
		if err := store.Reseal(ctx, h.DB(), resealing(s, nil)); err != nil {
			return wrongKey(fmt.Errorf("profile: %w", err))
		}
	}
	db, err := store.Open(ctx, h.DB(), dbOptions)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { _ = db.Close() }()
	if cfg, err = unsealConfig(ctx, db, cfg); err != nil {
		return err
	}
	cfg.Encrypted = false
	return h.WriteConfig(cfg)
}

// keepConfig puts the settings into the database.
func keepConfig(ctx context.Context, h home.Home, s *store.Secret, cfg *home.Config) (err error) {
	db, err := store.Open(ctx, h.DB(), dbOptions)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if s != nil {
		if err := db.Unlock(ctx, s); err != nil {
			return wrongKey(err)
		}
	}
	if cfg, err = unsealConfig(ctx, db, cfg); err != nil {
		return err
	}
	return sealConfig(ctx, db, cfg)
}

// ChangeKey lets to open the profile instead of from.
func ChangeKey(ctx context.Context, h home.Home, from, to *store.Secret) (err error) {
	db, err := store.Open(ctx, h.DB(), dbOptions)
	if err != nil {
		return fmt.Errorf("profile: %s: %w", h.DB(), err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return wrongKey(db.ChangeSecret(ctx, from, to))
}

// Encrypted tells whether the profile's database has a key.
func Encrypted(ctx context.Context, h home.Home) (yes bool, err error) {
	db, err := store.Open(ctx, h.DB(), dbOptions)
	if err != nil {
		return false, fmt.Errorf("profile: %s: %w", h.DB(), err)
	}
	return db.Encrypted(), db.Close()
}

// SMPServers are the relays for new queues, without the embedded one.
func (p *Profile) SMPServers() []string { return slices.Clone(p.servers) }
