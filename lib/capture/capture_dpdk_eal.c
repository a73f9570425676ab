// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment (EAL): which devices, which memory, which CPUs.

#include "capture_dpdk_int.h"
#include "path.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void dpdk_log(const struct ht_dpdk *d, const char *fmt, ...) {
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	d->run.log(line);
}

// --- EAL ----------------------------------------------------------------------------------------

#define MAX_ARGS 160

struct args {
	int num;
	char *v[MAX_ARGS + 1];
	bool pci; // a PCI device is among the ports
	bool full; // not all of them are here
};

// One that does not fit is an error, not another one.
__attribute__((format(printf, 2, 3))) static void arg(struct args *a, const char *fmt, ...) {
	va_list ap;
	char *text;
	va_start(ap, fmt);
	const int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0 || a->num == MAX_ARGS) {
		a->full = true;
		if (len >= 0)
			free(text);
		return;
	}
	a->v[a->num++] = text;
}

static void args_free(struct args *a) {
	for (int i = 0; i < a->num; i++)
		free(a->v[i]);
}

static bool free_hugepages(void) {
	bool some = false;
	DIR *all = opendir("/sys/kernel/mm/hugepages");
	if (all == NULL)
		return false;
	for (struct dirent *e; !some && (e = readdir(all)) != NULL;) {
		char path[320];
		snprintf(
			path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", e->d_name
		);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		unsigned long n;
		if (f == NULL)
			continue;
		some = fscanf(f, "%lu", &n) == 1 && n > 0;
		fclose(f);
	}
	closedir(all);
	return some;
}

// "0000:3b:00.0", or "3b:00.0".
static bool is_pci(const char *device) {
	const size_t n = strspn(device, "0123456789abcdefABCDEF:");
	return n >= 5 && strchr(device, ':') != NULL && strchr(device, ':') < device + n
	       && device[n] == '.' && isdigit((unsigned char)device[n + 1]);
}

// The PCI address of the device behind a network interface; false when there is none.
static bool pci_of_interface(const char *name, char *out, size_t out_len) {
	char path[PATH_MAX], target[PATH_MAX];
	if (strchr(name, '/') != NULL || strchr(name, ',') != NULL)
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	const ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	snprintf(out, out_len, "%.31s", ht_path_name(target));
	return is_pci(out);
}

static bool is_vdev(const char *device) {
	return strncmp(device, "net_", 4) == 0 || strncmp(device, "eth_", 4) == 0
	       || strncmp(device, "virtio_user", 11) == 0;
}

// CPUs of this thread, and so of those that it makes: all that it may use, but for the workers'
// own, if others are left. As EAL reads them: "0-3,8".
static void cpus(const struct ht_dpdk *d, char *out, size_t out_len) {
	cpu_set_t all, others;
	size_t n = 0;
	out[0] = '\0';
	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	others = all;
	for (unsigned i = 0; i < d->run.workers; i++)
		if (d->run.cpu[i] >= 0)
			CPU_CLR((unsigned)d->run.cpu[i], &others);
	const cpu_set_t *set = CPU_COUNT(&others) > 0 ? &others : &all;
	for (unsigned i = 0; i < CPU_SETSIZE && n < out_len; i++) {
		unsigned last = i;
		if (!CPU_ISSET(i, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		n += (size_t)snprintf(out + n, out_len - n, "%s%u", n > 0 ? "," : "", i);
		if (last > i && n < out_len)
			n += (size_t)snprintf(out + n, out_len - n, "-%u", last);
		i = last;
	}
}

// Without hugepages a frame has a page of its own: no two fit into one, and none lies across two.
static unsigned needed_mib(const struct ht_dpdk *d) {
	uint64_t bytes = 96u << 20;
	for (unsigned i = 0; i < d->run.workers; i++)
		bytes += (uint64_t)pool_frames(d, i) * 4096u;
	return (unsigned)(bytes >> 20) + 1;
}

// The name by which EAL knows port `i` is written to its `name`.
static enum ht_rc
device_args(struct ht_dpdk *d, unsigned i, struct args *a, char *err, size_t err_len) {
	struct port *p = &d->port[i];
	char pci[64];
	p->p = (const struct ht_dpdk_port_params *)d->p->ports.v + i;
	const char *device = p->p->device;
	if (device == NULL) { // the table of options requires one
		snprintf(err, err_len, "port %u has no device", i);
		return HT_ERROR;
	}
	p->forever = strstr(device, "rx_pcap=") == NULL;
	p->queues = (uint16_t)(p->p->queues > 0 ? p->p->queues : d->run.workers); // or less
	if (is_vdev(device)) {
		arg(a, "--vdev=%s", device);
		snprintf(p->name, sizeof(p->name), "%.*s", (int)strcspn(device, ","), device);
		return HT_OK;
	}
	// Arguments of a PCI device stand behind its address, too.
	if (is_pci(device))
		snprintf(pci, sizeof(pci), "%.*s", (int)strcspn(device, ","), device);
	else if (!pci_of_interface(device, pci, sizeof(pci))) {
		snprintf(
			err, err_len,
			"%s: neither a PCI address, nor an interface with a PCI device, nor a "
			"virtual "
			"device of DPDK (net_...)",
			device
		);
		return HT_ERROR;
	}
	a->pci = true;
	arg(a, "--allow=%s", is_pci(device) ? device : pci);
	const bool domain = strchr(pci, ':') != strrchr(pci, ':');
	snprintf(p->name, sizeof(p->name), "%s%.48s", domain ? "" : "0000:", pci);
	return HT_OK;
}

static void memory_args(struct ht_dpdk *d, struct args *a) {
	d->huge = d->p->hugepages == HT_HUGEPAGES_YES
		  || (d->p->hugepages == HT_HUGEPAGES_AUTO && free_hugepages());
	if (d->huge) {
		arg(a, "--in-memory"); // no files: nothing is left behind, and no mount is needed
		return;
	}
	dpdk_log(d, "no hugepages: memory in pages of 4 KiB, slower");
	arg(a, "--no-huge");
	arg(a, "--no-shconf");
	arg(a, "-m");
	arg(a, "%u", d->p->memory_mib > 0 ? d->p->memory_mib : needed_mib(d));
}

enum ht_rc eal_start(struct ht_dpdk *d, char *err, size_t err_len) {
	struct args a = {0};
	char list[4096];
	enum ht_rc rc = HT_OK;
	cpus(d, list, sizeof(list));
	arg(&a, "hellotap");
	arg(&a, "--lcores=0@(%s)", list);
	arg(&a, "--file-prefix=%s", d->p->file_prefix);
	arg(&a, "--log-level=lib.eal:error");
	arg(&a, "--log-level=lib.telemetry:error");
	for (unsigned i = 0; rc == HT_OK && i < d->num_ports; i++)
		rc = device_args(d, i, &a, err, err_len);
	memory_args(d, &a);
	if (!a.pci)
		arg(&a, "--no-pci");
	for (unsigned i = 0; i < d->p->eal_args.num; i++)
		arg(&a, "%s", d->p->eal_args.v[i]);
	if (rc == HT_OK && a.full) {
		snprintf(err, err_len, "DPDK: more than %u arguments, or no memory", MAX_ARGS);
		rc = HT_ERROR;
	}
	if (rc == HT_OK) {
		char *v[MAX_ARGS + 1]; // EAL changes their order
		memcpy(v, a.v, sizeof(v));
		// What EAL prints is no record.
		fflush(stdout);
		const int out = dup(STDOUT_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		d->eal = rte_eal_init(a.num, v) >= 0;
		fflush(stdout);
		if (out >= 0) {
			dup2(out, STDOUT_FILENO);
			close(out);
		}
		if (!d->eal) {
			snprintf(
				err, err_len, "DPDK's EAL does not start: %s",
				rte_errno != 0 ? rte_strerror(rte_errno) : "see above"
			);
			rc = HT_ERROR;
		}
	}
	args_free(&a);
	if (rc == HT_OK) // not to syslog: a thread whose system calls are filtered cannot open it
		(void)rte_openlog_stream(stderr);
	return rc;
}
