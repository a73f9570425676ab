// SPDX-License-Identifier: BSD-3-Clause
// spool: a bounded queue of byte entries on disk, in order, across restarts and crashes: for an
// output whose collector is away. One thread uses a spool at a time; the numbers at the end may be
// read by any. Uses base, stats.
//
// What is promised: an entry that was flushed comes out of ht_spool_next, in order, until it is
// settled. After a crash some that were settled come again (at most HT_SPOOL_PACE of them, the last
// ones), so that delivery is at least once. What was appended and not flushed may be lost by a
// crash, the newest first; half an entry is never seen. What "flushed" survives is said by `fsync`.

#pragma once

#include "base.h"
#include "stats.h"

#define HT_SPOOL_ENTRY_MAX (4u * 1024 * 1024) // bytes of an entry
#define HT_SPOOL_WINDOW (1u << 20) // most entries that are read and not settled
#define HT_SPOOL_PACE 1000u // the cursor on disk is at most so many settled entries behind

// When the system is told to put bytes on the disk itself. Whichever it is, a crash of the program
// loses nothing that was flushed; this is about a crash of the host.
enum ht_spool_fsync {
	HT_SPOOL_FSYNC_NEVER, // the kernel writes when it likes to
	HT_SPOOL_FSYNC_SEGMENT, // when a segment (8 MiB, less in a small spool) is finished
	HT_SPOOL_FSYNC_FLUSH, // in each ht_spool_flush, too
};

struct ht_spool_params {
	// Where spools are. Made (0700) where it is missing; its parent must be there.
	const char *folder;
	// Of this one: any text, not empty. Its folder is FOLDER/NAME (0700) with each byte but
	// letters, digits, '-', '_' and a '.' that is not the first written as %XX. So two names
	// never share a folder. It is refused when it belongs to neither this user nor root, or
	// when group or others may write there. One that would be longer than 200 characters is
	// cut, and ends in
	// '%', '-' and its 128-bit hash.
	const char *name;
	// The most its files take, each a multiple of 4 KiB. Room comes back by segments, of a
	// sixteenth of this (4 KiB to 8 MiB), or what the longest entry takes.
	uint64_t max_bytes;
	uint32_t fsync; // enum ht_spool_fsync
};

// What became of the entries: X(ID, name, help).
// recovered + appended = settled + lost_damaged + ht_spool_count.
#define HT_SPOOL_COUNTERS(X) \
	X(RECOVERED, "recovered", "entries found when the spool was opened, damaged ones as well") \
	X(APPENDED, "appended", "entries put into the spool") \
	X(SETTLED, "settled", "entries delivered out of the spool") \
	X(LOST_DAMAGED, "lost_damaged", \
	  "entries that were there and are damaged or gone; where lengths are damaged, the " \
	  "fewest " \
	  "that it can have been") \
	X(REFUSED_FULL, "refused_full", "entries refused since the spool had its most bytes") \
	X(REFUSED_LONG, "refused_long", "entries refused since they were longer than 4 MiB") \
	X(REFUSED_DISK, "refused_disk", "entries refused since the disk took no more") \
	X(DAMAGED, "damaged", "damaged places skipped, an entry or more each") \
	X(DAMAGED_BYTES, "damaged_bytes", "bytes skipped in damaged places") \
	X(TORN_BYTES, "torn_bytes", "bytes of an unfinished write cut off when opened") \
	X(CURSOR_FAILED, "cursor_failed", "times the cursor could not be written; tried again")

enum ht_spool_counter {
#define X(id, name, help) HT_SPOOL_##id,
	HT_SPOOL_COUNTERS(X)
#undef X
		HT_SPOOL_NUM_CTRS
};

extern const struct ht_counter ht_spool_counters[HT_SPOOL_NUM_CTRS];

struct ht_spool;

// ht_spool_open opens the spool or makes it, and reads all that is in it once: entries are counted,
// what a crash left unfinished is cut off. Files that are no spool's are left alone.
// HT_OK: *out is there. HT_MORE: somebody else has it open. HT_ERROR: the system refused, or a
// newer version wrote it. But for HT_OK, `err` gets one line without a newline; and if something
// was damaged, ht_spool_error has one.
HT_MUST_USE enum ht_rc
ht_spool_open(struct ht_spool **out, const struct ht_spool_params *p, char *err, size_t err_len);

// ht_spool_claim and ht_spool_load do that in two steps. The first one is quick: the folder is
// there, and nobody else's from now on; behind it nothing may be called but ht_spool_load or
// ht_spool_close. The second one reads what is in it, which takes its time where that is much; but
// for HT_OK, the spool is closed.
HT_MUST_USE enum ht_rc
ht_spool_claim(struct ht_spool **out, const struct ht_spool_params *p, char *err, size_t err_len);
HT_MUST_USE enum ht_rc ht_spool_load(struct ht_spool *s, char *err, size_t err_len);

// ht_spool_probe tells whether ht_spool_open would find or could make its folder, and makes
// nothing. HT_ERROR: `err` gets one line. It does not look whether somebody else has it open.
HT_MUST_USE enum ht_rc ht_spool_probe(const struct ht_spool_params *p, char *err, size_t err_len);

// ht_spool_close flushes and writes the cursor; NULL is nothing. A caller that wants to know
// whether all of it went to the disk calls ht_spool_flush before.
void ht_spool_close(struct ht_spool *s);

// --- the end where entries go in ---

// ht_spool_append copies an entry; one of no bytes is an entry as well. HT_OK. HT_FULL: it would
// take more than max_bytes; settling makes room. HT_LIMIT: longer than HT_SPOOL_ENTRY_MAX.
// HT_ERROR: the disk refused (ht_spool_error says how). An entry that is refused leaves no trace,
// and those before it stay; try again when the disk has room.
HT_MUST_USE enum ht_rc ht_spool_append(struct ht_spool *s, struct ht_span bytes);

// ht_spool_flush gives what was appended (64 KiB at the most are held back) to the operating
// system, and by `fsync` to the disk; and writes the cursor. To be called whenever there is nothing
// more to append. HT_OK. HT_ERROR: the disk refused; all stays in memory, can be read, and is tried
// again by the next flush. Or somebody took files away, or the folder: what was in them is counted
// as lost_damaged, and the spool has begun anew where it can.
enum ht_rc ht_spool_flush(struct ht_spool *s);

// ht_spool_check looks whether each file is still there; ht_spool_flush only looks after the folder
// and the file that is written. For the end, before what is left is counted. HT_ERROR as there.
enum ht_rc ht_spool_check(struct ht_spool *s);

// --- the end where entries come out ---

// ht_spool_next reads the next entry behind the one read last. *bytes is borrowed until the next
// call of any function of this spool. HT_OK. HT_MORE: none now (or HT_SPOOL_WINDOW of them wait for
// being settled). HT_ERROR: a file could not be opened, or no memory; the next call tries again.
// An entry need not have been flushed to be read.
HT_MUST_USE enum ht_rc ht_spool_next(struct ht_spool *s, struct ht_span *bytes);

// ht_spool_settle: the n oldest entries that were read are delivered and never come again (but for
// a crash). n is at most what was read and not settled; more is taken for that. Files of which all
// is settled are deleted.
void ht_spool_settle(struct ht_spool *s, uint64_t n);

// ht_spool_rewind: ht_spool_next goes on with the oldest entry that is not settled.
void ht_spool_rewind(struct ht_spool *s);

// --- numbers, for any thread ---

uint64_t ht_spool_count(const struct ht_spool *s); // entries not settled

// ht_spool_stats adds the counters to total[HT_SPOOL_NUM_CTRS].
void ht_spool_stats(const struct ht_spool *s, uint64_t *total);

// --- the thread that uses it ---

// ht_spool_unflushed tells how many of the entries not settled are in memory alone: what would be
// lost if the program ended now.
uint64_t ht_spool_unflushed(const struct ht_spool *s);

// ht_spool_error is the line about the last HT_ERROR or loss, good until the next call; "" if there
// was none.
const char *ht_spool_error(const struct ht_spool *s);
