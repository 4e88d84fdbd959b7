package relay_test

import (
	"testing"

	"channelserver/relay"
)

// The codes and tokens are on the wire: docs/protocol.md section 4.
func TestReasons(t *testing.T) {
	want := []struct {
		reason relay.Reason
		code   int
		token  string
	}{
		{relay.Bye, 1000, "bye"},
		{relay.Shutdown, 1001, "shutdown"},
		{relay.ProtocolError, 1002, "protocol-error"},
		{relay.Lost, 1006, "lost"},
		{relay.BadPayload, 1007, "bad-payload"},
		{relay.Flood, 1008, "flood"},
		{relay.MessageTooBig, 1009, "message-too-big"},
		{relay.InternalError, 1011, "internal-error"},
		{relay.Restart, 1012, "restart"},
		{relay.Slow, 1013, "slow"},
		{relay.BadChannelID, 4001, "bad-channel-id"},
		{relay.NoSuchChannel, 4004, "no-such-channel"},
		{relay.ChannelExpired, 4008, "channel-expired"},
		{relay.Replaced, 4009, "replaced"},
		{relay.ClientTimeout, 4010, "client-timeout"},
		{relay.ChannelFull, 4011, "channel-full"},
		{relay.AddressRefused, 4012, "address-refused"},
		{relay.TooManyMessages, 4013, "too-many-messages"},
		{relay.TooMuchData, 4014, "too-much-data"},
		{relay.ChannelEnded, 4015, "channel-ended"},
		{relay.MissedMessages, 4016, "missed-messages"},
	}
	all := relay.Reasons()
	if len(all) != len(want) {
		t.Fatalf("there are %d reasons, want %d", len(all), len(want))
	}
	for i, w := range want {
		if all[i] != w.reason || w.reason.Code() != w.code || w.reason.String() != w.token {
			t.Errorf("reason %d is %d %q, want %d %q", i, all[i].Code(), all[i], w.code, w.token)
		}
	}
	if relay.None.Code() != 0 || relay.None.String() != "none" {
		t.Errorf("None is %d %q", relay.None.Code(), relay.None)
	}
}

func TestRequestsHaveNames(t *testing.T) {
	for request, want := range map[relay.Request]string{
		relay.RequestNew: "new", relay.RequestExisting: "existing", relay.RequestBadID: "bad-id",
	} {
		if got := request.String(); got != want {
			t.Errorf("request %d is %q, want %q", request, got, want)
		}
	}
}
