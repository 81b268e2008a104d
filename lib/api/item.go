package api

import (
	"encoding/json"
	"time"
)

// ChatInfo says whose chat it is: "direct" with Contact, "local" with
// NoteFolder, "contactConnection" with ContactConnection.
type ChatInfo struct {
	Type              string                    `json:"type"`
	Contact           *Contact                  `json:"contact,omitempty"`
	NoteFolder        json.RawMessage           `json:"noteFolder,omitempty"`
	ContactConnection *PendingContactConnection `json:"contactConnection,omitempty"`
}

// AChatItem is an item with the chat it belongs to.
type AChatItem struct {
	ChatInfo ChatInfo `json:"chatInfo"`
	ChatItem ChatItem `json:"chatItem"`
}

// ChatStats counts what a chat holds.
type ChatStats struct {
	UnreadCount     int        `json:"unreadCount"`
	UnreadMentions  int        `json:"unreadMentions"`
	ReportsCount    int        `json:"reportsCount"`
	MinUnreadItemID ChatItemID `json:"minUnreadItemId"`
	UnreadChat      bool       `json:"unreadChat"`
}

// AChat is a chat with some of its items, the oldest first.
type AChat struct {
	ChatInfo  ChatInfo   `json:"chatInfo"`
	ChatItems []ChatItem `json:"chatItems"`
	ChatStats ChatStats  `json:"chatStats"`
}

// CIDirection is "directSnd" or "directRcv".
type CIDirection struct {
	Type string `json:"type"`
}

// CIStatus is where an item stands: sndNew, sndSent, sndRcvd, sndErrorAuth,
// sndError, sndWarning, rcvNew, rcvRead.
type CIStatus struct {
	Type          string          `json:"type"`
	MsgRcptStatus string          `json:"msgRcptStatus,omitempty"`
	SndProgress   string          `json:"sndProgress,omitempty"`
	AgentError    json.RawMessage `json:"agentError,omitempty"`
}

// CIMeta is everything about an item except its content.
type CIMeta struct {
	ItemID ChatItemID `json:"itemId"`
	// ItemTS is the relay's time, in whole seconds, of a received item and our
	// own clock's of a sent one.
	ItemTS            time.Time       `json:"itemTs"`
	ItemText          string          `json:"itemText"`
	ItemStatus        CIStatus        `json:"itemStatus"`
	SentViaProxy      *bool           `json:"sentViaProxy,omitempty"`
	ItemSharedMsgID   string          `json:"itemSharedMsgId,omitempty"`
	ItemForwarded     json.RawMessage `json:"itemForwarded,omitempty"`
	ItemDeleted       *CIDeleted      `json:"itemDeleted,omitempty"`
	ItemEdited        bool            `json:"itemEdited"`
	ItemTimed         *CITimed        `json:"itemTimed,omitempty"`
	ItemLive          *bool           `json:"itemLive,omitempty"`
	UserMention       bool            `json:"userMention"`
	Deletable         bool            `json:"deletable"`
	Editable          bool            `json:"editable"`
	ShowGroupAsSender bool            `json:"showGroupAsSender"`
	CreatedAt         time.Time       `json:"createdAt"`
	UpdatedAt         time.Time       `json:"updatedAt"`
}

// CIDeleted says how an item was deleted.
type CIDeleted struct {
	Type      string     `json:"type"`
	DeletedTS *time.Time `json:"deletedTs,omitempty"`
	ChatType  string     `json:"chatType,omitempty"`
}

// CITimed says when an item disappears.
type CITimed struct {
	TTL      int        `json:"ttl"`
	DeleteAt *time.Time `json:"deleteAt,omitempty"`
}

// CIContent is a message (sndMsgContent, rcvMsgContent) or an entry that the
// program made itself, such as an end-to-end encryption notice.
type CIContent struct {
	Type           string          `json:"type"`
	MsgContent     MsgContent      `json:"msgContent,omitempty"`
	E2EEInfo       *E2EInfo        `json:"e2eeInfo,omitempty"`
	Feature        string          `json:"feature,omitempty"`
	Enabled        *PrefEnabled    `json:"enabled,omitempty"`
	Allowed        string          `json:"allowed,omitempty"`
	Param          *int            `json:"param,omitempty"`
	DeleteMode     string          `json:"deleteMode,omitempty"`
	MsgError       *MsgErrorType   `json:"msgError,omitempty"`
	RcvDirectEvent json.RawMessage `json:"rcvDirectEvent,omitempty"`
	RcvConnEvent   json.RawMessage `json:"rcvConnEvent,omitempty"`
	SndConnEvent   json.RawMessage `json:"sndConnEvent,omitempty"`
}

// MsgContent is the content of a message as its sender wrote it, unknown types
// and fields included: a JSON object with at least "type" and "text".
type MsgContent = json.RawMessage

// E2EInfo says how a chat is encrypted.
type E2EInfo struct {
	PQEnabled *bool `json:"pqEnabled,omitempty"`
}

// MsgErrorType is a failed integrity check of a received message.
type MsgErrorType struct {
	Type      string `json:"type"` // msgSkipped, msgBadId, msgBadHash, msgDuplicate
	FromMsgID *int64 `json:"fromMsgId,omitempty"`
	ToMsgID   *int64 `json:"toMsgId,omitempty"`
	MsgID     *int64 `json:"msgId,omitempty"`
}

// CIQuote is the message that an item answers.
type CIQuote struct {
	ChatDir       *CIDirection    `json:"chatDir,omitempty"`
	ItemID        ChatItemID      `json:"itemId,omitempty"`
	SharedMsgID   string          `json:"sharedMsgId,omitempty"`
	SentAt        time.Time       `json:"sentAt"`
	Content       MsgContent      `json:"content"`
	FormattedText json.RawMessage `json:"formattedText,omitempty"`
}

// ChatItem is one entry of a chat.
type ChatItem struct {
	ChatDir       CIDirection       `json:"chatDir"`
	Meta          CIMeta            `json:"meta"`
	Content       CIContent         `json:"content"`
	Mentions      map[string]any    `json:"mentions"`
	FormattedText json.RawMessage   `json:"formattedText,omitempty"`
	QuotedItem    *CIQuote          `json:"quotedItem,omitempty"`
	Reactions     []CIReactionCount `json:"reactions"`
	File          json.RawMessage   `json:"file,omitempty"`
}

// CIReactionCount counts one reaction.
type CIReactionCount struct {
	Reaction     json.RawMessage `json:"reaction"`
	UserReacted  bool            `json:"userReacted"`
	TotalReacted int             `json:"totalReacted"`
}

// ComposedMessage is what a client asks to send.
type ComposedMessage struct {
	FileSource   json.RawMessage  `json:"fileSource,omitempty"`
	QuotedItemID *ChatItemID      `json:"quotedItemId,omitempty"`
	MsgContent   MsgContent       `json:"msgContent"`
	Mentions     map[string]int64 `json:"mentions"`
}

// ChatItemDeletion is an item that was deleted, and what it became.
type ChatItemDeletion struct {
	DeletedChatItem AChatItem  `json:"deletedChatItem"`
	ToChatItem      *AChatItem `json:"toChatItem,omitempty"`
}

// ChatItemInfo is what can be told of an item beside itself.
type ChatItemInfo struct {
	ItemVersions []ChatItemVersion `json:"itemVersions"`
}

// ChatItemVersion is a content that an item has or had.
type ChatItemVersion struct {
	ChatItemVersionID int64      `json:"chatItemVersionId"`
	MsgContent        MsgContent `json:"msgContent"`
	ItemVersionTS     time.Time  `json:"itemVersionTs"`
	CreatedAt         time.Time  `json:"createdAt"`
}
