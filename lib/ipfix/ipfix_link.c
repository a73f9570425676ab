// SPDX-License-Identifier: BSD-3-Clause
// The link: records into messages, messages onto the wire, and what became of them.

#include "clock.h"
#include "ipfix_int.h"

#include <stdarg.h>
#include <stdlib.h>

#define ACK_POLL_MS 5 // nothing wakes us when TCP has an acknowledgement

enum ht_rc
ipfix_profiles_of(unsigned *out, const struct ht_sink_options *o, char *err, size_t err_len) {
	unsigned profiles = o->profiles.num == 0 ? IPFIX_DEFAULT : 0;
	for (unsigned i = 0; i < o->profiles.num; i++) {
		const char *const word = o->profiles.v[i];
		unsigned p = 0;
		while (p < IPFIX_NUM_PROFILES
		       && !(IPFIX_OPTIONAL >> p & 1 && strcmp(ipfix_profiles[p].name, word) == 0))
			p++;
		if (p == IPFIX_NUM_PROFILES && strcmp(word, "none") != 0) {
			snprintf(
				err, err_len,
				"profiles: there is no \"%s\": flowmon, cesnet, cert, ntop, none",
				word
			);
			return HT_BAD;
		}
		profiles |= p < IPFIX_NUM_PROFILES ? 1u << p : 0;
	}
	*out = profiles;
	return HT_OK;
}

// A private number may not be one whose elements are known to be others.
static enum ht_rc check_pen(const struct ht_sink_options *o, char *err, size_t err_len) {
	for (unsigned p = 0; o->pen != 0 && p < IPFIX_NUM_PROFILES; p++)
		if (ipfix_profiles[p].pen == o->pen) {
			snprintf(
				err, err_len, "pen: %u is that of %s", o->pen,
				ipfix_profiles[p].whose
			);
			return HT_BAD;
		}
	return HT_OK;
}

static enum ht_rc
check(enum wire_kind kind, const struct ht_sink_options *o, char *err, size_t err_len) {
	unsigned profiles;
	enum ht_rc rc = wire_check(kind, o, err, err_len);
	if (rc == HT_OK)
		rc = ipfix_profiles_of(&profiles, o, err, err_len);
	if (rc == HT_OK)
		rc = check_pen(o, err, err_len);
	if (rc != HT_OK || kind != WIRE_UDP)
		return rc;
	const size_t least = ipfix_longest_template(profiles, o->pen);
	if (o->mtu < least) {
		snprintf(
			err, err_len, "mtu: %u is too short: the longest template takes %zu",
			o->mtu, least
		);
		return HT_BAD;
	}
	return HT_OK;
}

static enum ht_rc open_link(
	struct ht_link **out,
	enum wire_kind kind,
	const struct ht_sink_options *o,
	char *err,
	size_t err_len
) {
	struct ipfix_encoder_params p = {
		.pen = o->pen,
		.domain = o->domain,
		.max_message
		= kind == WIRE_UDP && o->mtu < IPFIX_MESSAGE_MAX ? o->mtu : IPFIX_MESSAGE_MAX,
	};
	char why[512];
	enum ht_rc rc = check(kind, o, why, sizeof(why));
	if (rc == HT_OK)
		rc = ipfix_profiles_of(&p.profiles, o, why, sizeof(why));
	struct ht_link *const l = calloc(1, sizeof(*l));
	if (l != NULL)
		l->sent = calloc(LINK_MAX_MESSAGES, sizeof(*l->sent));
	if (rc == HT_OK && (l == NULL || l->sent == NULL)) {
		snprintf(why, sizeof(why), "no memory");
		rc = HT_ERROR;
	}
	if (rc == HT_OK)
		rc = wire_open(&l->wire, kind, o, why, sizeof(why));
	if (rc == HT_OK)
		rc = ipfix_encoder_new(&l->encoder, &p, why, sizeof(why));
	if (rc != HT_OK) {
		snprintf(err, err_len, "%s: %s", o->to, why);
		if (l != NULL) {
			wire_free(l->wire);
			free(l->sent);
		}
		free(l);
		return HT_ERROR;
	}
	l->options = o;
	l->clock = ht_clock_ns;
	*out = l;
	return HT_OK;
}

static void drop(struct ht_link *l, bool politely) {
	wire_drop(l->wire, politely);
	l->up = false;
	l->num = 0;
	l->filling = (struct message){0};
}

// broke takes the reason from the wire.
static enum ht_rc broke(struct ht_link *l) {
	snprintf(l->error, sizeof(l->error), "%s", wire_error(l->wire));
	drop(l, false);
	return HT_ERROR;
}

static enum ht_rc connect_link(struct ht_link *l, int wait_ms) {
	if (l->up)
		return HT_OK;
	const enum ht_rc rc = wire_connect(l->wire, wait_ms);
	if (rc == HT_MORE)
		return rc;
	if (rc != HT_OK)
		return broke(l);
	char err[256];
	if (ipfix_encoder_begin(l->encoder, err, sizeof(err)) != HT_OK) {
		snprintf(l->error, sizeof(l->error), "%s: %s", l->options->to, err);
		drop(l, false);
		return HT_ERROR;
	}
	l->up = true;
	l->templates_at = l->clock(CLOCK_MONOTONIC);
	l->messages = 0;
	return HT_OK;
}

// ---- what became of messages

static struct message *newest(struct ht_link *l) {
	return &l->sent[(l->first + l->num - 1) % LINK_MAX_MESSAGES];
}

// settle counts what is acknowledged. A record is settled no sooner than those before it: one that
// was refused waits in the message that was being filled, or was the last.
static void settle(struct ht_link *l) {
	const uint64_t acknowledged = wire_acknowledged(l->wire);
	while (l->num > 0 && l->sent[l->first].end <= acknowledged) {
		l->settled.delivered += l->sent[l->first].records;
		l->settled.refused += l->sent[l->first].refused;
		l->first = (l->first + 1) % LINK_MAX_MESSAGES;
		l->num--;
	}
}

static void refuse(struct ht_link *l) {
	if (l->filling.records > 0)
		l->filling.refused++;
	else if (l->num > 0)
		newest(l)->refused++;
	else
		l->settled.refused++;
}

// send hands over the message that was filled. HT_MORE: something is waiting already.
static enum ht_rc send_message(struct ht_link *l) {
	const enum ht_rc rc = wire_flush(l->wire);
	if (rc != HT_OK)
		return rc == HT_MORE ? rc : broke(l);
	if (l->num == LINK_MAX_MESSAGES) {
		settle(l);
		if (l->num == LINK_MAX_MESSAGES)
			return HT_MORE;
	}
	const uint32_t now = (uint32_t)(l->clock(CLOCK_REALTIME) / 1000000000);
	const struct ht_span message = ipfix_encoder_take(l->encoder, now);
	if (wire_put(l->wire, message, &l->filling.end) != HT_OK)
		return broke(l);
	l->settled.bytes += message.len;
	l->num++;
	*newest(l) = l->filling;
	l->filling = (struct message){0};
	l->messages++;
	return wire_flush(l->wire) == HT_ERROR ? broke(l) : HT_OK;
}

// announce sends templates and type records, as far as they are due.
static enum ht_rc announce(struct ht_link *l) {
	while (ipfix_encoder_announce(l->encoder) == HT_FULL) {
		const enum ht_rc rc = send_message(l);
		if (rc != HT_OK)
			return rc;
	}
	return HT_OK;
}

// RFC 7011 8.4: over UDP nobody knows whether the templates arrived.
static void keep_time(struct ht_link *l) {
	if (!wire_is_udp(l->wire))
		return;
	const int64_t now = l->clock(CLOCK_MONOTONIC);
	if (now - l->templates_at < (int64_t)l->options->template_s * 1000000000
	    && l->messages < LINK_TEMPLATE_MESSAGES)
		return;
	l->templates_at = now;
	l->messages = 0;
	ipfix_encoder_again(l->encoder);
}

static enum ht_rc give(struct ht_link *l, const struct ht_record *r) {
	if (!l->up)
		return HT_ERROR;
	for (;;) {
		enum ht_rc rc = announce(l);
		if (rc != HT_OK)
			return rc;
		rc = ipfix_encoder_add(l->encoder, r);
		if (rc == HT_OK) {
			l->filling.records++;
			return HT_OK;
		}
		if (rc == HT_LIMIT) {
			refuse(l);
			return HT_OK;
		}
		rc = send_message(l);
		if (rc != HT_OK)
			return rc;
		keep_time(l);
	}
}

// go_on does what can be done without waiting.
static enum ht_rc go_on(struct ht_link *l, bool flush) {
	enum ht_rc rc = announce(l);
	if (rc == HT_OK && flush && !ipfix_encoder_is_empty(l->encoder))
		rc = send_message(l);
	if (rc == HT_ERROR)
		return rc;
	if (wire_flush(l->wire) == HT_ERROR)
		return broke(l);
	// What was acknowledged before the other side went away counts.
	settle(l);
	if (wire_listen(l->wire) == HT_ERROR) {
		settle(l);
		return broke(l);
	}
	return HT_OK;
}

static enum ht_rc poll_link(struct ht_link *l, bool flush, int wait_ms) {
	if (!l->up)
		return HT_ERROR;
	const struct ht_settled before = l->settled;
	const int64_t until = l->clock(CLOCK_MONOTONIC) + (int64_t)wait_ms * 1000000;
	keep_time(l);
	for (;;) {
		if (go_on(l, flush) != HT_OK)
			return HT_ERROR;
		const int64_t left = (until - l->clock(CLOCK_MONOTONIC)) / 1000000;
		const bool settled = l->settled.delivered != before.delivered
				     || l->settled.refused != before.refused;
		if (left <= 0 || settled)
			return HT_OK;
		const bool idle = l->num == 0 && !wire_is_waiting(l->wire);
		wire_wait(l->wire, idle || left < ACK_POLL_MS ? (int)left : ACK_POLL_MS);
		if (idle)
			return go_on(l, flush);
	}
}

static void settled(const struct ht_link *l, struct ht_settled *out) {
	*out = l->settled;
}

static const char *error(const struct ht_link *l) {
	return l->error[0] != '\0' ? l->error : NULL;
}

static void break_off(struct ht_link *l) {
	drop(l, false);
}

static bool is_dead(const struct ht_link *l) {
	(void)l;
	return false; // a collector may come back
}

static void close_link(struct ht_link *l) {
	drop(l, true);
	wire_free(l->wire);
	ipfix_encoder_free(l->encoder);
	free(l->sent);
	free(l);
}

#define LINK(kind, KIND, text) \
	static enum ht_rc check_##kind( \
		const struct ht_sink_options *o, char *err, size_t err_len \
	) { \
		return check(WIRE_##KIND, o, err, err_len); \
	} \
	static enum ht_rc probe_##kind( \
		const struct ht_sink_options *o, char *err, size_t err_len \
	) { \
		return wire_probe(WIRE_##KIND, o, err, err_len); \
	} \
	static enum ht_rc open_##kind( \
		struct ht_link **out, const struct ht_sink_options *o, char *err, size_t err_len \
	) { \
		return open_link(out, WIRE_##KIND, o, err, err_len); \
	} \
	const struct ht_link_ops ht_link_ipfix_##kind = { \
		.name = "ipfix+" #kind, \
		.help = (text), \
		.url = true, \
		.again = true, \
		.kinds = HT_KINDS_ALL, \
		.check = check_##kind, \
		.probe = probe_##kind, \
		.open = open_##kind, \
		.connect = connect_link, \
		.give = give, \
		.poll = poll_link, \
		.settled = settled, \
		.error = error, \
		.break_off = break_off, \
		.is_dead = is_dead, \
		.close = close_link, \
	};
LINK(tcp, TCP, "a collector that speaks IPFIX (RFC 7011)")
LINK(tls, TLS, "the same over TLS")
LINK(udp, UDP, "the same over UDP; what is lost on the way is not known")
