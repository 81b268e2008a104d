package agentdb

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

var (
	putShortLink = `INSERT OR REPLACE INTO agent_short_links (rcv_queue_id, type, link_id, link_key, root_key, fixed)
		VALUES (?1, ?2, ` + shortSealed("link_id", "?3") + `, ` + shortSealed("link_key", "?4") + `,
			` + shortSealed("root_key", "?5") + `, ` + shortSealed("fixed", "?6") + `)`
	selectShortLink = `SELECT type, ` + opened("agent_short_links", "link_id", "link_key", "root_key", "fixed") + `
		FROM agent_short_links WHERE rcv_queue_id = ?`

	thisServer    = sealed.Seal("agent_opened_links.server", "?1")
	thisLink      = sealed.Seal("agent_opened_links.link_id", "?2", thisServer)
	putOpenedLink = `INSERT OR REPLACE INTO agent_opened_links (server, link_id, link_key, auth_key, snd_id, created_at)
		VALUES (` + thisServer + `, ` + thisLink + `, ` + sealed.Seal("agent_opened_links.link_key", "?3", thisServer, thisLink) + `,
			` + sealed.Seal("agent_opened_links.auth_key", "?4", thisServer, thisLink) + `,
			` + sealed.Seal("agent_opened_links.snd_id", "?5", thisServer) + `, ?6)`
	openedColumns = `SELECT ` + opened("agent_opened_links", "server", "link_id", "link_key", "auth_key", "snd_id") + `, created_at
		FROM agent_opened_links WHERE server = ` + thisServer
	openedLink       = openedColumns + ` AND link_id = ` + thisLink
	openedQueue      = openedColumns + ` AND snd_id = ` + sealed.Seal("agent_opened_links.snd_id", "?2", thisServer)
	deleteOpenedLink = `DELETE FROM agent_opened_links WHERE server = ` + thisServer + ` AND link_id = ` + thisLink

	putNotifier = `INSERT OR REPLACE INTO agent_notifiers (rcv_queue_id, auth_key, private, notifier_id, secret)
		VALUES (?1, ` + notifierSealed("auth_key", "?2") + `, ` + notifierSealed("private", "?3") + `,
			` + notifierSealed("notifier_id", "?4") + `, ` + notifierSealed("secret", "?5") + `)`
	selectNotifier = `SELECT ` + opened("agent_notifiers", "auth_key", "private", "notifier_id", "secret") + `
		FROM agent_notifiers WHERE rcv_queue_id = ?`
)

func shortSealed(column, value string) string {
	return sealed.Seal("agent_short_links."+column, value, "?1")
}

func notifierSealed(column, value string) string {
	return sealed.Seal("agent_notifiers."+column, value, "?1")
}

// PutShortLink implements agent.LinkStore.
func (t tx) PutShortLink(l *agent.ShortLink) error {
	return t.exec("put short link", putShortLink,
		l.Queue, string(rune(l.Type)), []byte(l.ID), []byte(l.Key), l.Root.AppendPKCS8(nil), l.Fixed)
}

// ShortLink implements agent.LinkStore.
func (t tx) ShortLink(queue int64) (*agent.ShortLink, error) {
	l := &agent.ShortLink{Queue: queue}
	var kind string
	var id, k, root []byte
	err := t.one("short link", selectShortLink, []any{queue}, &kind, &id, &k, &root, &l.Fixed)
	if err != nil {
		return nil, err
	}
	private, err := key.ParsePrivate(root)
	signs, ok := private.(*key.Ed25519Private)
	if err != nil || !ok || len(kind) != 1 {
		return nil, fmt.Errorf("agentdb: short link: %w", key.ErrParse)
	}
	l.Type, l.ID, l.Key, l.Root = link.Type(kind[0]), smp.LinkID(id), link.Key(k), signs
	return l, nil
}

// DeleteShortLink implements agent.LinkStore.
func (t tx) DeleteShortLink(queue int64) error {
	return t.exec("delete short link", `DELETE FROM agent_short_links WHERE rcv_queue_id = ?`, queue)
}

// PutOpenedLink implements agent.LinkStore.
func (t tx) PutOpenedLink(l *agent.OpenedLink) error {
	return t.exec("put opened link", putOpenedLink,
		l.Server, []byte(l.ID), []byte(l.Key), l.AuthKey.AppendPKCS8(nil), []byte(l.SndID), ms(l.CreatedAt))
}

// OpenedLink implements agent.LinkStore.
func (t tx) OpenedLink(server string, id smp.LinkID) (*agent.OpenedLink, error) {
	return t.opened(openedLink, server, []byte(id))
}

// OpenedQueue implements agent.LinkStore.
func (t tx) OpenedQueue(server string, id smp.SenderID) (*agent.OpenedLink, error) {
	return t.opened(openedQueue, server, []byte(id))
}

func (t tx) opened(query string, args ...any) (*agent.OpenedLink, error) {
	l := new(agent.OpenedLink)
	var id, k, auth, sndID []byte
	var created int64
	err := t.one("opened link", query, args, &l.Server, &id, &k, &auth, &sndID, &created)
	if err != nil {
		return nil, err
	}
	if l.AuthKey, err = key.ParsePrivate(auth); err != nil {
		return nil, fmt.Errorf("agentdb: opened link: %w", err)
	}
	l.ID, l.Key, l.SndID, l.CreatedAt = smp.LinkID(id), link.Key(k), smp.SenderID(sndID), at(created)
	return l, nil
}

// DeleteOpenedLink implements agent.LinkStore.
func (t tx) DeleteOpenedLink(server string, id smp.LinkID) error {
	return t.exec("delete opened link", deleteOpenedLink, server, []byte(id))
}

// PutNotifier implements agent.NotifierStore.
func (t tx) PutNotifier(n *agent.Notifier) error {
	return t.exec("put notifier", putNotifier,
		n.Queue, n.AuthKey.AppendPKCS8(nil), n.Private, []byte(n.ID), n.Secret)
}

// Notifier implements agent.NotifierStore.
func (t tx) Notifier(queue int64) (*agent.Notifier, error) {
	n := &agent.Notifier{Queue: queue}
	var auth, id []byte
	err := t.one("notifier", selectNotifier, []any{queue}, &auth, &n.Private, &id, &n.Secret)
	if err != nil {
		return nil, err
	}
	if n.AuthKey, err = key.ParsePrivate(auth); err != nil {
		return nil, fmt.Errorf("agentdb: notifier: %w", err)
	}
	n.ID = smp.NotifierID(id)
	return n, nil
}

// DeleteNotifier implements agent.NotifierStore.
func (t tx) DeleteNotifier(queue int64) error {
	return t.exec("delete notifier", `DELETE FROM agent_notifiers WHERE rcv_queue_id = ?`, queue)
}
