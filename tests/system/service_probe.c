// SPDX-License-Identifier: BSD-3-Clause
// In the place of the sensor, to see what the unit lets it do: it goes the sensor's way through
// app/privileges.h, app/notify.h and app/seccomp.h, and says at each step what it can.
//
// service_probe -c FILE    The file's one word: `wrong`, a configuration that is refused; `hang`,
// no sign of life; else
//                          all is well.

#include "notify.h"
#include "privileges.h"
#include "seccomp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t stop, reload;
static sem_t named; // threads that have their names, and their filter

static void on_signal(int sig) {
	if (sig == SIGHUP)
		reload = 1;
	else
		stop = 1;
}

static void tell(const char *what, bool can) {
	printf("%s: %s\n", what, can ? "yes" : strerror(errno));
}

static bool can_open(const char *path, int flags) {
	const int fd = open(path, flags | O_CLOEXEC, 0640);
	return fd >= 0 && close(fd) == 0;
}

static bool can_capture(void) {
	const int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	return fd >= 0 && close(fd) == 0;
}

static bool can_execute_memory(void) {
	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	       != MAP_FAILED;
}

static void *wait_for_ever(void *p) {
	pthread_setname_np(pthread_self(), "early");
	sem_post(&named);
	for (;;)
		pause();
	return p;
}

static void *work(void *p) {
	char err[256] = "yes";
	pthread_setname_np(pthread_self(), "worker");
	(void)seccomp_parse_thread(err, sizeof(err));
	printf("filter: %s\n", err);
	sem_post(&named);
	while (!stop)
		usleep(50000);
	return p;
}

static bool says(const char *file, const char *word) {
	char text[32] = "";
	FILE *f = fopen(file, "re");
	if (f != NULL && fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	if (f != NULL)
		fclose(f);
	return strncmp(text, word, strlen(word)) == 0;
}

// FILE's folder.
static bool can_write_beside(const char *file) {
	char path[256];
	snprintf(path, sizeof(path), "%s.new", file);
	return can_open(path, O_WRONLY | O_CREAT);
}

static void as_root(const char *file) {
	tell("root: capture", can_capture());
	tell("root: /dev/net/tun", can_open("/dev/net/tun", O_RDWR));
	tell("root: /dev/kmsg", can_open("/dev/kmsg", O_RDONLY));
	tell("root: run folder", can_open("/run/hellotap/root", O_WRONLY | O_CREAT));
	tell("root: beside the configuration", can_write_beside(file));
	tell("root: executable memory", can_execute_memory());
	tell("root: own runtime folder", getenv("RUNTIME_DIRECTORY") != NULL);
}

static void as_user(void) {
	tell("user: capture", can_capture());
	tell("user: log folder", can_open("/var/log/hellotap/user", O_WRONLY | O_CREAT));
	tell("user: state folder", can_open("/var/lib/hellotap/user", O_WRONLY | O_CREAT));
	tell("user: run folder", can_open("/run/hellotap/user", O_WRONLY | O_CREAT));
	tell("user: become root", setuid(0) == 0);
}

static void live(struct notify *n, const char *file) {
	while (!stop) {
		if (reload) {
			reload = 0;
			(void)notify_reloading(n);
			(void)notify_ready(n, "loaded again");
			puts("reloaded");
		}
		if (!says(file, "hang"))
			(void)notify_alive(n);
		usleep(100000);
	}
}

int main(int argc, char **argv) {
	const struct sigaction act = {.sa_handler = on_signal};
	struct notify n;
	pthread_t early, worker;
	char err[512];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 || says(argv[2], "wrong"))
		return 2;
	if (privileges_begin(err, sizeof(err)) != HT_OK || sem_init(&named, 0, 0) != 0
	    || notify_open(&n, err, sizeof(err)) != HT_OK
	    || pthread_create(&early, NULL, wait_for_ever, NULL) != 0)
		return 1;
	printf("watchdog: %lu\n", (unsigned long)n.watchdog_us);
	as_root(argv[2]);
	if (privileges_drop("hellotap", NULL, 0, err, sizeof(err)) != HT_OK) {
		puts(err);
		return 1;
	}
	as_user();
	sigaction(SIGHUP, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (pthread_create(&worker, NULL, work, NULL) != 0)
		return 1;
	for (unsigned i = 0; i < 2; i++)
		while (sem_wait(&named) != 0)
			;
	(void)notify_ready(&n, "one worker");
	live(&n, argv[2]);
	(void)notify_stopping(&n, NULL);
	pthread_join(worker, NULL);
	puts("stopped");
	return 0;
}
