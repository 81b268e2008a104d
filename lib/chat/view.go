package chat

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/markdown"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// How rows look in the API.

// editFor is how long a sent message can be changed or deleted for both.
const editFor = 24 * time.Hour

func localProfile(id api.ProfileID, p api.Profile, alias string) api.LocalProfile {
	return api.LocalProfile{
		ProfileID: id, DisplayName: p.DisplayName, FullName: p.FullName, ShortDescr: p.ShortDescr,
		Image: p.Image, ContactLink: p.ContactLink, Preferences: p.Preferences, PeerType: p.PeerType,
		LocalAlias: alias,
	}
}

func userView(u *User) *api.User {
	return &api.User{
		UserID: u.ID, AgentUserID: strconv.FormatInt(int64(u.ID), 10), UserContactID: u.ContactID,
		LocalDisplayName: u.Name, Profile: localProfile(u.ProfileID, u.Profile, ""),
		FullPreferences: fullPreferences(u.Profile.Preferences),
		ActiveUser:      u.Active, ActiveOrder: u.Order, ShowNtfs: u.ShowNtfs && u.Hidden == nil, ViewPwdHash: u.Hidden,
		SendRcptsContacts: u.Receipts, SendRcptsSmallGroups: u.RcptGroups,
		AutoAcceptMemberContacts: u.AutoAccept, UserMemberProfileUpdatedAt: u.NamedAt,
	}
}

// agentConnID is the API's form of a ConnID: base64 of its text.
func agentConnID(id agent.ConnID) string {
	return base64.URLEncoding.EncodeToString([]byte(id))
}

func connView(c *Conn) *api.Connection {
	return &api.Connection{
		ConnID: c.ID, AgentConnID: agentConnID(c.AgentID), ConnChatVersion: c.Version,
		PeerChatVRange: c.Peer, ConnType: "contact", ConnStatus: c.Status,
		LocalAlias: c.Alias, EntityID: c.ContactID, ViaUserContactLink: c.Address, XContactID: c.XID, CustomProfileID: c.customID(),
		PQSupport: c.PQSupport, PQEncryption: c.PQSupport, PQSndEnabled: c.PQ, PQRcvEnabled: c.PQ,
		ConnectionCode: c.Code, CreatedAt: c.CreatedAt,
	}
}

func contactView(tx Tx, u *User, c *Contact) (*api.Contact, error) {
	v := &api.Contact{
		ContactID: c.ID, LocalDisplayName: c.Name, Profile: localProfile(c.ProfileID, c.Profile, c.Alias),
		ContactUsed: c.Used, ContactStatus: c.Status, ChatSettings: c.Settings,
		UserPreferences: c.UserPrefs, MergedPreferences: mergePreferences(u, c),
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, ChatTS: c.ChatTS,
		ChatTags: append([]int64{}, c.Tags...), ChatItemTTL: c.ItemTTL, ChatDeleted: c.Deleted, ContactRequestID: c.RequestID,
	}
	if c.ConnID != 0 {
		conn, err := tx.Conn(c.ConnID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil {
			v.ActiveConn = connView(conn)
		}
	}
	return v, nil
}

func pendingView(c *Conn) *api.PendingContactConnection {
	v := &api.PendingContactConnection{
		PccConnID: c.ID, PccAgentConnID: agentConnID(c.AgentID), PccConnStatus: c.Status, ViaContactURI: c.Request,
		CustomProfileID: c.customID(), ConnLinkInv: c.Link, LocalAlias: c.Alias, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if c.Request {
		v.ConnLinkInv = nil // it is not an invitation
	}
	return v
}

// customID is the number of the profile that only this contact sees, or 0.
func (c *Conn) customID() api.ProfileID {
	if c.Custom == nil {
		return 0
	}
	return c.Custom.ID
}

func (c *Core) itemView(it *Item) api.ChatItem {
	v := it.Item
	own := it.Sent && it.Message && v.Meta.ItemDeleted == nil && c.now().Sub(v.Meta.ItemTS) < editFor
	v.Meta.Deletable, v.Meta.Editable = own, own
	if it.Message {
		v.FormattedText = formatted(v.Content.MsgContent)
	}
	if v.QuotedItem != nil {
		q := *v.QuotedItem
		q.FormattedText, v.QuotedItem = formatted(q.Content), &q
	}
	return v
}

// formatted is the formatting of a message's text, nil if it has none.
func formatted(c api.MsgContent) json.RawMessage {
	content, err := xmsg.ParseContent(c)
	if err != nil {
		return nil
	}
	pieces := markdown.Parse(content.Text)
	if pieces == nil {
		return nil
	}
	b, err := json.Marshal(pieces)
	if err != nil {
		panic("chat: unreachable: pieces of text always have a JSON form")
	}
	return b
}

func (c *Core) aItem(contact *api.Contact, it *Item) api.AChatItem {
	return api.AChatItem{ChatInfo: directInfo(contact), ChatItem: c.itemView(it)}
}

func directInfo(contact *api.Contact) api.ChatInfo {
	return api.ChatInfo{Type: "direct", Contact: contact}
}

func chatStats(tx Tx, ct *Contact) (s api.ChatStats, err error) {
	n, err := tx.Unread(ct.ID)
	return api.ChatStats{UnreadCount: n.Count, MinUnreadItemID: n.Min, UnreadChat: ct.Unread}, err
}
