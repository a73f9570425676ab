// SPDX-License-Identifier: BSD-3-Clause

#include "live.h"

#include "capture.h"

#include <poll.h>
#include <time.h>

#define FRAMES 256 // a turn of one interface
#define WAIT_MS 250 // for a frame; what comes sooner than the next second waits no longer

static const struct ht_capture_ops *const ops = &ht_capture_live;

struct live {
	struct ht_capture *c[MAX_INTERFACES]; // NULL: ended
	unsigned num; // slots
	unsigned left; // not ended
	bool ok;
	struct ht_sensor *sensor;
	const struct sinks *sinks;
	struct summary *sum;
};

static int64_t now_ns(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool open_all(struct live *v, const struct options *o) {
	for (; v->num < o->num_interfaces; v->num++) {
		struct ht_capture_params p = o->live;
		char err[512];
		p.source = o->interfaces[v->num];
		p.filter = o->filter;
		if (ops->open(&v->c[v->num], &p, err, sizeof(err)) == HT_OK)
			continue;
		fprintf(stderr, "hellotap: %s\n", err);
		while (v->num > 0)
			ops->close(v->c[--v->num]);
		return false;
	}
	v->left = v->num;
	return true;
}

static void end(struct live *v, unsigned i) {
	struct ht_capture_stats st;
	const char *error = ops->error(v->c[i]);
	if (error != NULL) {
		summary_clear(v->sum);
		fprintf(stderr, "hellotap: %s\n", error);
		v->ok = false;
	}
	ops->stats(v->c[i], &st);
	summary_add(v->sum, &st);
	ops->close(v->c[i]);
	v->c[i] = NULL;
	v->left--;
}

// One turn of each interface. False: nothing was there.
static bool turn(struct live *v) {
	static struct ht_frame frames[FRAMES];
	bool some = false;
	for (unsigned i = 0; i < v->num; i++) {
		if (v->c[i] == NULL)
			continue;
		unsigned n = ops->read(v->c[i], frames, FRAMES);
		if (n > 0) {
			ht_sensor_run(v->sensor, frames, n);
			ops->release(v->c[i]);
			some = true;
		} else if (ops->ended(v->c[i])) {
			end(v, i);
		}
	}
	return some;
}

static void wait_for_frames(const struct live *v, int ms) {
	struct pollfd p[MAX_INTERFACES];
	unsigned n = 0;
	for (unsigned i = 0; i < v->num; i++)
		if (v->c[i] != NULL)
			p[n++] = (struct pollfd){.fd = ops->fd(v->c[i]), .events = POLLIN};
	(void)poll(p, n, ms); // a signal ends it
}

static void progress(const struct live *v) {
	struct ht_capture_stats st, total = {0};
	for (unsigned i = 0; i < v->num; i++) {
		if (v->c[i] == NULL)
			continue;
		ops->stats(v->c[i], &st);
		total.frames += st.frames;
		total.bytes_read += st.bytes_read;
		total.kernel_dropped += st.kernel_dropped;
	}
	summary_progress(v->sum, "live", &total);
}

// What is done each second, and as soon as nothing waits to be read. In between a record may wait
// for others in a sink's buffer.
static void housekeep(const struct live *v) {
	ht_sensor_tick(v->sensor, now_ns(CLOCK_REALTIME));
	sinks_flush(v->sinks);
	progress(v);
}

bool live_run(
	struct ht_sensor *sensor,
	const struct sinks *sinks,
	struct summary *sum,
	const struct options *o,
	const volatile sig_atomic_t *stop
) {
	struct live v = {.ok = true, .sensor = sensor, .sinks = sinks, .sum = sum};
	if (!open_all(&v, o))
		return false;
	if (!o->quiet) {
		fputs("hellotap: listening on", stderr);
		for (unsigned i = 0; i < v.num; i++)
			fprintf(stderr, "%s %s", i > 0 ? "," : "", o->interfaces[i]);
		fputc('\n', stderr);
	}
	bool stopping = false;
	for (int64_t kept = 0; v.left > 0;) {
		const bool lost = sinks_all_dead(sinks);
		if (!stopping && (*stop || lost)) {
			stopping = true;
			v.ok = v.ok && !lost;
			for (unsigned i = 0; i < v.num; i++)
				if (v.c[i] != NULL)
					ops->stop(v.c[i]);
		}
		const bool some = turn(&v);
		const int64_t now = now_ns(CLOCK_MONOTONIC);
		if (!some || now - kept >= 1000000000) {
			housekeep(&v);
			kept = now;
		}
		if (!some && v.left > 0)
			wait_for_frames(&v, stopping ? 10 : WAIT_MS);
	}
	ht_sensor_finish(sensor);
	return v.ok;
}
