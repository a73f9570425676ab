// SPDX-License-Identifier: BSD-3-Clause
// What proxies answer.

#include "upgrade_int.h"

size_t up_answer_http(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t
up_answer_socks4(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t
up_answer_socks5(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}
