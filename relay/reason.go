package relay

// A Reason says why a connection, a seat or a channel ended. Each is typed once, here, and
// serves as the close text, the value of the reason label in metrics and the word in logs.
// The set is closed: no reason is ever built from what a client sent.
type Reason uint8

// The reasons, in the order of their close codes. docs/protocol.md section 4 tells when each is used.
const (
	None            Reason = iota // nothing has ended
	Bye                           // 1000: the member left
	Shutdown                      // 1001: the server ends now
	ProtocolError                 // 1002: RFC 6455 was broken
	Lost                          // 1006: the socket ended without a close frame; never sent (RFC 6455 section 7.1.5)
	BadPayload                    // 1007: not UTF-8, or not base64url where that is required
	Flood                         // 1008: too many control frames or fragments
	MessageTooBig                 // 1009: over Limits.MaxMessageSize
	InternalError                 // 1011: a fault of ours
	Restart                       // 1012: the server is being replaced; reconnect
	Slow                          // 1013: the peer does not read
	BadChannelID                  // 4001: not 22 characters of canonical base64url
	NoSuchChannel                 // 4004: never existed, expired or ended
	ChannelExpired                // 4008: Limits.Lifespan is over
	Replaced                      // 4009: the seat was resumed by a newer connection
	ClientTimeout                 // 4010: nothing was heard for too long
	ChannelFull                   // 4011: Limits.MaxConnections
	AddressRefused                // 4012: an address not seen in this channel before
	TooManyMessages               // 4013: Limits.MaxExchanges
	TooMuchData                   // 4014: Limits.MaxData
	ChannelEnded                  // 4015: a member ended the channel
	MissedMessages                // 4016: an away seat could not be kept whole
	reasonCount
)

var reasonWords = [reasonCount]struct {
	word string
	code uint16
}{
	None:            {"none", 0},
	Bye:             {"bye", 1000},
	Shutdown:        {"shutdown", 1001},
	ProtocolError:   {"protocol-error", 1002},
	Lost:            {"lost", 1006},
	BadPayload:      {"bad-payload", 1007},
	Flood:           {"flood", 1008},
	MessageTooBig:   {"message-too-big", 1009},
	InternalError:   {"internal-error", 1011},
	Restart:         {"restart", 1012},
	Slow:            {"slow", 1013},
	BadChannelID:    {"bad-channel-id", 4001},
	NoSuchChannel:   {"no-such-channel", 4004},
	ChannelExpired:  {"channel-expired", 4008},
	Replaced:        {"replaced", 4009},
	ClientTimeout:   {"client-timeout", 4010},
	ChannelFull:     {"channel-full", 4011},
	AddressRefused:  {"address-refused", 4012},
	TooManyMessages: {"too-many-messages", 4013},
	TooMuchData:     {"too-much-data", 4014},
	ChannelEnded:    {"channel-ended", 4015},
	MissedMessages:  {"missed-messages", 4016},
}

// String returns the stable token of the reason, at most 123 octets, so that it fits a close
// frame (RFC 6455 section 5.5).
func (r Reason) String() string { return reasonWords[r].word }

// Code returns the WebSocket close code of the reason (RFC 6455 section 7.4); 0 for None.
func (r Reason) Code() int { return int(reasonWords[r].code) }

// Reasons returns every reason but None, in the order of their close codes.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := None + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}
