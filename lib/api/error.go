package api

import (
	"encoding/json"
	"fmt"
)

// ChatError is why a command failed, in the bot API's words. Type is "error"
// with ErrorType, "errorStore" with StoreError, or "errorAgent" with AgentError.
type ChatError struct {
	Type       string          `json:"type"`
	ErrorType  *ErrorType      `json:"errorType,omitempty"`
	StoreError *StoreError     `json:"storeError,omitempty"`
	AgentError json.RawMessage `json:"agentError,omitempty"`

	// Of remote control: types "errorRemoteCtrl", and "errorRemoteHost" with
	// the host it is about.
	RemoteCtrlError json.RawMessage `json:"remoteCtrlError,omitempty"`
	RHKey           json.RawMessage `json:"rhKey,omitempty"`
	RemoteHostError json.RawMessage `json:"remoteHostError,omitempty"`
}

// ErrorType is an error of the chat core.
type ErrorType struct {
	Type          string   `json:"type"`
	Message       *string  `json:"message,omitempty"`
	Contact       *Contact `json:"contact,omitempty"`
	ContactName   string   `json:"contactName,omitempty"`
	CommandUserID UserID   `json:"commandUserId,omitempty"`
	ActiveUserID  UserID   `json:"activeUserId,omitempty"`
	UserID        UserID   `json:"userId,omitempty"`
	DisplayName   *string  `json:"displayName,omitempty"`
	ValidName     *string  `json:"validName,omitempty"`
}

// StoreError is an error of the chat database: mostly that something is not there.
type StoreError struct {
	Type             string      `json:"type"`
	UserID           *UserID     `json:"userId,omitempty"`
	ContactID        *ContactID  `json:"contactId,omitempty"`
	ContactName      *string     `json:"contactName,omitempty"`
	ItemID           *ChatItemID `json:"itemId,omitempty"`
	Text             *string     `json:"text,omitempty"`
	ConnID           *ConnID     `json:"connId,omitempty"`
	GroupID          *int64      `json:"groupId,omitempty"`
	GroupName        *string     `json:"groupName,omitempty"`
	NoteFolderID     *int64      `json:"noteFolderId,omitempty"`
	Message          *string     `json:"message,omitempty"`
	ContactRequestID *int64      `json:"contactRequestId,omitempty"`
	RemoteHostID     *int64      `json:"remoteHostId,omitempty"`
}

// describe is the error's name and what is not there.
func (e *StoreError) describe() string {
	switch {
	case e.ContactName != nil:
		return fmt.Sprintf("%s: %q", e.Type, *e.ContactName)
	case e.ContactID != nil:
		return fmt.Sprintf("%s: %d", e.Type, *e.ContactID)
	case e.ItemID != nil:
		return fmt.Sprintf("%s: %d", e.Type, *e.ItemID)
	case e.Message != nil:
		return fmt.Sprintf("%s: %s", e.Type, *e.Message)
	}
	return e.Type
}

// Error gives the names of the error, outermost first.
func (e *ChatError) Error() string {
	switch {
	case e.ErrorType != nil && e.ErrorType.Message != nil:
		return fmt.Sprintf("%s: %s", e.ErrorType.Type, *e.ErrorType.Message)
	case e.ErrorType != nil:
		return e.ErrorType.Type
	case e.StoreError != nil:
		return e.StoreError.describe()
	case e.AgentError != nil:
		return "agent: " + string(e.AgentError)
	case e.RemoteCtrlError != nil:
		return "remote controller: " + string(e.RemoteCtrlError)
	case e.RemoteHostError != nil:
		return "remote host: " + string(e.RemoteHostError)
	}
	return e.Type
}
