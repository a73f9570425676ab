// SPDX-License-Identifier: BSD-3-Clause
// rates: what the hellos of a network together tell (docs/rates.md): floods of them, to an address,
// from a network or for a server name; fingerprints that are new here, or rare. One thread uses a
// struct ht_rates at a time. Uses base, stats, hll, record.
//
// Memory is reserved at start and touched only as it is used; nothing grows later. Keys come from
// whoever sends: they are hashed with a secret.

#pragma once

#include "base.h"
#include "option.h"
#include "record.h"
#include "stats.h"

#define HT_RATES_CLIENTS 16 // of a fingerprint, that are told apart

enum ht_rates_fingerprints {
	HT_RATES_NONE,
	HT_RATES_JA4,
	HT_RATES_JA3,
	HT_RATES_BOTH,
};

struct ht_rates_params {
	// The options of the section `rates`.
	uint32_t flood_dst_hz, flood_src_hz, flood_sni_hz; // hellos in a second; 0: not told
	uint32_t src_prefix4, src_prefix6; // bits of a source network
	uint32_t flood_hold_s, flood_end_percent, flood_end_s, flood_peak_s;
	uint32_t max_keys; // of destinations, of sources, of names
	uint32_t max_floods; // of each of them at a time
	uint32_t fingerprints; // enum ht_rates_fingerprints
	uint32_t learn_s, learn_hellos;
	uint32_t rare_clients, rare_ppm, rare_interval_s;
	uint32_t events_per_min; // of fingerprints
	uint32_t max_fingerprints;
	const char *store; // a file; NULL: none
	uint32_t save_s;

	uint64_t secret[2]; // keys the hashes, so that no sender can choose collisions
	// emit gets each event. It and all it points to are good for the call.
	void (*emit)(void *user, const struct ht_record *r);
	void *user;
};

extern const struct ht_option_table ht_rates_options;

// What became of hellos and keys: X(ID, name, help). After ht_rates_finish floods = ends; always
// new = new_learned + new_told + new_capped, rare = rare_told + rare_capped.
#define HT_RATES_COUNTERS(X) \
	X(HELLOS, "hellos", "hello records looked at") \
	X(LATE, "late", "of them, told a second or more after their frame: counted as they came") \
	X(STRANGE, "strange", "of them, those whose time is 10 s off: counted as they came") \
	X(CLOCK_JUMPS, "clock_jumps", \
	  "times that the clock of the frames was set: 16 hellos after another were 10 s off") \
	X(KEYS, "keys", "destinations, source networks and names that were begun to be counted") \
	X(EVICTED, "evicted", "of them, those given up for others: max_keys") \
	X(UNCOUNTED, "uncounted", "times that a key had no place: max_keys, all of floods") \
	X(FLOODS, "floods", "floods told to have started") \
	X(PEAKS, "peaks", "peaks told of them") \
	X(ENDS, "ends", "floods told to have ended") \
	X(UNFOLLOWED, "unfollowed", \
	  "tenths of a second that a key was above its threshold and could not be followed: " \
	  "max_floods") \
	X(FINGERPRINTS, "fingerprints", "fingerprints looked up") \
	X(NEW, "new", "of them, not seen before") \
	X(NEW_LEARNED, "new_learned", "of these, learned: not told") \
	X(NEW_TOLD, "new_told", "of these, told") \
	X(NEW_CAPPED, "new_capped", "of these, not told: events_per_min") \
	X(RARE, "rare", "fingerprints found to be rare, and due to be told") \
	X(RARE_TOLD, "rare_told", "of them, told") \
	X(RARE_CAPPED, "rare_capped", "of them, not told for now: events_per_min") \
	X(FORGOTTEN, "forgotten", "fingerprints given up for others: max_fingerprints") \
	X(SAVED, "saved", "times that the store was saved") \
	X(SAVE_FAILED, "save_failed", "times that it could not be")

enum ht_rates_counter {
#define X(id, name, help) HT_RATES_##id,
	HT_RATES_COUNTERS(X)
#undef X
		HT_RATES_NUM_CTRS
};

extern const struct ht_counter ht_rates_counters[HT_RATES_NUM_CTRS];

// ht_rates_balanced checks the sums of counters, at the end.
bool ht_rates_balanced(const uint64_t *counters);

// ht_rates_memory is the most bytes that it takes.
uint64_t ht_rates_memory(const struct ht_rates_params *p);

struct ht_rates;

// ht_rates_new copies *p. NULL: no memory.
struct ht_rates *ht_rates_new(const struct ht_rates_params *p);

// ht_rates_free tells nothing any more, and waits for what is being saved. NULL is nothing, and so
// is one that was left (ht_rates_save_leave).
void ht_rates_free(struct ht_rates *r);

// The time is that of the frames, in slots of 100 ms: that of the latest hello, and what passed
// since. A rate is the hellos of the last ten slots. A hello that is 10 s off either way is counted
// in the slot there is; when 16 complete ones after another are, the clock was set.

// ht_rates_add counts a hello record. True: it is the latest; what passes counts from here.
bool ht_rates_add(struct ht_rates *r, const struct ht_record *hello);

// ht_rates_tick, live, says that `passed` ns went by since the latest hello, and what time it is by
// a clock that nobody sets: events_per_min counts by that, too.
void ht_rates_tick(struct ht_rates *r, int64_t passed, int64_t now);

// ht_rates_finish ends all floods, and forgets what time it is: what comes next may be of another
// day. Fingerprints stay.
void ht_rates_finish(struct ht_rates *r);

// ht_rates_counts is the counters, for as long as it lives; others may read them with ht_stats_sum
// meanwhile.
const uint64_t *ht_rates_counts(const struct ht_rates *r);

// --- the store of fingerprints, as bytes --------------------------------------------------------

// ht_rates_pack_size is how many bytes the store takes now.
size_t ht_rates_pack_size(const struct ht_rates *r);

// ht_rates_pack writes them, ht_rates_pack_size of them.
void ht_rates_pack(const struct ht_rates *r, uint8_t *out);

// ht_rates_unpack takes over what ht_rates_pack wrote, into a new struct ht_rates: nothing may have
// been added. HT_BAD: it is damaged, HT_SKIP: it is no such store, or another version wrote it;
// then `err` says why in one line, and the store is empty still.
HT_MUST_USE enum ht_rc
ht_rates_unpack(struct ht_rates *r, struct ht_span bytes, char *err, size_t err_len);

// --- and as a file ------------------------------------------------------------------------------

// ht_rates_store_place says whether the folder of a store is there. HT_ERROR: `err` says why not.
HT_MUST_USE enum ht_rc ht_rates_store_place(const char *path, char *err, size_t err_len);

// ht_rates_load reads params.store. HT_SKIP: there is none yet, or nothing in it. HT_BAD: it was
// damaged, and is called PATH.damaged now; `err` says why, and the store is empty. HT_ERROR: it
// cannot be read, is something else, or another version wrote it, or its folder is missing: `err`
// says why, and it stays as it is.
HT_MUST_USE enum ht_rc ht_rates_load(struct ht_rates *r, char *err, size_t err_len);

// ht_rates_save begins to write the store to params.store, in a thread of its own, from a copy that
// is made here. Nothing happens while an earlier call goes on. It has replaced the file, as a
// whole, when it is done.
void ht_rates_save(struct ht_rates *r);

// ht_rates_save_last is for the end: behind an earlier call that goes on it writes all once more,
// in the thread. HT_MORE: it does; call again, until it says HT_OK, or HT_ERROR: `err` says why.
HT_MUST_USE enum ht_rc ht_rates_save_last(struct ht_rates *r, char *err, size_t err_len);

// ht_rates_save_leave is for who waits no longer. True: the thread hangs; it and what it uses are
// left as they are, and the process is to end without freeing params.store. False: it has ended
// meanwhile.
bool ht_rates_save_leave(struct ht_rates *r);

// ht_rates_save_error is what was wrong when the store was last saved in a thread, once; NULL:
// nothing. Of the thread that calls ht_rates_save.
const char *ht_rates_save_error(struct ht_rates *r);
