// Package roads opens the roads of package carrier for remote control: all of
// them for a controller that waits ([Open]), and those that an invitation tells
// of for a host that wants to get there ([To]).
//
//	road       needs of the controller          is told in the invitation by
//	tcp        a TCP port that can be reached    its address
//	multicast  the same, and a known host        an announcement, and its address
//	flip-tcp   the same port, for one line       its address and "via"
//	flip-udp   the UDP port of the same number   its address and "via"
//	dtls       the UDP port of the same number   its address and "via"
//	libp2p     a libp2p host                     "p2p"
//	flip-smp   a queue of a relay                "smp" and "via"
//	smp        the same queue                    "smp" and "via"
//
// A controller of the reference gives no "via": then tcp is the only road, as
// others would look like failed attempts to it. A list that was asked for with
// --via is tried in any case.
//
// Roads begin a tenth of a second after each other, the plain ones first, so
// that no relay is troubled where tcp leads there at once. A host that has lost
// its controller gets the next invitation by multicast, or asks for it by any
// road of the last one: [Station.Offer] and [Ask].
package roads
