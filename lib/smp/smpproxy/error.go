package smpproxy

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// What clients are told. smp: Error responses
var (
	errTimeout = broker(smp.BrokerError{Type: smp.BrokerTimeout})
	errNetwork = broker(smp.BrokerError{Type: smp.BrokerNetwork})
	errHost    = broker(smp.BrokerError{Type: smp.BrokerHost})
)

func broker(e smp.BrokerError) *smp.Error { return smp.ProxyBrokerError(e) }

// dialError is what a client is told of a connection attempt. That it took too
// long, or that the relay has another identity, is an error of the network.
func dialError(err error) *smp.Error {
	var te smp.TransportError
	switch {
	case errors.Is(err, errUnreachable):
		return errHost
	case errors.Is(err, smpclient.ErrFingerprint):
		return errNetwork
	case errors.Is(err, smpclient.ErrVersion):
		return broker(smp.BrokerError{Type: smp.BrokerTransport, Transport: &smp.ErrTransportVersion})
	case errors.As(err, &te):
		return broker(smp.BrokerError{Type: smp.BrokerTransport, Transport: &te})
	}
	return errNetwork
}

// forwardError is what a client is told of a command that was not answered.
// An error of the destination about the forwarding is in PROTOCOL; one about
// the client's command is inside of the answer.
func forwardError(err error) *smp.Error {
	var pe *smp.Error
	var te smp.TransportError
	switch {
	case errors.Is(err, smpclient.ErrUnexpected):
		// The answer's words are for the operator's log, not for clients.
		return broker(smp.BrokerError{Type: smp.BrokerUnexpected})
	case errors.As(err, &te):
		return broker(smp.BrokerError{Type: smp.BrokerTransport, Transport: &te})
	case errors.As(err, &pe):
		return smp.ProxyProtocolError(pe)
	case errors.Is(err, smpclient.ErrClosed):
		return errNetwork
	case errors.Is(err, smpclient.ErrOldVersion):
		return broker(smp.BrokerError{Type: smp.BrokerTransport, Transport: &smp.ErrTransportNoAuth})
	}
	return errTimeout
}
