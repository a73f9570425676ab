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
	return via >= HT_VIA_HTTP_CONNECT && via <= HT_VIA_PROXY_V2 && via != HT_VIA_HTTP_UPGRADE;
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

static bool
completed(struct ht_verdict *v, const struct ht_upgrade *client, const struct ht_answers *server) {
	if (server != NULL && (server->said & HT_SAID_INJECTED))
		return say(
			v, HT_UPGRADE_COMPLETED, "warning",
			"something in clear stood behind the go-ahead"
		);
	if (client != NULL && (client->said & HT_SAID_WENT_ON))
		return say(
			v, HT_UPGRADE_COMPLETED, "warning",
			"commands in clear stood between the request and the hello"
		);
	return say(v, HT_UPGRADE_COMPLETED, "info", NULL);
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
	const enum ht_answer answer = answer_to(client, server);
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
		if (offered)
			return say(
				v, HT_UPGRADE_STRIPPED, "critical",
				"the server offered it, then did not know the command"
			);
		return say(v, HT_UPGRADE_REFUSED, "notice", "the server does not know the command");
	case HT_ANSWER_NO:
	case HT_ANSWER_OTHER:
		if (proxy && answer == HT_ANSWER_OTHER)
			return false; // granted, and nothing followed
		if (offered_before && !offered && always_the_same(client))
			return say(
				v, HT_UPGRADE_STRIPPED, "critical",
				"refused, though this server did not on an earlier connection"
			);
		if (exposed && offered)
			return plain(v, said);
		return say(v, HT_UPGRADE_REFUSED, "notice", NULL);
	default:
		if (server->done)
			return false; // an answer there was, and it could not be read
		return !proxy
		       && say(v, HT_UPGRADE_REQUESTED_UNANSWERED, "notice", "no answer was seen");
	}
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
	if (hello)
		return completed(v, client, server);
	// A server that has said nothing before TLS was not asked for it.
	if ((said & HT_SAID_TLS) && (server->num > 0 || server->layer > 0))
		return say(
			v, HT_UPGRADE_COMPLETED, "info",
			client == NULL ? "only the server's side was seen: it went on with TLS"
				       : "the server went on with TLS; no hello was seen whole"
		);
	if (said & HT_SAID_OVERWRITTEN)
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"a line of what the server can do was overwritten"
		);
	if (said & HT_SAID_MANGLED)
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"a command of the client was overwritten"
		);
	// A list given behind a login may lack the offer by right.
	const bool listed = (said & HT_SAID_LISTED)
			    && !(client != NULL && (said & HT_SAID_LOGIN)
				 && client->login_at < server->listed_at);
	if (offered_before && listed && !(said & HT_SAID_OFFERED))
		return say(
			v, HT_UPGRADE_STRIPPED, "critical",
			"not offered, though this server did on an earlier connection"
		);
	if (said & HT_SAID_ASKED)
		return asked(v, client, server, said, offered_before);
	if ((said & (HT_SAID_OFFERED | HT_SAID_REQUIRED))
	    && (said & (HT_SAID_LOGIN | HT_SAID_MAIL)))
		return plain(v, said);
	if (said & (HT_SAID_OFFERED | HT_SAID_REQUIRED))
		return say(v, HT_UPGRADE_OFFERED_UNUSED, "info", NULL);
	if (listed)
		return say(v, HT_UPGRADE_NOT_OFFERED, "info", NULL);
	return false;
}
