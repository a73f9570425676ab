// SPDX-License-Identifier: BSD-3-Clause
// Input: [flags byte][stream]. Flags: bits 0-2 the shape of pieces, bits 3-7 the port. The stream
// is taken in three ways:
//   as the client's side, as if TLS never came, whole and in pieces;
//   as the server's side, whole and in pieces;
//   as a dialogue: turns of {side and length 1, bytes}, bit 7 of the first byte is set when the
//   server speaks, the length of 0 is 128. It is run turn by turn, the turns in pieces, and one
//   side after the other.
// Each way must find the same however it is cut; a verdict must not depend on who came first.

#include "upgrade.h"

#include <stdlib.h>

#define MAX_EVENTS 64
#define MAX_PIECES 300 // each copies all that came so far

struct event {
	uint32_t offset;
	uint8_t num_via;
	uint8_t via[HT_VIA_MAX];
};

// The client's side, as its caller holds it.
struct client {
	struct ht_upgrade u;
	uint8_t *held; // what came so far, as ht_upgrade_unwrap left it
	size_t len;
	struct event e[MAX_EVENTS];
	unsigned num; // events; the first MAX_EVENTS are kept
	enum ht_rc last;
};

// The server's.
struct server {
	struct ht_answers a;
	uint8_t *left; // what was not taken
	size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

// grow makes *p a block of exactly its old and the new bytes, so that a sanitizer sees the byte
// after it.
static void grow(uint8_t **p, size_t *len, const uint8_t *in, size_t n) {
	uint8_t *more = malloc(*len + n > 0 ? *len + n : 1);
	must(more != NULL);
	if (*len > 0)
		memcpy(more, *p, *len);
	if (n > 0)
		memcpy(more + *len, in, n);
	free(*p);
	*p = more;
	*len += n;
}

// carries tells whether what is at u->offset can be looked at. What is framed is unwrapped to its
// end, also when nobody wants it any more.
static bool carries(struct client *c) {
	if (c->u.framing == HT_FRAMING_NONE)
		return true;
	uint32_t end = (uint32_t)c->len;
	enum ht_rc rc = ht_upgrade_unwrap(&c->u, c->held, &end);
	must(end <= c->len && end >= c->u.offset);
	return end > c->u.offset || rc == HT_BAD;
}

// hear scans until nothing more is found, as if TLS never came.
static void hear(struct client *c, const uint8_t *in, size_t n) {
	grow(&c->held, &c->len, in, n);
	uint32_t before = c->u.offset;
	if (!carries(c))
		return;
	while ((c->last = ht_upgrade_scan(&c->u, HT_SPAN(c->held, c->len))) == HT_OK) {
		must(c->u.offset > before && c->u.offset <= c->len);
		must(c->u.offset <= HT_UPGRADE_MAX);
		must(c->u.num_via >= 1 && c->u.num_via <= HT_VIA_MAX);
		before = c->u.offset;
		if (c->num < MAX_EVENTS) {
			struct event *e = &c->e[c->num];
			e->offset = c->u.offset;
			e->num_via = c->u.num_via;
			memcpy(e->via, c->u.via, sizeof(e->via));
		}
		c->num++;
		if (!carries(c))
			break;
	}
}

// same_client leaves out what was unwrapped of the hold: it is written over.
static void same_client(const struct client *a, const struct client *b) {
	must(a->num == b->num && a->last == b->last && a->u.speaks == b->u.speaks);
	for (unsigned i = 0; i < a->num && i < MAX_EVENTS; i++) {
		must(a->e[i].offset == b->e[i].offset && a->e[i].num_via == b->e[i].num_via);
		must(memcmp(a->e[i].via, b->e[i].via, a->e[i].num_via) == 0);
	}
	must(a->u.said == b->u.said && a->u.framing == b->u.framing);
	must(a->u.asked_at == b->u.asked_at && a->u.login_at == b->u.login_at);
	if (a->u.frame.at == 0)
		return;
	must(a->u.frame.end == b->u.frame.end && a->u.frame.over == b->u.frame.over);
	must(memcmp(a->held, b->held, a->u.frame.end) == 0);
}

static void answer(struct server *s, const struct ht_upgrade *client, const uint8_t *in, size_t n) {
	grow(&s->left, &s->len, in, n);
	size_t taken = ht_upgrade_answer(&s->a, client, HT_SPAN(s->left, s->len));
	must(taken <= s->len && (taken > 0 || s->len < HT_ANSWER_BYTES));
	uint8_t *rest = NULL;
	size_t len = 0;
	grow(&rest, &len, s->left + taken, s->len - taken);
	free(s->left);
	s->left = rest;
	s->len = len;
}

static void same_server(const struct ht_answers *a, const struct ht_answers *b) {
	must(a->said == b->said && a->num == b->num && a->done == b->done && a->layer == b->layer);
	for (unsigned i = 0; i < a->num && i < HT_REPLIES_MAX; i++)
		must(a->reply[i] == b->reply[i]);
}

// next_piece tells how many bytes come next.
static size_t next_piece(uint8_t flags, const uint8_t *in, size_t at) {
	switch (flags & 7) {
	case 0:
		return 1;
	case 1:
		return 2;
	case 2:
		return 7;
	case 3:
		return 1u + (in[at] & 15u);
	case 4:
		return 1u + in[at];
	case 5:
		return at == 0 ? 1u : 1460u;
	case 6:
		return 536;
	default:
		return 1u + in[at] * 16u;
	}
}

static uint16_t port_of(uint8_t flags) {
	static const uint16_t ports[32]
		= {0, 21, 24, 25, 110, 119, 143, 194, 433, 587, 2000, 4190, 6667};
	return ports[flags >> 3];
}

static void one_client(uint8_t flags, const uint8_t *in, size_t len) {
	static struct client whole, cut;
	whole = cut = (struct client){.u.port_hint = port_of(flags)};
	hear(&whole, in, len);
	for (size_t at = 0, pieces = 0; at < len; pieces++) {
		size_t n = pieces < MAX_PIECES ? next_piece(flags, in, at) : len - at;
		n = n < len - at ? n : len - at;
		hear(&cut, in + at, n);
		at += n;
	}
	if (len == 0)
		hear(&cut, in, 0);
	same_client(&whole, &cut);
	free(whole.held);
	free(cut.held);
}

static void one_server(uint8_t flags, const uint8_t *in, size_t len) {
	struct server whole = {.a.port_hint = port_of(flags)}, cut = whole;
	answer(&whole, NULL, in, len);
	for (size_t at = 0, pieces = 0; at < len; pieces++) {
		size_t n = pieces < MAX_PIECES ? next_piece(flags, in, at) : len - at;
		n = n < len - at ? n : len - at;
		answer(&cut, NULL, in + at, n);
		at += n;
	}
	answer(&cut, NULL, in, 0);
	same_server(&whole.a, &cut.a);
	free(whole.left);
	free(cut.left);
}

enum order { AS_IT_IS, IN_PIECES, CLIENT_FIRST, SERVER_FIRST, NUM_ORDERS };

static void
turns(struct client *c, struct server *s, enum order how, int side, const uint8_t *in, size_t len) {
	for (size_t at = 0; at < len;) {
		bool server = in[at] & 0x80;
		size_t n = (in[at] & 0x7f) != 0 ? in[at] & 0x7f : 128;
		at++;
		n = n < len - at ? n : len - at;
		size_t piece = how == IN_PIECES ? 1 : n;
		for (size_t i = 0; i < n && (side < 0 || side == server); i += piece) {
			if (server)
				answer(s, &c->u, in + at + i, piece);
			else
				hear(c, in + at + i, piece);
		}
		at += n;
	}
}

static bool needs_the_client(const struct ht_upgrade *u) {
	for (unsigned i = 0; i < u->num_via; i++)
		if (u->via[i] == HT_VIA_POSTGRESQL) // its answer of one letter
			return true;
	return false;
}

static void one_dialogue(uint8_t flags, const uint8_t *in, size_t len) {
	static struct client c[NUM_ORDERS];
	struct server s[NUM_ORDERS];
	for (unsigned how = 0; how < NUM_ORDERS; how++) {
		struct ht_verdict v;
		uint8_t via[HT_VIA_MAX];
		c[how] = (struct client){.u.port_hint = port_of(flags)};
		s[how] = (struct server){.a.port_hint = port_of(flags)};
		if (how < CLIENT_FIRST) {
			turns(&c[how], &s[how], how, -1, in, len);
		} else {
			turns(&c[how], &s[how], how, how == SERVER_FIRST, in, len);
			turns(&c[how], &s[how], how, how != SERVER_FIRST, in, len);
		}
		answer(&s[how], &c[how].u, in, 0);
		same_client(&c[0], &c[how]);
		if (how <= IN_PIECES || !needs_the_client(&c[0].u))
			same_server(&s[0].a, &s[how].a);
		for (unsigned k = 0; k < 16; k++) {
			const struct ht_upgrade *client = k & 1 ? &c[how].u : NULL;
			const struct ht_answers *server = k & 2 ? &s[how].a : NULL;
			must(ht_upgrade_names(via, client, server) <= HT_VIA_MAX);
			if (!ht_upgrade_verdict(&v, client, server, k & 4, k & 8))
				continue;
			must(v.state < HT_NUM_UPGRADE_STATES && v.severity != NULL);
			must(!(k & 4) || v.state == HT_UPGRADE_COMPLETED);
		}
	}
	for (unsigned how = 0; how < NUM_ORDERS; how++) {
		free(c[how].held);
		free(s[how].left);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 1)
		return 0;
	one_client(data[0], data + 1, size - 1);
	one_server(data[0], data + 1, size - 1);
	if (size < 2000)
		one_dialogue(data[0], data + 1, size - 1);
	return 0;
}
