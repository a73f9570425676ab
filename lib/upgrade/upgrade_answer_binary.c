// SPDX-License-Identifier: BSD-3-Clause
// What servers of databases, directories, XMPP and RDP say of an upgrade.

#include "upgrade_int.h"

size_t up_answer_xmpp(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_ldap(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t
up_answer_postgresql(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t
up_answer_mysql(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_tds(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}

size_t up_answer_rdp(struct ht_answers *a, const struct ht_upgrade *client, struct ht_span fresh) {
	(void)client, (void)fresh;
	a->done = true;
	return 0;
}
