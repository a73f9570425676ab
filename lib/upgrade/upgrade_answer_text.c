// SPDX-License-Identifier: BSD-3-Clause
// What servers of text protocols say of an upgrade.

#include "upgrade_int.h"
#include "upgrade_verbs.h"

uint8_t up_via_at_hand(const struct ht_upgrade *client) {
	return client != NULL && client->num_via > client->layer ? 1 + client->via[client->layer]
								 : 0;
}

unsigned ht_upgrade_names(
	uint8_t via[HT_VIA_MAX], const struct ht_upgrade *client, const struct ht_answers *server
) {
	(void)server;
	if (client == NULL)
		return 0;
	memcpy(via, client->via, client->num_via);
	return client->num_via;
}

size_t
up_answer_numeric(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_imap(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_pop3(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t
up_answer_sieve(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_irc(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}
