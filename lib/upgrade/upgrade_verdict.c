// SPDX-License-Identifier: BSD-3-Clause
// What became of an upgrade: the one place that puts together what both sides said.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

const char *ht_upgrade_state_name(enum ht_upgrade_state state) {
	static const char *const names[] = {
#define X(id, name, help) #name,
		HT_UPGRADE_STATES(X)
#undef X
	};
	return (unsigned)state < HT_NUM_UPGRADE_STATES ? names[state] : "?";
}

// A proxy header has no answer: the server's layers are those that it granted.
unsigned up_layers_answered(const struct ht_upgrade *client) {
	unsigned n = 0;
	for (unsigned i = 0; i < client->layer; i++)
		n += client->via[i] != HT_VIA_PROXY_V1 && client->via[i] != HT_VIA_PROXY_V2;
	return n;
}

static bool is_proxy(uint8_t via) {
	switch (via) {
	case HT_VIA_HTTP_CONNECT:
	case HT_VIA_SOCKS4:
	case HT_VIA_SOCKS5:
	case HT_VIA_PROXY_V1:
	case HT_VIA_PROXY_V2:
		return true;
	default:
		return false;
	}
}

// The answer to the client's last request, of the protocol at hand.
static enum ht_answer answer_to(const struct ht_upgrade *client, const struct ht_answers *server) {
	unsigned layer = up_layers_answered(client);
	if (server->layer > layer) // a proxy granted it, and something else begins
		return is_proxy(client->via[client->layer]) ? HT_ANSWER_YES : HT_ANSWER_OTHER;
	if (server->layer < layer || client->asked_at >= server->num
	    || client->asked_at >= HT_REPLIES_MAX)
		return HT_ANSWER_NONE;
	return (enum ht_answer)server->reply[client->asked_at];
}

static bool
say(struct ht_verdict *v, enum ht_upgrade_state state, const char *severity, const char *evidence) {
	*v = (struct ht_verdict){state, severity, evidence};
	return true;
}

// Did something in clear stand between the server's go-ahead and its TLS? Whoever is on the path
// can put it there, and a client that has read it takes it for the server's.
static bool injected(const struct ht_upgrade *client, const struct ht_answers *server) {
	if (server == NULL)
		return false;
	const bool behind = server->said & HT_SAID_INJECTED;
	if (client == NULL || !(client->said & HT_SAID_ASKED))
		return behind && (server->said & HT_SAID_TLS);
	if (server->layer != up_layers_answered(client)
	    || answer_to(client, server) != HT_ANSWER_YES)
		return false;
	return behind || (server->candidates != 0 && server->num > client->asked_at + 1);
}

static bool completed(
	struct ht_verdict *v,
	const struct ht_upgrade *client,
	const struct ht_answers *server,
	const char *evidence
) {
	if (client != NULL && (client->said & HT_SAID_WENT_ON))
		return say(
			v, HT_UPGRADE_COMPLETED, "warning",
			"commands in clear stood between the request and the hello"
		);
	if (injected(client, server))
		return say(
			v, HT_UPGRADE_COMPLETED, "warning",
			"the server's side went on in clear behind its go-ahead"
		);
	return say(v, HT_UPGRADE_COMPLETED, "info", evidence);
}

static bool plain(struct ht_verdict *v, uint16_t said) {
	const char *what;
	if (said & HT_SAID_REQUIRED)
		what = said & HT_SAID_LOGIN ? "a login in clear; the server requires TLS"
					    : "a mail in clear; the server requires TLS";
	else
		what = said & HT_SAID_LOGIN ? "a login in clear; the server offered TLS"
					    : "a mail in clear; the server offered TLS";
	return say(v, HT_UPGRADE_PLAIN_CREDENTIALS, "warning", what);
}

// What a server answers there depends on its configuration alone, and not on the hour or on who
// asks.
static bool always_the_same(const struct ht_upgrade *client) {
	uint8_t via = client->via[client->layer];
	return via == HT_VIA_POSTGRESQL || via == HT_VIA_TDS;
}

static const char preauth[] = "the greeting says PREAUTH, which rules TLS out";

// The client asked, and no hello followed.
static bool
asked(struct ht_verdict *v,
      const struct ht_upgrade *client,
      const struct ht_answers *server,
      uint16_t said,
      bool offered_before) {
	const bool proxy = is_proxy(client->via[client->layer]);
	const bool exposed = said & (HT_SAID_LOGIN | HT_SAID_MAIL);
	const bool offered = said & (HT_SAID_OFFERED | HT_SAID_REQUIRED);
	if (server == NULL)
		return !proxy
		       && say(v, HT_UPGRADE_REQUESTED_UNANSWERED, "notice",
			      "only the client's side was seen");
	// Behind a login TLS may be refused by right.
	const bool late = (said & HT_SAID_LOGIN) && client->login_at < client->asked_at;
	const enum ht_answer answer = answer_to(client, server);
	if (answer == HT_ANSWER_OTHER && proxy)
		return false; // granted, and nothing followed
	if ((answer == HT_ANSWER_NO || answer == HT_ANSWER_OTHER) && offered_before && !offered
	    && always_the_same(client))
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"refused, though this server did not on an earlier connection"
		);
	switch (answer) {
	case HT_ANSWER_YES:
		if (proxy)
			return false; // what it carried was no TLS
		if (exposed)
			return plain(v, said | HT_SAID_OFFERED);
		return say(
			v, HT_UPGRADE_OFFERED_UNUSED, "notice",
			"asked for and granted, and no hello followed"
		);
	case HT_ANSWER_UNKNOWN:
		if (offered && !late)
			return say(
				v, HT_UPGRADE_STRIPPED, "critical",
				"the server offered it, then did not know the command"
			);
		if (offered_before && !late)
			return say(
				v, HT_UPGRADE_STRIPPED, "critical",
				"the command is not known, though this server offered TLS on an "
				"earlier connection"
			);
		if (exposed && offered)
			return plain(v, said);
		return say(v, HT_UPGRADE_REFUSED, "notice", "the server does not know the command");
	case HT_ANSWER_NO:
		if (exposed && offered)
			return plain(v, said);
		if (said & HT_SAID_PREAUTH)
			return say(v, HT_UPGRADE_REFUSED, "notice", preauth);
		return say(
			v, HT_UPGRADE_REFUSED, "notice", offered ? "offered, then refused" : NULL
		);
	case HT_ANSWER_OTHER:
		if (exposed && offered)
			return plain(v, said);
		return say(v, HT_UPGRADE_REFUSED, "notice", "the answer was no go-ahead");
	default:
		if (exposed && offered)
			return plain(v, said);
		// An answer there was, and it could not be read, or came too late to be kept.
		if (proxy || server->done || client->asked_at < server->num)
			return false;
		return say(v, HT_UPGRADE_REQUESTED_UNANSWERED, "notice", "no answer was seen");
	}
}

// Is the rest of a list still to come, or lost?
static bool is_listing(const struct ht_answers *server) {
	if (server->state == UP_ANSWER_XMPP)
		return server->flags & UP_IN_FEATURES;
	if (server->candidates == UP_SIEVE)
		return server->num == 0;
	// "250-" and "211-" go on, the lists of NNTP and POP3 until ".".
	return server->candidates != 0 && (server->code != 0 || (server->flags & UP_LISTING));
}

// Was there a list that had to have the offer? Behind a login it may lack it by right. Of the
// server alone, only what it said in its greeting or to the first command is sure to come before a
// login; in IMAP a list may belong to the first command's reply though that was a login.
static bool is_listed(const struct ht_upgrade *client, const struct ht_answers *server) {
	if (server == NULL || !(server->said & HT_SAID_LISTED) || is_listing(server))
		return false;
	if (client == NULL)
		return server->listed_at <= (server->candidates == UP_IMAP ? 0 : 1);
	if (server->candidates == 0) // no text: its greeting is no reply
		return !(client->said & HT_SAID_LOGIN) || client->login_at >= server->listed_at;
	return !(client->said & HT_SAID_LOGIN) || client->login_at > server->listed_at
	       || server->candidates == UP_IRC; // whose list does not change
}

// Was the server's last word a go-ahead? Then a hello answers it, though the request was not seen.
static bool granted_last(const struct ht_answers *server) {
	return server != NULL && server->num > 0 && server->num <= HT_REPLIES_MAX
	       && server->reply[server->num - 1] == HT_ANSWER_YES;
}

// Was it tampered with, whatever the client asked and was answered?
static bool stripped(struct ht_verdict *v, uint16_t said, bool listed, bool offered_before) {
	// Firewalls overwrite whatever they do not know: that is no harm if TLS is still there.
	if ((said & HT_SAID_OVERWRITTEN) && !(said & HT_SAID_OFFERED))
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"a line of what the server can do was overwritten"
		);
	if (said & HT_SAID_MANGLED)
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"a command of the client was overwritten"
		);
	if (offered_before && listed && !(said & HT_SAID_OFFERED))
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"not offered, though this server did on an earlier connection"
		);
	if (offered_before && (said & HT_SAID_PREAUTH))
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"the greeting says PREAUTH, though this server offered TLS on an earlier "
			"connection"
		);
	return false;
}

bool ht_upgrade_verdict(
	struct ht_verdict *v,
	const struct ht_upgrade *client,
	const struct ht_answers *server,
	bool hello,
	bool offered_before
) {
	const uint16_t said = (uint16_t
	)((client != NULL ? client->said : 0) | (server != NULL ? server->said : 0));
	// TLS from the first byte is no upgrade.
	const bool begun = (said & (uint16_t)~HT_SAID_TLS) || (server != NULL && server->num > 0);
	if (hello)
		return ((client != NULL && client->num_via > 0) || granted_last(server))
		       && completed(v, client, server, NULL);
	if (said & HT_SAID_TLS)
		return begun
		       && completed(
			       v, client, server,
			       client == NULL
				       ? "only the server's side was seen: it went on with TLS"
				       : "the server went on with TLS; no hello was seen whole"
		       );
	const bool listed = is_listed(client, server);
	if (stripped(v, said, listed, offered_before))
		return true;
	if (said & HT_SAID_ASKED)
		return asked(v, client, server, said, offered_before);
	if ((said & (HT_SAID_OFFERED | HT_SAID_REQUIRED))
	    && (said & (HT_SAID_LOGIN | HT_SAID_MAIL)))
		return plain(v, said);
	if (said & HT_SAID_PREAUTH)
		return say(v, HT_UPGRADE_NOT_OFFERED, "notice", preauth);
	if ((said & HT_SAID_REQUIRED) && listed && !(said & HT_SAID_OFFERED))
		return say(
			v, HT_UPGRADE_NOT_OFFERED, "warning",
			"the server requires TLS, and its list lacks it"
		);
	if (said & HT_SAID_REQUIRED)
		return say(v, HT_UPGRADE_OFFERED_UNUSED, "info", "the server requires TLS");
	if (said & HT_SAID_OFFERED)
		return say(v, HT_UPGRADE_OFFERED_UNUSED, "info", NULL);
	if (listed)
		return say(v, HT_UPGRADE_NOT_OFFERED, "info", NULL);
	return false;
}
