// SPDX-License-Identifier: BSD-3-Clause
// What is spoken on a connection, as far as both sides and the port tell.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

uint8_t up_protocol_of_port(uint16_t port) {
	switch (port) {
	case 21:
		return UP_FTP;
	case 24: // LMTP
	case 25:
	case 465:
	case 587:
	case 2525:
		return UP_SMTP;
	case 110:
		return UP_POP3;
	case 119:
	case 433:
		return UP_NNTP;
	case 143:
		return UP_IMAP;
	case 2000:
	case 4190:
		return UP_SIEVE;
	case 194:
	case 6660 ... 6669:
	case 7000:
		return UP_IRC;
	default:
		return 0;
	}
}

// In the order of likelihood. For a lone STARTTLS that is ManageSieve: its client has seen the
// capabilities in the greeting and needs no command before it, whereas in SMTP it must say EHLO
// first. For what else several protocols share it is the rarest.
enum ht_via up_name_of(uint8_t candidates, uint16_t port, bool asked) {
	static const struct {
		uint8_t protocol, via;
	} order[] = {
		{UP_SIEVE, HT_VIA_SIEVE}, {UP_SMTP, HT_VIA_SMTP}, {UP_FTP, HT_VIA_FTP},
		{UP_POP3, HT_VIA_POP3},	  {UP_NNTP, HT_VIA_NNTP}, {UP_IRC, HT_VIA_IRC},
		{UP_SIEVE, HT_VIA_SIEVE},
	};
	const uint8_t by_port = candidates & up_protocol_of_port(port);
	for (size_t i = asked ? 0 : 1; i < HT_ARRAY_LEN(order); i++)
		if ((by_port != 0 ? by_port : candidates) & order[i].protocol)
			return (enum ht_via)order[i].via;
	return HT_VIA_IMAP;
}

static bool is_one(uint8_t candidates) {
	return candidates != 0 && (candidates & (candidates - 1)) == 0;
}

// 1 + the protocol that the client speaks at hand (behind proxies), as far as one name is sure, or
// 0.
static uint8_t via_at_hand(const struct ht_upgrade *client) {
	if (up_asked(client))
		return 1 + client->via[client->layer];
	if (client->spoken != 0)
		return client->spoken;
	if (is_one(client->candidates))
		return (uint8_t)(1 + up_name_of(client->candidates, 0, false));
	switch (client->state) {
	case UP_XMPP:
		return 1 + HT_VIA_XMPP;
	case UP_LDAP:
		return 1 + HT_VIA_LDAP;
	case UP_POSTGRESQL:
		return 1 + HT_VIA_POSTGRESQL;
	case UP_ADB:
		return 1 + HT_VIA_ADB;
	case UP_TDS:
		return 1 + HT_VIA_TDS;
	default:
		return 0;
	}
}

// 1 + the name of what is spoken at hand, where `text` are the candidates for a text protocol.
static uint8_t name_of(uint8_t text, uint16_t port, bool asked, uint8_t other) {
	return text != 0 ? (uint8_t)(1 + up_name_of(text, port, asked)) : other;
}

unsigned ht_upgrade_names(
	uint8_t via[HT_VIA_MAX], const struct ht_upgrade *client, const struct ht_answers *server
) {
	unsigned num = 0;
	uint8_t hand = 0, inside = 0; // 1 + enum ht_via
	if (client == NULL && server != NULL) {
		hand = name_of(server->candidates, server->port_hint, false, server->via);
	} else if (client != NULL) {
		num = client->layer;
		memcpy(via, client->via, num);
		uint8_t text = client->candidates, other = via_at_hand(client);
		const unsigned answered = up_layers_answered(client);
		if (server != NULL && server->layer == answered) {
			// The server's greeting decides between the client's candidates.
			if (text & server->candidates)
				text &= server->candidates;
			else if (text == 0 && other == 0)
				text = server->candidates, other = server->via;
		} else if (server != NULL && server->layer == answered + 1) {
			// A proxy granted it, and the client is silent so far.
			inside = name_of(server->candidates, server->port_hint, false, server->via);
		}
		hand = name_of(text, client->port_hint, up_asked(client), other);
	}
	const uint8_t names[] = {hand, inside};
	for (unsigned i = 0; i < HT_ARRAY_LEN(names); i++)
		if (names[i] != 0 && num < HT_VIA_MAX)
			via[num++] = names[i] - 1;
	return num;
}
