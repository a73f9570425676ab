// SPDX-License-Identifier: BSD-3-Clause

#include "ipfix_values.h"

#include "ipfix_text.h"

#include <netinet/in.h>

#define NTP_EPOCH 2208988800 // seconds from 1900 to 1970 (RFC 5905 6)

// A value that has no length yet.
struct value {
	struct ht_span span;
	bool ok;
};

static const struct value nothing = {{(const uint8_t *)"", 0}, true};

static inline struct value have(struct ht_span s) {
	return (struct value){s, true};
}

bool ipfix_is_v4(const uint8_t *ip) {
	return ht_ip_is_v4(ip);
}

static inline bool has(const struct ht_record *r, unsigned field) {
	return r->has >> field & 1;
}

// put writes the low `len` bytes of a number, 8 at most. What it writes behind them is not the
// value's: the next one is put there.
static inline void put(uint8_t *to, uint64_t v, unsigned len) {
	v = __builtin_bswap64(v << (64 - 8 * len));
	memcpy(to, &v, sizeof(v));
}

// number is the value of a field of a type that is a number.
static uint64_t number(const struct ipfix_step *s, const struct ht_record *r) {
	const uint8_t *const from = (const uint8_t *)r + s->from;
	uint64_t v = 0;
	switch (ht_fields[s->field].type) {
	case HT_TYPE_U8:
		return *from;
	case HT_TYPE_U16:
		memcpy(&v, from, 2);
		break;
	case HT_TYPE_U32:
		memcpy(&v, from, 4);
		break;
	default:
		memcpy(&v, from, 8);
	}
	return v;
}

static int64_t time_of(const uint8_t *from) {
	int64_t ns;
	memcpy(&ns, from, sizeof(ns));
	return ns > 0 ? ns : 0; // both encodings begin later than a capture file may
}

// RFC 7011 6.1.10: seconds of NTP's era, and a fraction of 2^-32 s. The era is told by the export
// time.
static uint64_t ntp(int64_t ns) {
	const uint64_t second = (uint64_t)ns / 1000000000, rest = (uint64_t)ns % 1000000000;
	// Rounded up: who multiplies and cuts has the nanoseconds back.
	return (second + NTP_EPOCH) << 32 | ((rest << 32) + 999999999) / 1000000000;
}

static uint8_t protocol_of(const char *transport) {
	return transport[0] == 't' ? IPPROTO_TCP : transport[0] == 'u' ? IPPROTO_UDP : 0;
}

// flowEndReason (RFC 5102 5.11.3); words and numbers are one to one.
static uint8_t reason_of(const char *word) {
	static const char *const words[] = {"idle", "active", "end", "forced", "resources"};
	for (uint8_t i = 0; i < HT_ARRAY_LEN(words); i++)
		if (strcmp(word, words[i]) == 0)
			return (uint8_t)(i + 1);
	return 0;
}

// version_of is the number on the wire of the names that ht_tls_version_name gives.
static uint16_t version_of(const char *name) {
	static const struct {
		const char *name;
		uint16_t number;
	} versions[] = {
		{"TLS 1.3", 0x0304},  {"TLS 1.2", 0x0303},  {"TLS 1.1", 0x0302},
		{"TLS 1.0", 0x0301},  {"DTLS 1.2", 0xfefd}, {"SSL 3.0", 0x0300},
		{"DTLS 1.0", 0xfeff}, {"DTLS 1.3", 0xfefc}, {"SSL 2.0", 0x0002},
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(versions); i++)
		if (strcmp(name, versions[i].name) == 0)
			return versions[i].number;
	return 0;
}

static bool is_quic(const struct ht_record *r) {
	return has(r, HT_FIELD_protocol) && strcmp(r->protocol, "quic") == 0;
}

// The length of the network that an address of a record stands for.
static uint8_t prefix_of(const struct ipfix_step *s, const struct ht_record *r, uint8_t whole) {
	const unsigned ip = s->field == HT_FIELD_src_prefix ? HT_FIELD_src_ip : HT_FIELD_dst_ip;
	if (has(r, s->field))
		return ((const uint8_t *)r)[s->from];
	return has(r, ip) ? whole : 0;
}

static uint8_t half_byte(uint8_t c) {
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

// A digest that was sent as lower-case hex by lib/fingerprint.
static void md5_of(uint8_t *to, struct ht_span hex) {
	for (unsigned i = 0; i < 16; i++)
		to[i] = hex.len == 32 ? (uint8_t
			)(half_byte(hex.p[2 * i]) << 4 | half_byte(hex.p[2 * i + 1]))
				      : 0;
}

// fixed writes a value of a field that the record may have.
static void fixed(uint8_t *to, const struct ipfix_step *s, const struct ht_record *r) {
	const uint8_t *const from = (const uint8_t *)r + s->from;
	uint64_t v = 0;
	const uint8_t *ip;
	struct ht_span span;
	const char *word;
	switch ((enum ipfix_how)s->how) {
	case IPFIX_BOOL:
	case IPFIX_FLAG:
		v = *from != 0 ? 1 : 2;
		break;
	case IPFIX_MAC_ADDRESS:
		memcpy(&ip, from, sizeof(ip));
		memcpy(to, ip, 6);
		return;
	case IPFIX_MS:
		v = (uint64_t)time_of(from) / 1000000;
		break;
	case IPFIX_NTP:
		v = ntp(time_of(from));
		break;
	case IPFIX_ADDRESS4:
		memcpy(&ip, from, sizeof(ip));
		memcpy(to, ip + 12, 4);
		return;
	case IPFIX_ADDRESS6:
		memcpy(&ip, from, sizeof(ip));
		memcpy(to, ip, 16);
		return;
	case IPFIX_TRANSPORT:
	case IPFIX_REASON:
	case IPFIX_VERSION:
		memcpy(&word, from, sizeof(word));
		v = s->how == IPFIX_TRANSPORT ? protocol_of(word)
		    : s->how == IPFIX_REASON  ? reason_of(word)
					      : version_of(word);
		break;
	case IPFIX_HIGH_BYTE:
		v = number(s, r) >> 8;
		break;
	case IPFIX_MD5:
		memcpy(&span, from, sizeof(span));
		md5_of(to, span);
		return;
	case IPFIX_LENGTH:
		memcpy(&span, from, sizeof(span));
		v = span.len;
		break;
	case IPFIX_QUIC_PORT:
		v = is_quic(r) ? r->dst_port : 0;
		break;
	default: // U8, U16, U32, U64, S64, WIDER
		v = number(s, r);
		break;
	}
	put(to, v, s->len);
}

// without is what a fixed length has when the record does not have its field.
static void
without(uint8_t *to,
	const struct ipfix_step *s,
	const struct ht_record *r,
	const struct ipfix_self *self) {
	uint64_t v = 0;
	if (s->len > sizeof(v)) {
		memset(to, 0, s->len);
		return;
	}
	switch ((enum ipfix_how)s->how) {
	case IPFIX_BOOL: // left out when it is false
		v = 2;
		break;
	case IPFIX_PREFIX4:
		v = prefix_of(s, r, 32);
		break;
	case IPFIX_PREFIX6:
		v = prefix_of(s, r, 128);
		break;
	case IPFIX_QUIC_VERSION:
		v = has(r, HT_FIELD_quic_version) ? r->quic_version : 0;
		break;
	case IPFIX_CONSTANT:
		v = s->field;
		break;
	case IPFIX_DOMAIN:
		v = self->domain;
		break;
	case IPFIX_MESSAGES:
		v = self->messages;
		break;
	case IPFIX_RECORDS:
		v = self->records;
		break;
	case IPFIX_BYTES_SENT:
		v = self->bytes;
		break;
	default:
		break;
	}
	put(to, v, s->len);
}

static struct value made(struct ipfix_scratch *scratch, struct ht_span text, bool ok) {
	scratch->len += text.len;
	return (struct value){text, ok};
}

// variable finds a value of a field that the record has.
static struct value
variable(const struct ipfix_step *s, const struct ht_record *r, struct ipfix_scratch *scratch) {
	const uint8_t *const from = (const uint8_t *)r + s->from;
	struct ipfix_room room = {scratch->p + scratch->len, IPFIX_SCRATCH - scratch->len};
	struct ht_span span, text;
	const char *word;
	bool ok;
	switch ((enum ipfix_how)s->how) {
	case IPFIX_WORD:
		memcpy(&word, from, sizeof(word));
		return have(HT_SPAN(word, strlen(word)));
	case IPFIX_WORDS:
		ok = ipfix_words(&text, room, (const void *)from);
		return made(scratch, text, ok);
	case IPFIX_TEXTS:
		ok = ipfix_texts(&text, room, (const void *)from);
		return made(scratch, text, ok);
	default:
		memcpy(&span, from, sizeof(span));
	}
	switch ((enum ipfix_how)s->how) {
	case IPFIX_QUIC_TEXT:
		if (!is_quic(r))
			return nothing;
		// fall through
	case IPFIX_TEXT:
		if (ipfix_is_utf8(span))
			return have(span);
		ok = ipfix_utf8(&text, room, span);
		return made(scratch, text, ok);
	case IPFIX_NAMES:
	case IPFIX_NAME_LIST:
		ok = ipfix_names(&text, room, span, s->how == IPFIX_NAMES ? ',' : ';');
		return made(scratch, text, ok);
	case IPFIX_MATCHES:
		ok = ipfix_matches(&text, room, span);
		return made(scratch, text, ok);
	case IPFIX_CN:
	case IPFIX_O:
		ok = ipfix_name_part(&text, room, span, s->how == IPFIX_CN ? "CN" : "O");
		return made(scratch, text, ok);
	case IPFIX_CIPHERS:
		return r->ciphers_are_24_bit ? nothing : have(span);
	default: // BYTES, ASCII
		return have(span);
	}
}

size_t ipfix_values(
	uint8_t out[IPFIX_RECORD_ROOM],
	const struct ipfix_plan *plan,
	const struct ht_record *r,
	const struct ipfix_self *self,
	struct ipfix_scratch *scratch
) {
	uint8_t *to = out;
	scratch->len = 0;
	for (unsigned i = 0; i < plan->num; i++) {
		const struct ipfix_step *const s = &plan->steps[i];
		const bool there
			= s->field < HT_NUM_FIELDS && has(r, s->field) && s->how != IPFIX_CONSTANT;
		if (s->len == 0) {
			const struct value v = there ? variable(s, r, scratch) : nothing;
			if (!v.ok || (size_t)(to - out) + 3 + v.span.len > IPFIX_RECORD_MAX)
				return 0;
			to = ipfix_put_variable(to, v.span);
			continue;
		}
		if (there && s->how != IPFIX_PREFIX4 && s->how != IPFIX_PREFIX6)
			fixed(to, s, r);
		else
			without(to, s, r, self);
		to += s->len;
	}
	return (size_t)(to - out);
}
