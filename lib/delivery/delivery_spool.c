// SPDX-License-Identifier: BSD-3-Clause
// Records on disk: encoded without pointers, with the sensor's name, run and number in them, so
// that a later run sends them as this one would have.

#include "delivery_int.h"

#include <stdio.h>
#include <stdlib.h>

static void say_error(struct ht_delivery *d) {
	pthread_mutex_lock(&d->lock);
	snprintf(
		d->said, sizeof(d->said), "%.200s: spool: %s", d->options->to,
		ht_spool_error(d->spool)
	);
	d->has_said = true;
	pthread_mutex_unlock(&d->lock);
}

// Entries that were there and cannot be read any more, and such that can be read all the same.
static void follow(struct ht_delivery *d) {
	uint64_t now[HT_SPOOL_NUM_CTRS] = {0};
	ht_spool_stats(d->spool, now);
	delivery_count(d, HT_DELIVERY_RECOVERED, now[HT_SPOOL_RECOVERED] - d->recovered);
	d->recovered = now[HT_SPOOL_RECOVERED];
	if (now[HT_SPOOL_LOST_DAMAGED] == d->damaged)
		return;
	delivery_lose(d, HT_DELIVERY_LOST_SPOOL_FAILED, now[HT_SPOOL_LOST_DAMAGED] - d->damaged);
	d->damaged = now[HT_SPOOL_LOST_DAMAGED];
	snprintf(d->spool_error, sizeof(d->spool_error), "%s", ht_spool_error(d->spool));
	say_error(d);
}

enum ht_rc delivery_spool_claim(struct ht_delivery *d, char *err, size_t err_len) {
	const struct ht_sink_options *o = d->options;
	const struct ht_spool_params p = {
		.folder = o->spool,
		.name = o->to,
		.max_bytes = (uint64_t)o->spool_mib << 20,
		.fsync = o->fsync == HT_FSYNC_INTERVAL	 ? HT_SPOOL_FSYNC_FLUSH
			 : o->fsync == HT_FSYNC_FINISHED ? HT_SPOOL_FSYNC_SEGMENT
							 : HT_SPOOL_FSYNC_NEVER,
	};
	if (d->claimed != NULL)
		return HT_OK;
	if (d->protobuf == NULL && (d->protobuf = ht_protobuf_new()) == NULL) {
		snprintf(err, err_len, "no memory, or built without protobuf-c");
		return HT_ERROR;
	}
	if (d->entry == NULL && (d->entry = malloc(HT_PROTOBUF_MAX)) == NULL) {
		snprintf(err, err_len, "no memory");
		return HT_ERROR;
	}
	return ht_spool_claim(&d->claimed, &p, err, err_len);
}

enum ht_rc delivery_spool_open(struct ht_delivery *d, char *err, size_t err_len) {
	enum ht_rc rc = delivery_spool_claim(d, err, err_len);
	if (rc != HT_OK)
		return rc;
	struct ht_spool *const s = d->claimed;
	d->claimed = NULL;
	rc = ht_spool_load(s, err, err_len);
	if (rc != HT_OK)
		return rc;
	d->spool = s;
	follow(d);
	if (ht_spool_error(d->spool)[0] != '\0')
		say_error(d);
	return HT_OK;
}

// What cannot be written stays in memory, and is tried again by the next one.
void delivery_spool_flush(struct ht_delivery *d) {
	if (ht_spool_flush(d->spool) != HT_OK)
		snprintf(d->spool_error, sizeof(d->spool_error), "%s", ht_spool_error(d->spool));
	follow(d);
}

enum ht_rc delivery_spool_put(struct ht_delivery *d, struct ht_record *r) {
	struct ht_span bytes;
	const enum ht_rc encoded = ht_protobuf_encode(d->protobuf, r, &bytes);
	if (encoded != HT_OK) {
		delivery_lose(
			d,
			encoded == HT_LIMIT ? HT_DELIVERY_LOST_TOO_LONG
					    : HT_DELIVERY_LOST_SPOOL_FAILED,
			1
		);
		return HT_OK;
	}
	switch (ht_spool_append(d->spool, bytes)) {
	case HT_OK:
		break;
	case HT_FULL:
		return HT_FULL;
	case HT_LIMIT:
		delivery_lose(d, HT_DELIVERY_LOST_TOO_LONG, 1);
		break;
	default:
		snprintf(d->spool_error, sizeof(d->spool_error), "%s", ht_spool_error(d->spool));
		d->spool_refuses = true;
		return HT_ERROR;
	}
	d->spool_refuses = false;
	d->spool_read = false;
	return HT_OK;
}

enum ht_rc delivery_spool_move(struct ht_delivery *d) {
	enum ht_rc rc = HT_OK;
	uint64_t number;
	struct ht_span packed;
	while (window_again(&d->window, &number, &packed)) {
		(void)ht_record_unpack(&d->record, packed.p);
		delivery_stamp(d, &d->record, number);
		rc = delivery_spool_put(d, &d->record);
		if (rc != HT_OK)
			break;
		window_given(&d->window);
		window_drop(&d->window, 1);
		d->spool_again++; // it is given once more from there
	}
	d->window_behind = rc != HT_OK && delivery_spool_busy(d);
	return rc;
}

enum ht_rc delivery_spool_move_first(struct ht_delivery *d) {
	if (d->window.num_again == 0 || d->unsettled > 0)
		return HT_OK;
	return delivery_spool_busy(d) && !d->window_behind ? HT_OK : delivery_spool_move(d);
}

// put_window puts as much of the window into the spool as that takes, and returns how many.
static uint64_t put_window(struct ht_delivery *d) {
	uint64_t number, n = 0;
	struct ht_span packed, bytes;
	for (; window_again(&d->window, &number, &packed); n++) {
		(void)ht_record_unpack(&d->record, packed.p);
		delivery_stamp(d, &d->record, number);
		if (ht_protobuf_encode(d->protobuf, &d->record, &bytes) != HT_OK
		    || ht_spool_append(d->spool, bytes) != HT_OK)
			break;
		window_given(&d->window);
	}
	return n;
}

// give_up_link: it forgets what it had. Of the window, n are in the spool, and all the rest is to
// be given again behind those.
static void give_up_link(struct ht_delivery *d, uint64_t n) {
	d->ops->break_off(d->link);
	ht_spool_rewind(d->spool);
	window_drop(&d->window, n);
	window_rewind(&d->window);
	d->window_behind = d->window.num > 0;
	d->unsettled = 0;
	d->spool_again = n;
	delivery_away(d, ht_clock_ns(CLOCK_MONOTONIC));
}

void delivery_spool_adopt(struct ht_delivery *d) {
	struct ht_span bytes;
	delivery_settle(d);
	const uint64_t given = d->unsettled, again = d->window.num_again;
	window_rewind(&d->window);
	const uint64_t n = put_window(d);
	const bool whole = d->window.num_again == 0;
	uint64_t to_read = whole ? given : n;
	while (to_read > 0 && ht_spool_next(d->spool, &bytes) == HT_OK)
		to_read--;
	d->spool_read = false;
	if (to_read > 0) { // it refuses
		give_up_link(d, n);
	} else if (whole) {
		window_drop(&d->window, n);
		d->spool_unsettled = given;
		d->spool_again = again;
		d->unsettled = 0;
	} else {
		ht_spool_settle(d->spool, n);
		window_rewind(&d->window);
		for (uint64_t i = 0; i < given; i++)
			window_given(&d->window);
	}
}

// An entry is copied: the spool lends it only until it is told what is settled.
static enum ht_rc read_entry(struct ht_delivery *d) {
	struct ht_span bytes;
	if (d->has_entry)
		return HT_OK;
	const enum ht_rc rc = ht_spool_next(d->spool, &bytes);
	if (rc != HT_OK) {
		follow(d);
		return HT_MORE;
	}
	d->has_entry = true;
	d->bad_entry = bytes.len > HT_PROTOBUF_MAX;
	d->entry_len = d->bad_entry ? 0 : bytes.len;
	memcpy(d->entry, bytes.p, d->entry_len);
	return HT_OK;
}

enum ht_rc delivery_spool_get(struct ht_delivery *d, struct ht_record *out) {
	while (read_entry(d) == HT_OK) {
		if (!d->bad_entry
		    && ht_protobuf_decode(d->protobuf, HT_SPAN(d->entry, d->entry_len), out)
			       == HT_OK)
			return HT_OK;
		d->bad_entry = true;
		if (d->unsettled + d->spool_unsettled > 0)
			return HT_MORE; // it is the next to be settled only then
		ht_spool_settle(d->spool, 1);
		delivery_lose(d, HT_DELIVERY_LOST_SPOOL_FAILED, 1);
		d->has_entry = false;
		d->spool_again -= d->spool_again > 0;
	}
	return HT_MORE;
}

void delivery_spool_given(struct ht_delivery *d) {
	d->has_entry = false;
	d->spool_unsettled++;
	if (d->spool_again > 0) {
		d->spool_again--;
		delivery_count(d, HT_DELIVERY_SENT_AGAIN, 1);
	}
}

void delivery_spool_settle(struct ht_delivery *d, uint64_t n) {
	if (n == 0)
		return;
	ht_spool_settle(d->spool, n);
	d->spool_unsettled -= n;
}

void delivery_spool_rewind(struct ht_delivery *d) {
	ht_spool_rewind(d->spool);
	d->spool_again += d->spool_unsettled;
	d->spool_unsettled = 0;
	d->has_entry = false;
	d->spool_read = false;
}

void delivery_spool_account(struct ht_delivery *d) {
	if (d->spool == NULL)
		return;
	delivery_spool_flush(d);
	(void)ht_spool_check(d->spool);
	const uint64_t gone = ht_spool_unflushed(d->spool);
	follow(d);
	delivery_count(d, HT_DELIVERY_SPOOL_LEFT, ht_spool_count(d->spool) - gone);
	if (gone > 0)
		delivery_lose(d, HT_DELIVERY_LOST_SPOOL_FAILED, gone);
}
