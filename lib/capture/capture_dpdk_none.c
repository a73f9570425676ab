// SPDX-License-Identifier: BSD-3-Clause
// A build without DPDK: there is nothing to open, and so nothing else is ever called.

#include "capture_dpdk.h"

#include <stdio.h>
#include <stdlib.h>

const struct ht_capture_ops ht_capture_dpdk = {.name = "dpdk"};

enum ht_rc ht_dpdk_open(
	struct ht_dpdk **out,
	const struct ht_dpdk_params *p,
	const struct ht_dpdk_run *run,
	char *err,
	size_t err_len
) {
	(void)out;
	(void)p;
	(void)run;
	snprintf(err, err_len, "dpdk: this program was built without DPDK");
	return HT_ERROR;
}

struct ht_capture *ht_dpdk_worker(struct ht_dpdk *d, unsigned i) {
	(void)d;
	(void)i;
	abort();
}

enum ht_rc ht_dpdk_thread(struct ht_dpdk *d) {
	(void)d;
	abort();
}

void ht_dpdk_thread_end(struct ht_dpdk *d) {
	(void)d;
	abort();
}

void ht_dpdk_idle(struct ht_capture *c, unsigned empty) {
	(void)c;
	(void)empty;
	abort();
}

int64_t ht_dpdk_now(const struct ht_capture *c) {
	(void)c;
	abort();
}

unsigned ht_dpdk_ports(const struct ht_dpdk *d) {
	(void)d;
	abort();
}

const char *ht_dpdk_port_name(const struct ht_dpdk *d, unsigned port) {
	(void)d;
	(void)port;
	abort();
}

const uint64_t *ht_dpdk_queue_block(const struct ht_dpdk *d, unsigned port, unsigned worker) {
	(void)d;
	(void)port;
	(void)worker;
	abort();
}

const uint64_t *ht_dpdk_port_block(const struct ht_dpdk *d, unsigned port) {
	(void)d;
	(void)port;
	abort();
}

const uint64_t *ht_dpdk_handed_in(const struct ht_dpdk *d, unsigned worker) {
	(void)d;
	(void)worker;
	abort();
}

const struct ht_counter *
ht_dpdk_xstats(const struct ht_dpdk *d, unsigned port, const uint64_t **block, unsigned *num) {
	(void)d;
	(void)port;
	(void)block;
	(void)num;
	abort();
}

unsigned ht_dpdk_look(struct ht_dpdk *d) {
	(void)d;
	abort();
}

void ht_dpdk_stop(struct ht_dpdk *d) {
	(void)d;
	abort();
}

bool ht_dpdk_drained(struct ht_dpdk *d, unsigned worker) {
	(void)d;
	(void)worker;
	abort();
}

void ht_dpdk_absent(struct ht_dpdk *d) {
	(void)d;
	abort();
}

void ht_dpdk_close(struct ht_dpdk *d) {
	(void)d;
}
