// SPDX-License-Identifier: BSD-3-Clause
// talk: whole dialogues of both sides of a connection, for tests of what became of an upgrade. Each
// is run turn by turn, cut at every place, byte by byte, one side after the other, and one side
// alone.

#pragma once

#include "t.h"
#include "upgrade.h"

#define TURNS 10

struct turn {
	char side; // 'C' or 'S'; 0 ends the dialogue
	const char *p;
	size_t len;
};

struct dialogue {
	const char *name;
	struct turn turns[TURNS];
	const char *via; // names of the protocols, with commas
	// state, severity and evidence; "-" when nothing can be said
	const char *both;
	const char *client, *server; // what one side alone says: the state
	bool offered_before;
	uint16_t said; // enum ht_said, all of these of both sides together
};

#define C(s) \
	{ 'C', s, sizeof(s) - 1 }
#define S(s) \
	{ 'S', s, sizeof(s) - 1 }

#define TLS "\x16\x03\x01\x00\x05\x01"

// --- both sides as a caller holds them
// -------------------------------------------------------------

struct talk {
	struct ht_upgrade u;
	struct ht_answers a;
	uint8_t *held; // the client's bytes, as ht_upgrade_unwrap left them
	size_t len;
	uint8_t *left; // the server's bytes that were not taken
	size_t num_left;
	bool at_offset, hello, over;
};

static inline void append(uint8_t **held, size_t *len, const void *p, size_t n) {
	uint8_t *more = malloc(*len + n > 0 ? *len + n : 1);
	assert_non_null(more);
	memcpy(more, *held, *len);
	memcpy(more + *len, p, n);
	free(*held);
	*held = more;
	*len += n;
}

static inline void look(struct talk *t) {
	while (!t->over && !t->hello) {
		if (t->at_offset) {
			uint32_t n = (uint32_t)t->len;
			(void)!ht_upgrade_unwrap(&t->u, t->held, &n);
			const uint8_t *p = t->held + t->u.offset;
			if (n <= t->u.offset + 1 && (n <= t->u.offset || p[0] == 0x16))
				return;
			t->hello = p[0] == 0x16 && p[1] == 3;
			t->at_offset = false;
			continue;
		}
		enum ht_rc rc = ht_upgrade_scan(&t->u, HT_SPAN(t->held, t->len));
		if (rc == HT_MORE)
			return;
		t->at_offset = rc == HT_OK;
		t->over = rc == HT_BAD;
	}
}

static inline void answer(struct talk *t) {
	uint8_t *p = t_dup(t->left, t->num_left);
	size_t n = ht_upgrade_answer(&t->a, &t->u, HT_SPAN(p, t->num_left));
	free(p);
	assert_true(n <= t->num_left);
	assert_true(n > 0 || t->num_left < HT_ANSWER_BYTES);
	memmove(t->left, t->left + n, t->num_left - n);
	t->num_left -= n;
	uint8_t *exact = t_dup(t->left, t->num_left);
	free(t->left);
	t->left = exact;
}

static inline void say(struct talk *t, char side, const char *p, size_t n) {
	if (side == 'C') {
		append(&t->held, &t->len, p, n);
		look(t);
	} else {
		append(&t->left, &t->num_left, p, n);
		answer(t);
	}
}

static inline void begin(struct talk *t) {
	memset(t, 0, sizeof(*t));
	t->held = t_dup("", 0);
	t->left = t_dup("", 0);
}

// What is left of the server's side may be read once the client's is known.
static inline void end(struct talk *t) {
	if (t->num_left > 0)
		answer(t);
	free(t->held);
	free(t->left);
}

static inline const char *
verdict(const struct ht_upgrade *client, const struct ht_answers *server, bool hello, bool before) {
	static char text[256];
	struct ht_verdict v;
	if (!ht_upgrade_verdict(&v, client, server, hello, before))
		return "-";
	snprintf(
		text, sizeof(text), "%s %s%s%s", ht_upgrade_state_name(v.state), v.severity,
		v.evidence != NULL ? ": " : "", v.evidence != NULL ? v.evidence : ""
	);
	return text;
}

static inline void
expect(const struct dialogue *d, struct talk *t, const char *how, size_t detail) {
	end(t);
	const char *got = verdict(&t->u, &t->a, t->hello, d->offered_before);
	if (strcmp(got, d->both) != 0)
		fail_msg("%s, %s %zu: \"%s\", not \"%s\"", d->name, how, detail, got, d->both);
	if (((t->u.said | t->a.said) & d->said) != d->said)
		fail_msg("%s, %s %zu: said %x, %x", d->name, how, detail, t->u.said, t->a.said);
	uint8_t via[HT_VIA_MAX];
	char names[128] = "";
	unsigned num = ht_upgrade_names(via, &t->u, &t->a);
	for (unsigned i = 0; i < num; i++) {
		strcat(names, i > 0 ? "," : "");
		strcat(names, ht_via_name(via[i]));
	}
	if (strcmp(names, d->via) != 0)
		fail_msg("%s, %s %zu: \"%s\", not \"%s\"", d->name, how, detail, names, d->via);
}

static inline void run_side(const struct dialogue *d, struct talk *t, char side) {
	for (const struct turn *g = d->turns; g < d->turns + TURNS && g->side != 0; g++)
		if (g->side == side)
			say(t, side, g->p, g->len);
}

static inline void expect_alone(const struct dialogue *d, char side, const char *want) {
	struct talk t;
	begin(&t);
	run_side(d, &t, side);
	end(&t);
	struct ht_upgrade *client = side == 'C' ? &t.u : NULL;
	struct ht_answers *server = side == 'S' ? &t.a : NULL;
	const char *got = verdict(client, server, t.hello, d->offered_before);
	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("%s, side %c alone: \"%s\", not \"%s\"", d->name, side, got, want);
}

// run_cut gives each turn in two pieces, the first of them `cut` bytes into the dialogue; with a
// cut of SIZE_MAX byte by byte.
static inline void run_cut(const struct dialogue *d, struct talk *t, size_t cut) {
	size_t at = 0;
	for (const struct turn *g = d->turns; g < d->turns + TURNS && g->side != 0; g++) {
		size_t first = cut > at && cut - at < g->len ? cut - at : g->len;
		if (cut == SIZE_MAX) {
			for (size_t i = 0; i < g->len; i++)
				say(t, g->side, g->p + i, 1);
		} else {
			say(t, g->side, g->p, first);
			if (first < g->len)
				say(t, g->side, g->p + first, g->len - first);
		}
		at += g->len;
	}
}

static inline void check(const struct dialogue *d) {
	struct talk t;
	size_t len = 0;
	for (const struct turn *g = d->turns; g < d->turns + TURNS && g->side != 0; g++)
		len += g->len;
	for (size_t cut = 0; cut < len; cut++) {
		begin(&t);
		run_cut(d, &t, cut);
		expect(d, &t, "cut at", cut);
	}
	begin(&t);
	run_cut(d, &t, SIZE_MAX);
	expect(d, &t, "byte by byte", 0);
	begin(&t);
	run_side(d, &t, 'C');
	run_side(d, &t, 'S');
	expect(d, &t, "the client first", 0);
	begin(&t);
	run_side(d, &t, 'S');
	run_side(d, &t, 'C');
	expect(d, &t, "the server first", 0);
	expect_alone(d, 'C', d->client);
	expect_alone(d, 'S', d->server);
}

// check_short gives every prefix of each turn and nothing after it: nothing is read beyond, and
// what was said so far never accuses anybody.
static inline void check_short(const struct dialogue *d) {
	for (const struct turn *g = d->turns; g < d->turns + TURNS && g->side != 0; g++) {
		for (size_t n = 0; n < g->len; n++) {
			struct talk t;
			begin(&t);
			for (const struct turn *before = d->turns; before < g; before++)
				say(&t, before->side, before->p, before->len);
			say(&t, g->side, g->p, n);
			end(&t);
			(void)verdict(&t.u, &t.a, t.hello, false);
		}
	}
}

static inline void check_all(const struct dialogue *d, size_t num) {
	for (; num > 0; num--, d++) {
		check(d);
		check_short(d);
	}
}
