// SPDX-License-Identifier: BSD-3-Clause
// pcap_floor: a bare pcap_next_ex loop, what a program on libpcap starts from. Usage: pcap_floor
// FILE. Prints frames and seconds. Link with -lpcap.

#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
	if (argc != 2) {
		fprintf(stderr, "usage: pcap_floor FILE\n");
		return 2;
	}
	char err[PCAP_ERRBUF_SIZE];
	double start = now();
	pcap_t *p = pcap_open_offline(argv[1], err);
	if (p == NULL) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	struct pcap_pkthdr *h;
	const u_char *data;
	uint64_t frames = 0, sum = 0;
	int rc;
	while ((rc = pcap_next_ex(p, &h, &data)) == 1) {
		frames++;
		sum += h->caplen;
	}
	double t = now() - start;
	printf("frames %ju captured %ju seconds %.3f\n", (uintmax_t)frames, (uintmax_t)sum, t);
	if (rc != PCAP_ERROR_BREAK)
		fprintf(stderr, "%s\n", pcap_geterr(p));
	pcap_close(p);
	return rc != PCAP_ERROR_BREAK;
}
