package remote

import (
	"encoding/json"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
)

// A Rule says that commands do not pass from a controller to a profile, and
// why.
type Rule struct {
	// Begins are the commands' first words; what follows them does not matter.
	Begins []string
	Why    string
}

// Refused are the commands that do not pass: those that are about the machine
// that the profile lives on, or about who may drive it, and not about the
// profile.
var Refused = []Rule{
	{[]string{"/_start", "/_stop", "/_app", "/quit", "/q", "/exit"},
		"they start and stop the program that answers"},
	{[]string{"/_db", "/db"},
		"they export, replace, encrypt and delete the database under the session"},
	{[]string{"/sql"},
		"they read and change the database past all rules"},
	{[]string{"/_temp_folder", "/_files_folder", "/temp_folder", "/files_folder", "/remote_hosts_folder", "/set file paths", "/_files_encrypt"},
		"they name folders of the host's disk"},
	{[]string{"/network", "/_network {", "/_network{", "/reconnect"},
		"they turn the host's proxies on and off, and could cut it off or show its address"},
	{[]string{"/set device name", "/list remote", "/start remote", "/switch remote", "/stop remote", "/delete remote",
		"/store remote", "/get remote", "/connect remote", "/find remote", "/confirm remote", "/verify remote", "/crc"},
		"they say who drives whom, which is for whoever is at the device to say"},
}

// refused is the reason why a command does not pass, or "".
func refused(cmd string) string {
	cmd = strings.TrimLeft(cmd, " \t\r\n")
	for _, r := range Refused {
		for _, word := range r.Begins {
			rest, ok := strings.CutPrefix(cmd, word)
			if ok && (rest == "" || strings.ContainsAny(word[len(word)-1:], "{") || strings.ContainsAny(rest[:1], " \t\r\n")) {
				return r.Why
			}
		}
	}
	return ""
}

// userCommands are about profiles as such; a controller that may see some of
// them only gets its own rules for them.
var userCommands = []string{"/create user", "/_create user", "/_delete user", "/delete user", "/_hide user", "/hide user",
	"/_unhide user", "/unhide user", "/_mute user", "/mute user", "/_unmute user", "/unmute user", "/create bot"}

func begins(cmd string, words []string) bool {
	for _, w := range words {
		if rest, ok := strings.CutPrefix(cmd, w); ok && (rest == "" || rest[0] == ' ') {
			return true
		}
	}
	return false
}

// readOnly are the types of answers that changed nothing.
var readOnly = map[string]bool{
	"activeUser": true, "usersList": true, "apiChats": true, "chats": true, "apiChat": true, "chatItems": true,
	"chatItemInfo": true, "chatItemId": true, "contactsList": true, "contactInfo": true, "contactCode": true,
	"groupsList": true, "groupInfo": true, "groupMembers": true, "groupMemberInfo": true, "groupLink": true,
	"userProfile": true, "userContactLink": true, "userServers": true, "userServersValidation": true,
	"connectionPlan": true, "networkStatuses": true, "chatTags": true, "chatItemTTL": true, "versionInfo": true,
	"chatHelp": true, "welcome": true, "chatCmdError": true, "networkConfig": true, "serverOperatorConditions": true,
	"usageConditions": true, "agentSubs": true, "agentServersSummary": true, "queueInfo": true, "archiveExported": true,
	"appSettings": true, "callInvitations": true, "contactsSubSummary": true, "remoteCtrlList": true, "remoteHostList": true,
	"chatStopped": true, "chatRunning": true, "debugLocks": true, "agentWorkersSummary": true, "ntfToken": true,
}

// maxApplied is the largest answer that is told to the host's own clients.
const maxApplied = 64 << 10

// localEvents are those that are for the device alone.
func localEvent(typ string) bool {
	return strings.HasPrefix(typ, "remoteCtrl") || strings.HasPrefix(typ, "remoteHost") ||
		typ == "newRemoteHost" || typ == "chatSuspended"
}

// ctrlError is an error of the bot API's.
func ctrlError(typ string) *api.ChatError {
	b, _ := json.Marshal(map[string]string{"type": typ}) // a string: cannot fail
	return &api.ChatError{Type: "errorRemoteCtrl", RemoteCtrlError: b}
}

func commandError(text string) *api.ChatError {
	return &api.ChatError{Type: "error", ErrorType: &api.ErrorType{Type: "commandError", Message: &text}}
}

// parseFail is what the bot API says of a command that it cannot read.
var parseFail = commandError("Failed reading: empty")

func errorAnswer(e *api.ChatError) api.Response {
	return api.Response{Type: "chatCmdError", ChatError: e}
}
