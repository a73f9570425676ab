// SPDX-License-Identifier: BSD-3-Clause
// watchlist: lists of names, patterns, fingerprints, addresses and ports, compiled into a set, and
// what of them a hello matches; sets swapped while workers match. docs/watchlists.md has the files'
// syntax. Uses base, stats. Hyperscan (or Vectorscan) compiles regular expressions and libidn2
// takes names beyond ASCII; without one of them, lines that want it are refused, each with a
// message that says so.

#pragma once

#include "base.h"
#include "severity.h"
#include "stats.h"

// --- what a list says ---------------------------------------------------------------------------

// X(ID, name, help): the first condition of an entry.
#define HT_WATCHLIST_KINDS(X) \
	X(DOMAIN, "domain", "names: a domain and what is below it, a host, or only what is below") \
	X(REGEX, "regex", "regular expressions on the server name") \
	X(ALPN, "alpn", "protocols offered") \
	X(JA3, "ja3", "JA3 fingerprints") \
	X(JA4, "ja4", "JA4 fingerprints, and parts of them") \
	X(IP, "ip", "addresses and prefixes") \
	X(PORT, "port", "ports") \
	X(CERT, "cert", "SHA-256 of certificates") \
	X(COMBINED, "combined", "several conditions that must all hold")

enum ht_watchlist_kind {
#define X(id, name, help) HT_WATCHLIST_##id,
	HT_WATCHLIST_KINDS(X)
#undef X
		HT_WATCHLIST_NUM_KINDS
};

#define HT_WATCHLIST_FILES_MAX 256u
#define HT_WATCHLIST_LINE_MAX 4096u // bytes
#define HT_WATCHLIST_REGEX_LEN_MAX 512u // bytes between the slashes
#define HT_WATCHLIST_REPEAT_MAX 256u // of a bounded repeat in a regular expression: {256}
#define HT_WATCHLIST_WEIGHT_MAX 32768u // characters that repeats of all of them add, written out
#define HT_WATCHLIST_CONDITIONS_MAX 8u // of an entry
#define HT_WATCHLIST_SAME_MAX 256u // entries that hang on the same name, address ...
#define HT_WATCHLIST_MATCHES_MAX 64u // of a hello
#define HT_WATCHLIST_ALPN_MAX 256u // different protocols of a hello that lists have
// Bytes of a hello's protocols that are gone through for conditions of combined entries.
#define HT_WATCHLIST_ALPN_BYTES_MAX (1024u * 1024)
#define HT_WATCHLIST_ERRORS_MAX 64u // kept in a report
#define HT_WATCHLIST_CACHED_MAX 8u // databases kept in the cache's folder

// Zero stands for the default.
struct ht_watchlist_params {
	unsigned workers; // that will match, 1 if not given
	uint32_t max_entries; // of all lists; 4 million
	uint32_t max_regexes; // 4096
	uint64_t max_file_bytes; // of a list; 256 MiB
	uint64_t max_bytes; // of the set in memory, scratch and database included; 1 GiB
	// Where compiled databases are kept, or NULL: compile each time. It must be there, be owned
	// by this user or root, and nobody else may write to it; so must be each file in it.
	const char *cache_folder;
};

struct ht_watchlist_error {
	const char *file; // borrowed from the caller
	uint32_t line; // from 1; 0: the file as such, or the set
	char reason[200];
};

struct ht_watchlist_report {
	// In the order of files; what the regular expression compiler refuses comes last.
	struct ht_watchlist_error errors[HT_WATCHLIST_ERRORS_MAX];
	unsigned num, more; // those kept, those found when these were full
	uint64_t lines;
	uint64_t entries[HT_WATCHLIST_NUM_KINDS]; // taken
	uint64_t duplicates; // the same entry again in the same list
	uint64_t ignored; // localhost and its like in hosts files, headings of CSV files
	uint64_t read_ns, compile_ns; // files; regular expressions, or reading the cache
	uint64_t bytes; // the set takes in memory, with the following two
	uint64_t database_bytes, scratch_bytes; // of regular expressions; scratch of all workers
	bool from_cache; // the database was
	char cache_note[200]; // why the cache was not used or not written; "" if there is nothing
};

// --- a set --------------------------------------------------------------------------------------

// Immutable but for its scratch, of which each worker has its own.
struct ht_watchlists;

// ht_watchlists_load reads and compiles files into a set. A line that is wrong is told in *rep and
// left out. The list of a file is called like the file, without folder and without .txt, .csv,
// .list or .hosts. It may take seconds: not for the packet path.
//   HT_OK     *out is there, perhaps with errors told
//   HT_LIMIT  more entries, expressions, bytes or files than the caps allow
//   HT_ERROR  a file cannot be read or is longer than max_file_bytes, two lists have the same
//             name, or no memory
// and but for HT_OK *out is NULL. *rep is written in any case and borrows `files`; *out does not.
HT_MUST_USE enum ht_rc ht_watchlists_load(
	struct ht_watchlists **out,
	const char *const *files,
	unsigned num,
	const struct ht_watchlist_params *p,
	struct ht_watchlist_report *rep
);

// ht_watchlists_load_text does the same with one list as text, borrowed for the call. `name` is the
// list's, as a file's; *rep borrows it.
HT_MUST_USE enum ht_rc ht_watchlists_load_text(
	struct ht_watchlists **out,
	const char *name,
	struct ht_span text,
	const struct ht_watchlist_params *p,
	struct ht_watchlist_report *rep
);

// NULL is allowed. A set that was published belongs to its slot.
void ht_watchlists_free(struct ht_watchlists *w);

unsigned ht_watchlists_workers(const struct ht_watchlists *w);

// ht_watchlists_has_cert tells whether an entry has a condition on the certificate.
bool ht_watchlists_has_cert(const struct ht_watchlists *w);

// --- matching -----------------------------------------------------------------------------------

// Of one hello. A field that is not known is empty, NULL or 0, and no condition on it holds.
// Everything may be an attacker's, of any bytes and any length.
struct ht_watchlist_query {
	struct ht_span sni; // as sent
	struct ht_span alpn; // names, each behind a byte of its length (RFC 7301 3.1)
	struct ht_span ja3; // 32 hex digits
	struct ht_span ja4; // t13d1516h2_8daaf6152771_e5627efa2ab1
	struct ht_span cert_sha256; // 32 bytes
	const uint8_t *src_ip, *dst_ip; // 16 bytes as in struct ht_flow_key, client and server
	uint16_t src_port, dst_port;
	bool only_cert; // entries without a condition on the certificate do not count
};

// Borrowed from the set: until the worker's next ht_watchlist_use or ht_watchlist_quiet.
struct ht_watchlist_match {
	const char *list;
	const char *entry; // as in the list
	const char *label; // NULL: none
	enum ht_severity severity; // notice where the list has none
};

// X(ID, name, help): of a worker.
#define HT_WATCHLIST_COUNTERS(X) \
	X(QUERIES, "queries", "hellos looked up in the watchlists") \
	X(MATCHED, "matched", "of them, those that matched an entry or more") \
	X(MATCHES, "matches", "entries matched") \
	X(MATCHES_CUT, "matches_cut", "entries matched and left out, since a hello had too many") \
	X(ALPN_CUT, "alpn_cut", "hellos that had too many protocols: not all were looked at") \
	X(SCANS_FAILED, "scans_failed", "server names that Hyperscan did not scan")

enum ht_watchlist_counter {
#define X(id, name, help) HT_WATCHLIST_CTR_##id,
	HT_WATCHLIST_COUNTERS(X)
#undef X
		HT_WATCHLIST_NUM_CTRS
};

extern const struct ht_counter ht_watchlist_counters[HT_WATCHLIST_NUM_CTRS];

// ht_watchlist_match writes what matches, by list and line, at most `max` (and of more than
// HT_WATCHLIST_MATCHES_MAX the most severe ones), the first ones, and returns how many. `worker` is
// below the set's `workers`, and no two threads use one at a time. `counters` is the worker's
// block. No allocation, no lock, no system call.
unsigned ht_watchlist_match(
	const struct ht_watchlists *w,
	unsigned worker,
	const struct ht_watchlist_query *q,
	struct ht_watchlist_match *out,
	unsigned max,
	uint64_t counters[HT_WATCHLIST_NUM_CTRS]
);

// --- swapping -----------------------------------------------------------------------------------

// The set in force, and how far each worker is. Workers never wait; the control thread does.
struct ht_watchlist_slot;

// ht_watchlist_slot_new returns a slot without a set, all workers quiet. NULL: no memory.
struct ht_watchlist_slot *ht_watchlist_slot_new(unsigned workers);

// ht_watchlist_slot_free frees the slot and its set; all workers are quiet. NULL is allowed.
void ht_watchlist_slot_free(struct ht_watchlist_slot *s);

// ht_watchlist_use, at the begin of a burst: the set in force, or NULL. What this worker had from
// an earlier call (sets, matches) is given up by it. Two loads and a store; a locked instruction
// only when the worker was quiet.
const struct ht_watchlists *ht_watchlist_use(struct ht_watchlist_slot *s, unsigned worker);

// ht_watchlist_quiet: this worker holds nothing, before it sleeps, waits or ends. One that does not
// say so holds up ht_watchlist_publish.
void ht_watchlist_quiet(struct ht_watchlist_slot *s, unsigned worker);

// ht_watchlist_publish puts `w` (NULL: no set) in force and frees the one before, when no worker
// can use it any more; for that it waits, sleeping, `timeout_ms` at most. By one thread at a time.
//   HT_OK    done; no match of the old set comes from now on
//   HT_MORE  `w` is in force, and a worker still has the old one, which is freed by the next
//            ht_watchlist_publish or by ht_watchlist_slot_free
//   HT_FULL  a worker still has the set before the old one: nothing was done, `w` is the caller's
//   HT_BAD   `w` has scratch for fewer workers than the slot has: as above
HT_MUST_USE enum ht_rc
ht_watchlist_publish(struct ht_watchlist_slot *s, struct ht_watchlists *w, unsigned timeout_ms);
