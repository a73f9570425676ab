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
	uint8_t at_hand = client != NULL ? client->spoken : 0;
	unsigned num = client != NULL ? client->num_via : 0;
	if (at_hand == 0 && server != NULL
	    && (client == NULL || up_layers_answered(client) == server->layer))
		at_hand = server->via;
	if (num > 0)
		memcpy(via, client->via, num);
	if (at_hand != 0 && (client == NULL || num == client->layer) && num < HT_VIA_MAX)
		via[num++] = at_hand - 1;
	return num;
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
