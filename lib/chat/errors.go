package chat

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// cmdFail is the bot API's word for a command it cannot read.
const cmdFail = "Failed reading: empty"

func commandError(text string) *api.ChatError {
	return coreError(api.ErrorType{Type: "commandError", Message: &text})
}

func coreError(e api.ErrorType) *api.ChatError { return &api.ChatError{Type: "error", ErrorType: &e} }

func storeError(e api.StoreError) *api.ChatError {
	return &api.ChatError{Type: "errorStore", StoreError: &e}
}

func noContact(id api.ContactID) *api.ChatError {
	return storeError(api.StoreError{Type: "contactNotFound", ContactID: &id})
}

func noItem(id api.ChatItemID) *api.ChatError {
	return storeError(api.StoreError{Type: "chatItemNotFound", ItemID: &id})
}

func noContactName(name string) *api.ChatError {
	return storeError(api.StoreError{Type: "contactNotFoundByName", ContactName: &name})
}

func noGroup(id int64) *api.ChatError {
	return storeError(api.StoreError{Type: "groupNotFound", GroupID: &id})
}

// chatError makes an API error of any error.
func chatError(err error) *api.ChatError {
	var ce *api.ChatError
	if errors.As(err, &ce) {
		return ce
	}
	switch {
	case errors.Is(err, xmsg.ErrTooLarge), errors.Is(err, agent.ErrTooLarge):
		return storeError(api.StoreError{Type: "largeMsg"})
	case errors.Is(err, agent.ErrLink), errors.Is(err, agent.ErrVersion):
		return coreError(api.ErrorType{Type: "invalidConnReq"})
	}
	return &api.ChatError{Type: "errorAgent", AgentError: agentErrorJSON(err)}
}

// agentErrorJSON is an error of the agent in the API's words.
func agentErrorJSON(err error) json.RawMessage {
	v := map[string]any{"type": "INTERNAL", "internalErr": err.Error()}
	var ae *agent.Error
	if errors.As(err, &ae) {
		switch ae.Code {
		case agent.CodeAuth, agent.CodeQuota:
			t := map[agent.ErrorCode]string{agent.CodeAuth: "AUTH", agent.CodeQuota: "QUOTA"}[ae.Code]
			v = map[string]any{"type": "SMP", "serverAddress": ae.Server, "smpErr": map[string]any{"type": t}}
		case agent.CodeNetwork:
			v = map[string]any{"type": "BROKER", "brokerAddress": ae.Server,
				"brokerErr": map[string]any{"type": "NETWORK", "networkError": map[string]any{"type": "connectError", "connectError": ae.Detail}}}
		case agent.CodeTimeout:
			v = map[string]any{"type": "BROKER", "brokerAddress": ae.Server, "brokerErr": map[string]any{"type": "TIMEOUT"}}
		}
	}
	if errors.Is(err, agent.ErrNotFound) {
		v = map[string]any{"type": "CONN", "connErr": map[string]any{"type": "NOT_FOUND"}, "errContext": ""}
	}
	b, mErr := json.Marshal(v)
	if mErr != nil {
		panic("chat: unreachable: a map of strings always has a JSON form")
	}
	return b
}

// callError makes the error of a structured call.
func callError(err error) *api.Error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	code := api.CodeInternal
	var ae *agent.Error
	var ce *api.ChatError
	switch {
	case errors.Is(err, agent.ErrLink), errors.Is(err, xmsg.ErrTooLarge), errors.Is(err, agent.ErrTooLarge):
		code = api.CodeData
	case errors.Is(err, agent.ErrVersion):
		code = api.CodeProtocol
	case errors.Is(err, agent.ErrNotFound), errors.Is(err, ErrNotFound):
		code = api.CodeNotFound
	case errors.Is(err, agent.ErrNoServers):
		code = api.CodeUsage
	case diskFault(err):
		code = api.CodeIO
	case errors.As(err, &ae):
		code = agentCode(ae.Code)
	case errors.As(err, &ce):
		code = chatCode(ce)
	}
	return &api.Error{Type: "error", Code: code, Message: err.Error()}
}

// diskFault tells errors of the store that are the disk's.
func diskFault(err error) bool {
	var disk interface{ Disk() bool }
	return errors.As(err, &disk) && disk.Disk()
}

func agentCode(c agent.ErrorCode) api.ErrorCode {
	switch c {
	case agent.CodeAuth:
		return api.CodeNotFound
	case agent.CodeNetwork:
		return api.CodeUnavailable
	case agent.CodeNoHost:
		return api.CodeNoHost
	case agent.CodeIdentity:
		return api.CodeRefused
	case agent.CodeTimeout, agent.CodeQuota, agent.CodeExpired:
		return api.CodeTimeout
	case agent.CodeVersion, agent.CodeProtocol, agent.CodeDecrypt:
		return api.CodeProtocol
	case agent.CodeTooLarge:
		return api.CodeData
	case agent.CodeServer:
		return api.CodeUnavailable
	}
	return api.CodeInternal
}

func chatCode(e *api.ChatError) api.ErrorCode {
	switch {
	case e.StoreError != nil:
		if e.StoreError.Type == "largeMsg" {
			return api.CodeData
		}
		return api.CodeNotFound
	case e.ErrorType == nil:
		return api.CodeUnavailable
	}
	switch e.ErrorType.Type {
	case "invalidConnReq":
		return api.CodeData
	case "userExists":
		return api.CodeExists
	case "contactNotReady", "contactNotActive":
		return api.CodeNotFound
	}
	return api.CodeUsage
}

func usage(format string, args ...any) *api.Error {
	return &api.Error{Type: "error", Code: api.CodeUsage, Message: "chat: " + fmt.Sprintf(format, args...)}
}
