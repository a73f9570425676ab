// SPDX-License-Identifier: BSD-3-Clause
// Polls queue 0 of DPDK's port 0 in a thread under the filter of app/seccomp.h, until standard
// input ends; prints how many frames came, and of how many polls, for each line of it and at the
// end. A system call of the driver that is not on the list ends it with SIGSYS.
//
// poll_filtered EAL-OPTION...

#include "seccomp.h"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_bool stop;
static atomic_ullong frames, polls;

static void *poll_queue(void *arg) {
	struct rte_mbuf *m[32];
	char err[256];
	if (seccomp_parse_thread(err, sizeof(err)) != HT_OK) {
		fprintf(stderr, "%s\n", err);
		_exit(1);
	}
	while (!stop) {
		const uint16_t n = rte_eth_rx_burst(0, 0, m, 32);
		rte_pktmbuf_free_bulk(m, n);
		frames += n;
		polls++;
	}
	return arg;
}

static void tell(void) {
	printf("%llu %llu\n", (unsigned long long)frames, (unsigned long long)polls);
	fflush(stdout);
}

static bool start_port(void) {
	const struct rte_eth_conf conf = {0};
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"frames", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY
	);
	if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) != 0
	    || rte_eth_rx_queue_setup(0, 0, 2048, 0, NULL, pool) != 0
	    || rte_eth_tx_queue_setup(0, 0, 512, 0, NULL) != 0 || rte_eth_dev_start(0) != 0)
		return false;
	(void)rte_eth_promiscuous_enable(0);
	return true;
}

int main(int argc, char **argv) {
	pthread_t t;
	char c;
	ssize_t n;
	if (rte_eal_init(argc, argv) < 0 || rte_eth_dev_count_avail() == 0 || !start_port()) {
		fprintf(stderr, "no port: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	// Where else a driver's log would open a connection to syslog.
	(void)rte_openlog_stream(stderr);
	if (pthread_create(&t, NULL, poll_queue, NULL) != 0)
		return 1;
	puts("polling");
	fflush(stdout);
	while ((n = read(STDIN_FILENO, &c, 1)) != 0)
		if (n > 0) // else net_tap's signals
			tell();
	stop = true;
	pthread_join(t, NULL);
	tell();
	(void)rte_eth_dev_stop(0);
	(void)rte_eth_dev_close(0);
	(void)rte_eal_cleanup();
	return 0;
}
