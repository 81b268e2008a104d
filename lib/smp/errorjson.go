package smp

import (
	"encoding/json"
	"fmt"
)

// The JSON form of errors is that of the API and of records:
//
//	{"type":"CMD","cmdErr":{"type":"SYNTAX"}}
//	{"type":"PROXY","proxyErr":{"type":"PROTOCOL","protocolErr":{"type":"AUTH"}}}

type typeJSON[T ~string] struct {
	Type T `json:"type"`
}

type errorJSON struct {
	Type    ErrorType           `json:"type"`
	Cmd     *typeJSON[CmdError] `json:"cmdErr,omitempty"`
	Proxy   *ProxyError         `json:"proxyErr,omitempty"`
	Blocked *BlockingInfo       `json:"blockInfo,omitempty"`
	Text    *string             `json:"storeErr,omitempty"`
}

// MarshalJSON writes the JSON form.
func (e *Error) MarshalJSON() ([]byte, error) {
	j := errorJSON{Type: e.Type, Proxy: e.Proxy, Blocked: e.Blocked}
	switch e.Type {
	case TypeCmd:
		j.Cmd = &typeJSON[CmdError]{e.Cmd}
	case TypeStore:
		j.Text = &e.Text
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form.
func (e *Error) UnmarshalJSON(b []byte) error {
	var j errorJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*e = Error{Type: j.Type, Proxy: j.Proxy, Blocked: j.Blocked}
	if j.Cmd != nil {
		e.Cmd = j.Cmd.Type
	}
	if j.Text != nil {
		e.Text = *j.Text
	}
	if e.Type == TypeProxy && e.Proxy == nil || e.Type == TypeBlocked && e.Blocked == nil {
		return fmt.Errorf("smp: error %s without details", e.Type)
	}
	return nil
}

type proxyErrorJSON struct {
	Type     ProxyErrorType `json:"type"`
	Protocol *Error         `json:"protocolErr,omitempty"`
	Broker   *BrokerError   `json:"brokerErr,omitempty"`
}

// MarshalJSON writes the JSON form.
func (e *ProxyError) MarshalJSON() ([]byte, error) { return json.Marshal(proxyErrorJSON(*e)) }

// UnmarshalJSON reads the JSON form.
func (e *ProxyError) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*proxyErrorJSON)(e)); err != nil {
		return err
	}
	if e.Type == ProxyProtocol && e.Protocol == nil || e.Type == ProxyBroker && e.Broker == nil {
		return fmt.Errorf("smp: error PROXY %s without details", e.Type)
	}
	return nil
}

type brokerErrorJSON struct {
	Type      BrokerErrorType `json:"type"`
	Text      *string         `json:"respErr,omitempty"`
	Network   *NetworkError   `json:"networkError,omitempty"`
	Transport *TransportError `json:"transportErr,omitempty"`
}

// MarshalJSON writes the JSON form.
func (e *BrokerError) MarshalJSON() ([]byte, error) {
	j := brokerErrorJSON{Type: e.Type, Network: e.Network, Transport: e.Transport}
	switch {
	case e.Type == BrokerResponse || e.Type == BrokerUnexpected:
		j.Text = &e.Text
	case e.Type == BrokerNetwork && e.Network == nil:
		j.Network = &NetworkError{Type: NetworkFailed}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form.
func (e *BrokerError) UnmarshalJSON(b []byte) error {
	var j brokerErrorJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*e = BrokerError{Type: j.Type, Network: j.Network, Transport: j.Transport}
	if j.Text != nil {
		e.Text = *j.Text
	}
	if e.Type == BrokerNetwork && e.Network == nil {
		e.Network = &NetworkError{Type: NetworkFailed}
	}
	if e.Type == BrokerTransport && e.Transport == nil {
		return fmt.Errorf("smp: error BROKER TRANSPORT without details")
	}
	return nil
}

var networkNames = map[NetworkErrorType]string{
	NetworkConnect: "connectError", NetworkTLS: "tLSError", NetworkUnknownCA: "unknownCAError",
	NetworkFailed: "failedError", NetworkTimeout: "timeoutError", NetworkSubscribe: "subscribeError",
}

type networkErrorJSON struct {
	Type      string  `json:"type"`
	Connect   *string `json:"connectError,omitempty"`
	TLS       *string `json:"tlsError,omitempty"`
	Subscribe *string `json:"subscribeError,omitempty"`
}

// text is the member that holds the text of t; nil if t has none.
func (j *networkErrorJSON) text(t NetworkErrorType) **string {
	switch t {
	case NetworkConnect:
		return &j.Connect
	case NetworkTLS:
		return &j.TLS
	case NetworkSubscribe:
		return &j.Subscribe
	}
	return nil
}

// MarshalJSON writes the JSON form.
func (e *NetworkError) MarshalJSON() ([]byte, error) {
	j := networkErrorJSON{Type: networkNames[e.Type]}
	if p := j.text(e.Type); p != nil {
		*p = &e.Text
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form.
func (e *NetworkError) UnmarshalJSON(b []byte) error {
	var j networkErrorJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	for t, name := range networkNames {
		if name != j.Type {
			continue
		}
		*e = NetworkError{Type: t}
		if p := j.text(t); p != nil && *p != nil {
			e.Text = **p
		}
		return nil
	}
	return fmt.Errorf("smp: unknown network error")
}

var transportNames = map[TransportErrorType]string{
	TransportBlock: "badBlock", TransportVersion: "version", TransportLargeMsg: "largeMsg",
	TransportSession: "badSession", TransportNoAuth: "noServerAuth", TransportHandshake: "handshake",
}

type transportErrorJSON struct {
	Type      string                    `json:"type"`
	Handshake *typeJSON[HandshakeError] `json:"handshakeErr,omitempty"`
}

// MarshalJSON writes the JSON form.
func (e TransportError) MarshalJSON() ([]byte, error) {
	j := transportErrorJSON{Type: transportNames[e.Type]}
	if e.Type == TransportHandshake {
		j.Handshake = &typeJSON[HandshakeError]{e.Handshake}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads the JSON form.
func (e *TransportError) UnmarshalJSON(b []byte) error {
	var j transportErrorJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	for t, name := range transportNames {
		if name != j.Type {
			continue
		}
		*e = TransportError{Type: t}
		if j.Handshake != nil {
			e.Handshake = j.Handshake.Type
		}
		return nil
	}
	return fmt.Errorf("smp: unknown transport error")
}
