// SPDX-License-Identifier: BSD-3-Clause
// How a set is kept. Whatever is compared for equality (names, fingerprints, masked addresses ...)
// is a key of one hash table; entries hang on their most telling condition's key, and the other
// conditions of an entry are looked at when that one holds. Regular expressions are keys, too,
// found by Hyperscan instead of the hash.

#pragma once

#include "watchlist.h"

#include <locale.h>

#define WL_NAME_MAX 253u // RFC 1035 3.1, as text without the final dot
#define WL_LABEL_MAX 63u
#define WL_KEY_MAX (HT_WATCHLIST_REGEX_LEN_MAX + 2)
#define WL_SNI_MAX 65535u // its length has 16 bits, RFC 6066 3
// What of a name can be in a DNS name: a code point takes up to 4 bytes, and a byte of the A-label
// at least.
#define WL_TAIL_MAX (4 * WL_NAME_MAX)
#define WL_FOLDED_MAX (WL_SNI_MAX + 5 * WL_TAIL_MAX) // "ü." is 3 bytes, "xn--tda." 8
#define WL_NONE UINT32_MAX

enum wl_field { WL_NAME, WL_REGEX, WL_ALPN, WL_JA3, WL_JA4, WL_IP4, WL_IP6, WL_PORT, WL_CERT };

// Where a condition's value may be found, as bits: an entry has those that do, a look-up says which
// it is.
#define WL_WHOLE 1 // a name: this one
#define WL_BELOW 2 // a name: below this one
#define WL_SRC 1 // addresses and ports
#define WL_DST 2
#define WL_ANY 3

// JA4's parts that a condition gives.
#define WL_JA4_LEN 36u
#define WL_JA4_B 11u // where the second part is
#define WL_JA4_C 24u
#define WL_JA4_ALL 7u

struct wl_slot {
	uint32_t hash;
	uint32_t key; // its index + 1; 0: free
};

struct wl_key {
	uint32_t bytes; // in `text`, a NUL behind them
	uint32_t first; // entry, or WL_NONE
	uint16_t len;
	uint16_t num; // entries
	uint8_t field;
	uint8_t bits; // of a prefix
};

struct wl_entry {
	uint32_t text, label; // label 0: none
	uint32_t next; // with the same key
	uint32_t more; // the first of its further conditions
	uint16_t list;
	uint8_t severity; // enum ht_severity
	uint8_t where;
	uint8_t num_more;
};

// A further condition. REGEX: `bytes` is the number of the expression. JA4: `where` is the parts.
struct wl_condition {
	uint32_t bytes;
	uint16_t len;
	uint8_t field, where, bits;
};

struct wl_regex {
	uint32_t key; // rising
};

struct wl_database; // of Hyperscan

// What a worker writes to.
struct wl_scratch {
	uint32_t found[HT_WATCHLIST_MATCHES_MAX]; // entries, rising
	unsigned num_found, cut;
	uint32_t alpn_left; // bytes that conditions may still go through
	bool alpn_cut; // not all protocols were looked at
	uint32_t num_hits;
	uint32_t *hits; // numbers of expressions
	uint64_t *hit; // a bit an expression
	void *hs;
	uint8_t folded[WL_FOLDED_MAX];
};

struct ht_watchlists {
	struct wl_slot *slots;
	uint32_t mask; // number of slots - 1
	uint32_t fields; // that keys or conditions have, as bits
	const char *text;
	struct wl_key *keys;
	struct wl_entry *entries;
	struct wl_condition *conditions;
	uint64_t seed;
	uint64_t depths[2]; // names of so many labels, as bits
	uint64_t prefixes4, prefixes6[3]; // lengths of prefixes, as bits
	uint8_t ja4_parts; // sets of parts, as bits
	locale_t locale;
	struct wl_database *database; // NULL: no expressions
	struct wl_regex *regexes;
	struct wl_scratch **scratch; // of each worker
	uint32_t *lists; // names
	unsigned workers;

	// What loading counts.
	uint32_t num_keys, num_entries, num_conditions, num_regexes, num_lists, text_len;
	uint32_t cap_text, cap_keys, cap_entries, cap_conditions, cap_regexes;
	uint64_t bytes, max_bytes;
};

// --- watchlist_set.c: the store -----------------------------------------------------------------

// A condition as it is read.
struct wl_value {
	uint8_t field, where, bits;
	uint16_t len;
	uint16_t weight; // of an expression: what its repeats add when written out
	uint8_t bytes[WL_KEY_MAX];
};

uint32_t wl_hash(const struct ht_watchlists *w, uint8_t field, uint8_t bits, struct ht_span bytes);

// wl_find returns the key's index or WL_NONE.
uint32_t
wl_find(const struct ht_watchlists *w,
	uint32_t hash,
	uint8_t field,
	uint8_t bits,
	struct ht_span bytes);

// wl_key_add finds or makes a key. HT_LIMIT: too much memory. HT_ERROR: none.
enum ht_rc wl_key_add(struct ht_watchlists *w, uint32_t *key, const struct wl_value *v);

// wl_text_add stores bytes and a NUL.
enum ht_rc wl_text_add(struct ht_watchlists *w, uint32_t *at, struct ht_span bytes);

// wl_grow makes room for one more element; *p is an array of *cap.
enum ht_rc wl_grow(struct ht_watchlists *w, void *p, uint32_t *cap, uint32_t num, size_t size);

// wl_trim gives back what growing took in advance.
void wl_trim(struct ht_watchlists *w);

// --- watchlist_name.c ---------------------------------------------------------------------------

// wl_fold writes a name as it is compared: in lower case, U-labels as A-labels, without the final
// dot. What is not text is kept as it is. `out` has WL_FOLDED_MAX bytes.
size_t wl_fold(locale_t locale, uint8_t *out, struct ht_span name);

// wl_list_name reads a name of a list in the same form. HT_BAD: it is none, `reason` says why.
enum ht_rc
wl_list_name(uint8_t out[WL_NAME_MAX], uint16_t *len, struct ht_span name, char reason[200]);

// --- watchlist_read.c ---------------------------------------------------------------------------

// Where an expression was used, for what the compiler says of it later.
struct wl_use {
	const char *file;
	uint32_t line, regex;
	uint8_t kind;
	bool refused;
};

struct wl_load {
	struct ht_watchlists *w;
	struct ht_watchlist_params p; // with the defaults
	struct ht_watchlist_report *rep;
	const char *file; // being read
	uint32_t line;
	uint16_t list;
	uint32_t last_label;
	struct wl_use *uses;
	uint32_t num_uses, cap_uses;
	uint32_t weight; // of all expressions
};

__attribute__((format(printf, 4, 5))) void
wl_complain(struct wl_load *l, const char *file, uint32_t line, const char *format, ...);

// wl_read reads a list. But for HT_OK it could not be stored.
enum ht_rc wl_read(struct wl_load *l, struct ht_span text);

// --- watchlist_regex.c --------------------------------------------------------------------------

// A key of an expression is its flags in a byte, and the expression.
#define WL_REGEX_DOTALL 1

// wl_regex_check measures a key. HT_BAD: with the reason why this build will not take it.
enum ht_rc wl_regex_check(struct wl_value *v, char reason[200]);

// wl_regex_compile makes the database and what scratch needs of it. Expressions that are refused
// are told, and the rest is compiled.
enum ht_rc wl_regex_compile(struct wl_load *l);

// wl_regex_scan writes hits. False: it could not.
bool wl_regex_scan(const struct ht_watchlists *w, struct wl_scratch *s, struct ht_span name);

void wl_regex_free(struct ht_watchlists *w);

// --- watchlist_cache.c --------------------------------------------------------------------------

// wl_cache_load reads the bytes kept for `what` they depend on. HT_SKIP: there are none that can be
// trusted; `note` says why, if there is a file. *bytes borrows from *block, to be freed.
enum ht_rc wl_cache_load(
	const char *folder, struct ht_span what, void **block, struct ht_span *bytes, char note[200]
);

// wl_cache_store keeps bytes, and deletes the oldest files beyond HT_WATCHLIST_CACHED_MAX. HT_SKIP:
// `note` says why not.
enum ht_rc
wl_cache_store(const char *folder, struct ht_span what, struct ht_span bytes, char note[200]);
