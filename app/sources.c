// SPDX-License-Identifier: BSD-3-Clause

#include "sources.h"

#include "owner.h"
#include "service.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	fputs("hellotap: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static bool open_interface(struct sources *s, struct worker *w, unsigned k) {
	struct ht_capture_params p = s->o->live;
	char err[512];
	p.source = s->o->interfaces.v[k];
	p.filter = s->o->filter;
	p.shared = s->num_workers > 1;
	p.with = w != s->workers ? s->workers[0].capture[k] : NULL;
	if (ht_capture_live.open(&w->capture[k], &p, err, sizeof(err)) != HT_OK) {
		complain("%s", err);
		return false;
	}
	w->num_captures++;
	return true;
}

static bool open_interfaces(struct sources *s) {
	const struct options *o = s->o;
	for (unsigned i = 0; i < s->num_workers; i++)
		for (unsigned k = 0; k < o->interfaces.num; k++)
			if (!open_interface(s, &s->workers[i], k))
				return false;
	for (unsigned k = 0; s->num_workers > 1 && k < o->interfaces.num; k++)
		for (unsigned i = 0; i < s->num_workers; i++) {
			char err[512];
			if (ht_capture_live_begin(
				    s->workers[i].capture[k], o->filter, err, sizeof(err)
			    )
			    == HT_OK)
				continue;
			complain("%s", err);
			return false;
		}
	return true;
}

// Ports of the services table where TLS may be spoken, and those that the user lists.
static unsigned ports_of_interest(
	const struct options *o, uint16_t *to, uint8_t proto, const struct ht_option_u32s *more
) {
	static bool wanted[65536];
	struct ht_service_ports p;
	unsigned num = 0;
	memset(wanted, 0, sizeof(wanted));
	for (uint32_t at = 0;
	     o->steering.services && ht_services_next(o->sensor.services, &at, &p);)
		for (unsigned n = p.first; n <= p.last; n++)
			if (p.proto == proto && p.service->mode != HT_SERVICE_NEVER)
				wanted[n] = true;
	for (unsigned i = 0; i < more->num; i++)
		wanted[more->v[i]] = true;
	for (unsigned n = 0; n < 65536; n++)
		if (wanted[n])
			to[num++] = (uint16_t)n;
	return num;
}

static unsigned owner_of(void *owner, const struct ht_frame *f) {
	return ht_owner_of(owner, f);
}

static void log_line(const char *line) {
	fprintf(stderr, "hellotap: %s\n", line);
}

static bool open_ports(struct sources *s) {
	const struct options *o = s->o;
	const bool sorts = o->steering.rest != REST_SHARE;
	struct ht_dpdk_run run = {
		.workers = s->num_workers,
		.rest_from = o->steering.rest == REST_WORKERS
				     ? s->num_workers - o->steering.rest_workers
				     : s->num_workers,
		.drop_rest = o->steering.rest == REST_DROP,
		.tcp = s->tcp,
		.udp = s->udp,
		.filter = o->filter,
		.owner = s->num_workers > 1 || sorts ? owner_of : NULL,
		.owner_arg = s->owners,
		.cpu = s->cpus,
		.log = log_line,
	};
	char err[512];
	if (sorts) {
		run.num_tcp = ports_of_interest(o, s->tcp, 6, &o->steering.tcp);
		run.num_udp = ports_of_interest(o, s->udp, 17, &o->steering.udp);
	}
	const struct ht_owner_params owner = {
		.workers = run.workers,
		.rest_from = run.rest_from,
		.drop_rest = run.drop_rest,
		.tcp = run.tcp,
		.udp = run.udp,
		.num_tcp = run.num_tcp,
		.num_udp = run.num_udp,
		.secret = o->sensor.secret[1],
	};
	for (unsigned i = 0; i < s->num_workers; i++) {
		s->owners[i] = ht_owner_new(&owner);
		if (s->owners[i] == NULL) {
			complain("no memory");
			return false;
		}
	}
	if (ht_dpdk_open(&s->dpdk, &o->dpdk, &run, err, sizeof(err)) != HT_OK) {
		complain("%s", err);
		return false;
	}
	for (unsigned i = 0; i < s->num_workers; i++) {
		s->workers[i].dpdk = s->dpdk;
		s->workers[i].capture[0] = ht_dpdk_worker(s->dpdk, i);
		s->workers[i].num_captures = 1;
	}
	return true;
}

bool sources_open(struct sources *s) {
	for (unsigned i = 0; i < s->num_workers; i++)
		s->cpus[i] = s->workers[i].cpu;
	return s->o->dpdk.ports.num > 0 ? open_ports(s) : open_interfaces(s);
}

void sources_close(struct sources *s) {
	for (unsigned i = 0; i < s->num_workers; i++) {
		struct worker *w = &s->workers[i];
		for (unsigned k = 0; w->dpdk == NULL && k < w->num_captures; k++)
			ht_capture_live.close(w->capture[k]);
		ht_owner_free(s->owners[i]);
	}
	ht_dpdk_close(s->dpdk);
}
