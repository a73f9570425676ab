// SPDX-License-Identifier: BSD-3-Clause
// The store of fingerprints as bytes: a head, the fingerprints, and a hash of all before it.
// Numbers are in the order of the machine's, which base.h says.

#include "rates_int.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <xxhash.h>

#define VERSION 1
#define MOST (1ll << 62) // hellos, ns: what is added to it never comes to an end

struct head {
	uint8_t magic[8];
	uint32_t version;
	uint32_t num; // fingerprints
	uint64_t secret[2];
	uint64_t hellos;
	int64_t watched;
};
_Static_assert(sizeof(struct head) == 48, "no padding");

static const uint8_t magic[8] = "htprint";

size_t ht_rates_pack_size(const struct ht_rates *r) {
	return sizeof(struct head) + r->prints.in_use * sizeof(struct print) + sizeof(uint64_t);
}

void ht_rates_pack(const struct ht_rates *r, uint8_t *out) {
	const struct prints *const t = &r->prints;
	struct head head = {
		.version = VERSION,
		.num = t->in_use,
		.secret = {t->secret[0], t->secret[1]},
		.hellos = t->hellos,
		.watched = t->watched,
	};
	memcpy(head.magic, magic, sizeof(magic));
	uint8_t *p = mempcpy(out, &head, sizeof(head));
	for (uint32_t i = 0; i < t->num_sets * WAYS; i++)
		if (print_at(t, i))
			p = mempcpy(p, &t->prints[i], sizeof(t->prints[i]));
	const uint64_t sum = XXH3_64bits(out, (size_t)(p - out));
	memcpy(p, &sum, sizeof(sum));
}

// JA4 has two characters of the first protocol as the client sent them: capitals, too.
static bool is_word(const char *text, size_t len) {
	for (size_t i = 0; i < len; i++)
		if (!ht_is_alnum((uint8_t)text[i]) && text[i] != '_')
			return false;
	return true;
}

static bool print_ok(const struct print *p) {
	return p->len > 0 && p->len <= PRINT_MAX && is_word(p->text, p->len) && p->is_ja3 <= 1
	       && p->num_clients <= HT_RATES_CLIENTS && p->hellos > 0 && p->hellos < MOST
	       && p->first_seen <= p->last_seen;
}

// What is wrong with the bytes, or NULL.
static const char *look_at(struct ht_span bytes, struct head *head, enum ht_rc *rc) {
	*rc = HT_SKIP;
	if (memcmp(bytes.p, magic, bytes.len < sizeof(magic) ? bytes.len : sizeof(magic)) != 0)
		return "it is no store of fingerprints";
	*rc = HT_BAD;
	if (bytes.len < sizeof(*head) + sizeof(uint64_t))
		return "it is cut short";
	memcpy(head, bytes.p, sizeof(*head));
	uint64_t sum;
	const size_t summed = bytes.len - sizeof(sum);
	memcpy(&sum, bytes.p + summed, sizeof(sum));
	if (sum != XXH3_64bits(bytes.p, summed))
		return "its checksum is wrong";
	if (head->version != VERSION) {
		*rc = HT_SKIP;
		return "another version of the program wrote it";
	}
	if (summed - sizeof(*head) != (uint64_t)head->num * sizeof(struct print)
	    || head->watched < 0 || head->watched > MOST || head->hellos > MOST)
		return "its head is wrong";
	for (uint32_t i = 0; i < head->num; i++) {
		struct print p;
		memcpy(&p, bytes.p + sizeof(*head) + i * sizeof(p), sizeof(p));
		if (!print_ok(&p))
			return "a fingerprint in it is wrong";
	}
	return NULL;
}

enum ht_rc ht_rates_unpack(struct ht_rates *r, struct ht_span bytes, char *err, size_t err_len) {
	struct prints *const t = &r->prints;
	struct head head;
	enum ht_rc rc;
	const char *const wrong = look_at(bytes, &head, &rc);
	if (wrong != NULL) {
		snprintf(err, err_len, "%s", wrong);
		return rc;
	}
	prints_clear(t);
	t->secret[0] = head.secret[0];
	t->secret[1] = head.secret[1];
	t->hellos = head.hellos;
	t->watched = head.watched;
	prints_key(t);
	for (uint32_t i = 0; i < head.num; i++) {
		struct print p;
		memcpy(&p, bytes.p + sizeof(head) + i * sizeof(p), sizeof(p));
		struct print *const to = prints_place(r, HT_SPAN(p.text, p.len), p.is_ja3);
		*to = p;
		prints_weigh(t, to);
	}
	return HT_OK;
}
