// SPDX-License-Identifier: BSD-3-Clause
// The configuration file: reading it, and what must hold between its values.

#include "config.h"
#include "delivery.h"
#include "options.h"
#include "privileges.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
complain(struct ht_config_errors *e, const struct options *o, const void *value, const char *why) {
	ht_config_complain(e, ht_config_where(o->loaded, value), "%s", why);
}

static void check_records(struct options *o, struct ht_config_errors *e) {
	if (o->record_kinds.num == 0)
		return;
	o->asked = 0;
	for (unsigned i = 0; i < o->record_kinds.num; i++) {
		const char *word = o->record_kinds.v[i];
		const unsigned kind = ht_kind_of(HT_SPAN(word, strlen(word)));
		if (kind == 0)
			complain(
				e, o, &o->record_kinds.v[i],
				"records: hello, event, flow, aggregate or stats was expected"
			);
		o->asked |= kind;
	}
}

static void check_sources(const struct options *o, struct ht_config_errors *e) {
	if (o->dpdk.ports.num > 0 && o->interfaces.num > 0)
		complain(e, o, &o->interfaces, "interfaces: do not go together with ports of dpdk");
	for (unsigned i = 0; i < o->interfaces.num; i++) {
		if (o->interfaces.num > 1 && strcmp(o->interfaces.v[i], "any") == 0)
			complain(
				e, o, &o->interfaces.v[i],
				"interfaces: 'any' is all, no other can be named"
			);
		for (unsigned k = 0; k < i; k++)
			if (strcmp(o->interfaces.v[i], o->interfaces.v[k]) == 0)
				complain(e, o, &o->interfaces.v[i], "interfaces: is there twice");
	}
	const struct ht_dpdk_port_params *ports = o->dpdk.ports.v;
	for (unsigned i = 0; i < o->dpdk.ports.num; i++) {
		for (unsigned k = 0; k < i; k++)
			if (strcmp(ports[i].device, ports[k].device) == 0)
				complain(
					e, o, &ports[i].device, "dpdk.ports.device: is there twice"
				);
		if (ports[i].queues > o->workers.count)
			complain(
				e, o, &ports[i].queues,
				"dpdk.ports.queues: more than workers.count, nobody would read them"
			);
	}
}

static void check_workers(const struct options *o, struct ht_config_errors *e) {
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (o->workers.cpus.num > 0 && o->workers.cpus.num < o->workers.count)
		complain(e, o, &o->workers.cpus, "workers.cpus: fewer than workers.count");
	for (unsigned i = 0; i < o->workers.cpus.num; i++)
		if (cpus > 0 && o->workers.cpus.v[i] >= (unsigned long)cpus)
			ht_config_complain(
				e, ht_config_where(o->loaded, &o->workers.cpus.v[i]),
				"workers.cpus: no such CPU, this machine has %ld, from 0", cpus
			);
	if (o->steering.rest == REST_WORKERS && o->steering.rest_workers >= o->workers.count)
		complain(
			e, o, &o->steering.rest_workers,
			"steering.rest_workers: must be less than workers.count: the others look "
			"at the ports of interest"
		);
	if (o->steering.rest != REST_SHARE && o->dpdk.ports.num == 0)
		complain(
			e, o, &o->steering.rest,
			"steering.rest: is for ports of dpdk; use 'filter' for interfaces"
		);
	if (o->steering.rest != REST_SHARE && !o->steering.services
	    && o->steering.tcp.num + o->steering.udp.num == 0)
		complain(
			e, o, &o->steering.rest,
			"steering.rest: there are no ports of interest: name some in tcp or udp, "
			"or set services"
		);
}

static void check_service(const struct options *o, struct ht_config_errors *e) {
	const struct ht_option_texts *all = &o->service.capabilities;
	for (unsigned i = 0; i < all->num; i++)
		if (!privileges_capability(all->v[i]))
			complain(
				e, o, &all->v[i],
				"service.capabilities: none that may be kept (cap_net_raw, "
				"cap_net_admin, cap_ipc_lock, cap_sys_nice)"
			);
	if (all->num > 0 && o->service.user == NULL)
		complain(e, o, all, "service.capabilities: are kept beside a user: name one");
	const struct passwd *user = o->service.user != NULL ? getpwnam(o->service.user) : NULL;
	if (o->service.user != NULL && user == NULL)
		complain(e, o, &o->service.user, "service.user: there is no such user");
	else if (user != NULL && user->pw_uid == 0)
		complain(e, o, &o->service.user, "service.user: has the rights of root");
	uint8_t address[16];
	if (o->metrics.port > 0 && inet_pton(AF_INET, o->metrics.address, address) != 1
	    && inet_pton(AF_INET6, o->metrics.address, address) != 1)
		complain(e, o, &o->metrics.address, "metrics.address: no IPv4 or IPv6 address");
	char err[512];
	if (o->filter != NULL && ht_capture_filter_check(o->filter, err, sizeof(err)) != HT_OK)
		complain(e, o, &o->filter, err);
}

static void check_aggregate(const struct options *o, struct ht_config_errors *e) {
	const struct ht_aggregate_params *a = &o->aggregate;
	unsigned which;
	char why[256], text[320];
	if (ht_aggregate_check(a, &which, why, sizeof(why)) == HT_OK)
		return;
	snprintf(text, sizeof(text), "aggregate.key: %s", why);
	complain(e, o, which < a->key.num ? (const void *)&a->key.v[which] : &a->key, text);
}

// What EAL is told by options of their own, and what would end it or make it another's.
static void check_eal(const struct options *o, struct ht_config_errors *e) {
	static const char *const ours[] = {
		"-h",	    "--help", "-v",	 "--version",	"--proc-type", "--file-prefix",
		"--lcores", "-l",     "-c",	 "--in-memory", "--no-huge",   "-m",
		"--vdev",   "-a",     "--allow", "--",
	};
	const struct ht_option_texts *args = &o->dpdk.eal_args;
	for (unsigned i = 0; i < args->num; i++)
		for (size_t k = 0; k < HT_ARRAY_LEN(ours); k++) {
			const size_t len = strlen(ours[k]);
			const char end
				= strncmp(args->v[i], ours[k], len) == 0 ? args->v[i][len] : 'x';
			if (end == '\0' || end == '=' || (ours[k][1] != '-' && end != 'x'))
				complain(
					e, o, &args->v[i],
					"dpdk.eal_args: not this one: the program sets it, or has "
					"an "
					"option for it"
				);
		}
	if (o->dpdk.file_prefix[0] == '\0' || strchr(o->dpdk.file_prefix, '/') != NULL)
		complain(
			e, o, &o->dpdk.file_prefix, "dpdk.file_prefix: must be the name of a folder"
		);
	const struct ht_dpdk_port_params *ports = o->dpdk.ports.v;
	for (unsigned i = 0; i < o->dpdk.ports.num; i++)
		if (ports[i].device[0] == '\0')
			complain(e, o, &ports[i].device, "dpdk.ports.device: is empty");
}

// Each finds what it can by itself.
static void check_all(struct options *o, struct ht_config_errors *e) {
	check_sources(o, e);
	check_workers(o, e);
	check_service(o, e);
	check_aggregate(o, e);
	options_check_outputs(o, e);
	check_eal(o, e);
}

bool options_check(struct options *o) {
	struct ht_config_errors e = {.file = o->config};
	check_all(o, &e);
	ht_config_print_errors(&e, stderr);
	return e.num == 0;
}

enum ht_rc options_load(struct options *o, const char *file) {
	struct ht_config_errors e;
	enum ht_rc rc = ht_config_load(&o->loaded, file, &options_table, o, &e);
	o->asked = HT_KIND_HELLO | HT_KIND_EVENT;
	if (rc == HT_OK) {
		check_records(o, &e);
		check_all(o, &e);
		if (e.num > 0) {
			ht_config_free(o->loaded);
			o->loaded = NULL;
			rc = HT_BAD;
		}
	}
	if (rc != HT_OK)
		ht_config_print_errors(&e, stderr);
	return rc;
}

void options_free(struct options *o) {
	ht_config_free(o->loaded);
	o->loaded = NULL;
	options_replace(o, NULL);
}

bool options_can_again(const struct options *o) {
	struct stat st;
	return stat(o->config, &st) == 0 && S_ISREG(st.st_mode);
}

struct options *options_again(const struct options *o) {
	struct options *n = calloc(1, sizeof(*n));
	if (n == NULL) {
		fputs("hellotap: no memory\n", stderr);
		return NULL;
	}
	struct stat st;
	if (stat(o->config, &st) == 0 && !S_ISREG(st.st_mode)) {
		fprintf(stderr, "hellotap: %s: no regular file, and cannot be read again\n",
			o->config);
		free(n);
		return NULL;
	}
	if (options_load(n, o->config) != HT_OK) {
		free(n);
		return NULL;
	}
	n->config = o->config;
	return n;
}

void options_replace(struct options *o, struct options *again) {
	if (o->from_file != NULL) {
		ht_config_free(o->from_file->loaded);
		free(o->from_file);
	}
	o->from_file = again;
}
