// SPDX-License-Identifier: BSD-3-Clause
// A policy, compiled. A condition is a fact (a bit of a word) that must hold or must not; facts of
// a field are bits of one word, so that a look at the field gives all of them.

#pragma once

#include "findings.h"

// Words of facts: which fields are there (as `has` of the record), the predicates, then those of
// fields that are compared.
enum { WORD_HAS_LOW, WORD_HAS_HIGH, WORD_PREDICATES, WORD_FIELDS };
#define MAX_WORDS (WORD_FIELDS + HT_POLICY_FIELDS_MAX)
#define MAX_FACTS (MAX_WORDS * 64)

// P(ID, name, help): conditions with a name of their own.
#define PREDICATES(P) \
	P(COMPLETE, complete, "the whole hello was seen and parsed") \
	P(SNI_IS_IP, sni_is_ip, \
	  "the server name is an IPv4 address in dotted form, or an IPv6 address, in brackets or " \
	  "not") \
	P(SNI_INVALID, sni_invalid, \
	  "the server name is no host name: a-z, 0-9, hyphens inside a label and underscores, " \
	  "labels of 1 to 63 bytes, 253 bytes in all, no dot at the end") \
	P(EXTENSION_TWICE, extension_twice, \
	  "an extension type is there twice, GREASE apart (RFC 8446 4.2)") \
	P(PSK_NOT_LAST, psk_not_last, \
	  "pre_shared_key is not the last extension (RFC 8446 4.2.11)") \
	P(SHARE_WITHOUT_GROUP, share_without_group, \
	  "a key share is of a group that supported_groups has not, GREASE apart (RFC 8446 " \
	  "4.2.8)")

enum {
#define P(id, name, help) PREDICATE_##id,
	PREDICATES(P)
#undef P
		NUM_PREDICATES
};

// How a field is compared.
enum kind {
	KIND_NONE, // there or not
	KIND_U16S, // list of numbers, GREASE apart
	KIND_U8S,
	KIND_U8, // a number
	KIND_U16,
	KIND_U32,
	KIND_VERSION, // the word as a number: TLS 1.2 is 0x0303, DTLS 1.2 too
	KIND_WORD, // one of a fixed set
	KIND_TEXT, // a text
	KIND_NAMES, // list of texts
	KIND_WORDS, // list of words
};

// compression has no place in the table of fields: it comes behind them.
#define FIELD_COMPRESSION HT_NUM_FIELDS

static inline bool kind_is_list(enum kind k) {
	return k == KIND_U16S || k == KIND_U8S || k == KIND_NAMES || k == KIND_WORDS;
}

static inline bool kind_is_text(enum kind k) {
	return k >= KIND_WORD;
}

// field_kind is KIND_NONE, too, for what a policy must not name (*hidden).
enum kind field_kind(unsigned field, bool *hidden);
const char *field_name(unsigned field); // NULL behind the last one

// field_of_hello tells whether the field may be missing since a hello is incomplete; the others are
// the connection's.
bool field_of_hello(unsigned field);

// version_rank is 0 for a word that is no version.
uint32_t version_rank(const char *word, size_t len);

// --- tables of a field --------------------------------------------------------------------------

struct range {
	uint32_t first, last;
};

// From a number to its facts. Numbers in the same sets are a class; most pages of 256 numbers are
// of one class, and there is one of each kind.
struct numbers {
	uint8_t page[256]; // which of `classes`, by the high byte
	uint64_t facts[HT_POLICY_CLASSES_MAX];
	uint8_t (*classes)[256];
	struct high {
		struct range range;
		uint64_t facts;
	} * high; // for numbers of more than 16 bits
	unsigned num_high;
};

struct text {
	const char *s;
	uint64_t facts;
	uint16_t next; // of its chain: index + 1
	uint8_t len;
	bool open_front, open_back; // anything may stand there
};

#define TEXT_CHAINS 64u
struct texts {
	uint16_t chain[TEXT_CHAINS]; // index + 1
	uint16_t open; // those with an open side
	bool fold; // capital letters are small ones
	struct text *text;
};

// `fold`: the bytes are looked at as small letters.
static inline unsigned text_chain(const uint8_t *p, size_t len, bool fold) {
	if (len == 0)
		return 0;
	const unsigned bit = fold ? 0x20 : 0;
	return (unsigned)(len * 5 + (p[0] | bit) * 3 + (p[len - 1] | bit)) % TEXT_CHAINS;
}

// Sources share words: as many as their facts have room for.
struct source {
	uint64_t facts; // those of its word that are its own
	uint8_t word;
	uint8_t has_word, has_bit; // where it is known that it is there
	uint8_t field;
	uint8_t kind; // enum kind
	uint16_t offset; // in struct ht_record
	struct numbers *numbers; // one of these
	struct texts *texts;
};

// --- conditions ---------------------------------------------------------------------------------

struct part {
	uint64_t want, forbid; // facts of a word
	uint8_t word;
};

// All of its parts hold.
struct term {
	uint16_t first, num; // parts
	uint8_t finding;
};

struct ht_policy {
	struct source source[HT_POLICY_FIELDS_MAX];
	unsigned num_sources;
	unsigned num_words;
	uint64_t predicates; // that are used
	ht_fieldset of_connection; // fields that an incomplete hello has like any other
	// Terms, by the fact that each looks at first: one that is seldom there. Those that want
	// none come last.
	uint64_t keys[MAX_WORDS]; // facts that have terms
	uint16_t first_term[MAX_FACTS + 1];
	uint16_t num_terms;
	struct term *term;
	struct part *part;
	struct ht_finding finding[HT_POLICY_FINDINGS_MAX];
	unsigned num_findings;
	char *texts; // all bytes of texts, one after the other
};

// --- predicates (findings_sni.c) ----------------------------------------------------------------

bool sni_is_ip(struct ht_span name);
bool sni_is_invalid(struct ht_span name);

// --- the built-in policy (made of policies/default.policy) --------------------------------------

extern const uint8_t findings_default[];
extern const size_t findings_default_len;
