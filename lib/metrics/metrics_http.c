// SPDX-License-Identifier: BSD-3-Clause
// The endpoint. libmicrohttpd speaks HTTP; who is let in, for how long, and who has to go is
// decided here, since its own limits would let whoever came first keep everybody else out.

#include "clock.h"
#include "ht_config.h"
#include "metrics_int.h"

#include <stdio.h>
#include <stdlib.h>

#if HT_HAVE_MICROHTTPD

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 16
#define BACKLOG 128
#define CLIENT_MEMORY 8192 // its request's head, and the head of the answer
#define SOCKET_MEMORY 65536 // each way; the kernel doubles it
#define CLIENT_MS 10000 // from the connection to the last byte of the answer
#define FRESH_MS 250 // how long a text is given out
#define REST_MS 5
#define EVICT_A_ROUND 4 // with REST_MS: 800 a second

#define ENDPOINT(X) \
	X(CONNECTIONS, "connections", "connections taken") \
	X(SCRAPES, "scrapes", "requests answered with the metrics") \
	X(REFUSED, "refused", "requests for something else") \
	X(EVICTED, "evicted", "connections closed to make room for others") \
	X(EXPIRED, "expired", "connections closed since they were not done within 10 s")

enum {
#define X(id, name, help) CTR_##id,
	ENDPOINT(X)
#undef X
		NUM_CTRS
};

static const struct ht_counter endpoint[] = {
#define X(id, name, help) {"endpoint", name, help},
	ENDPOINT(X)
#undef X
};

struct client {
	int fd; // -1: free. libmicrohttpd closes it, after client_event() was told so.
	int64_t since_ms;
	bool shut; // on its way out
};

struct metrics_server {
	struct ht_metrics *metrics;
	struct ht_metrics_set *set;
	pthread_t thread;
	uint16_t port;
	int stop; // eventfd
	int listener;

	// The thread's alone.
	struct MHD_Daemon *daemon;
	struct client clients[MAX_CLIENTS];
	struct client *coming; // in MHD_add_connection()
	struct MHD_Response *page, *not_found, *bad_method;
	struct MHD_Response *text[HT_METRICS_NUM_FORMATS];
	int64_t text_ms[HT_METRICS_NUM_FORMATS];
	uint64_t counters[NUM_CTRS];
};

static void count(struct metrics_server *s, unsigned counter) {
	ht_stats_count(&s->counters[counter], 1);
}

static struct MHD_Response *
make_response(void *text, size_t len, enum MHD_ResponseMemoryMode mode, const char *type) {
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
	if (r == NULL)
		return NULL;
	// One request a connection: a scraper comes every few seconds, and holds none meanwhile.
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_NO
	    || MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_NO) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

// fresh_text gives the text's response, shared by all who ask for it within FRESH_MS. One that is
// still being sent is freed by libmicrohttpd when that is done.
static struct MHD_Response *fresh_text(struct metrics_server *s, enum ht_metrics_format format) {
	const int64_t now = ht_clock_ms();
	if (s->text[format] != NULL && now - s->text_ms[format] < FRESH_MS)
		return s->text[format];
	char *text;
	size_t len;
	if (ht_metrics_text(s->metrics, format, &text, &len) != HT_OK)
		return NULL;
	struct MHD_Response *r
		= make_response(text, len, MHD_RESPMEM_MUST_FREE, metrics_content_type[format]);
	if (r == NULL) {
		free(text);
		return NULL;
	}
	if (s->text[format] != NULL)
		MHD_destroy_response(s->text[format]);
	s->text[format] = r;
	s->text_ms[format] = now;
	return r;
}

// answer is called with the request's head. Answering at once means that a body is not read.
static enum MHD_Result
answer(void *ctx,
       struct MHD_Connection *c,
       const char *url,
       const char *method,
       const char *version,
       const char *upload,
       size_t *upload_len,
       void **request) {
	(void)version, (void)upload, (void)upload_len, (void)request;
	struct metrics_server *s = ctx;
	const bool get = strcmp(method, MHD_HTTP_METHOD_GET) == 0
			 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	const bool metrics = strcmp(url, "/metrics") == 0;
	if (get && metrics) {
		struct MHD_Response *r = fresh_text(
			s, metrics_negotiate(MHD_lookup_connection_value(
				   c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT
			   ))
		);
		count(s, CTR_SCRAPES);
		return r != NULL ? MHD_queue_response(c, MHD_HTTP_OK, r) : MHD_NO;
	}
	if (get && strcmp(url, "/") == 0)
		return MHD_queue_response(c, MHD_HTTP_OK, s->page);
	count(s, CTR_REFUSED);
	if (metrics || strcmp(url, "/") == 0)
		return MHD_queue_response(c, MHD_HTTP_METHOD_NOT_ALLOWED, s->bad_method);
	return MHD_queue_response(c, MHD_HTTP_NOT_FOUND, s->not_found);
}

static void client_event(
	void *ctx, struct MHD_Connection *c, void **client, enum MHD_ConnectionNotificationCode what
) {
	(void)c;
	struct metrics_server *s = ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*client = s->coming;
	} else if (*client != NULL) {
		((struct client *)*client)->fd = -1;
		*client = NULL;
	}
}

// shut ends a connection from our side; libmicrohttpd sees that in its next round.
static void shut(struct metrics_server *s, struct client *c, unsigned counter) {
	shutdown(c->fd, SHUT_RDWR);
	c->shut = true;
	count(s, counter);
}

// expire also ends what nobody else would: an end of the stream that comes together with half a
// request is not seen by libmicrohttpd 0.9.75 with epoll.
static void expire(struct metrics_server *s) {
	const int64_t now = ht_clock_ms();
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		if (c->fd >= 0 && !c->shut && now - c->since_ms > CLIENT_MS)
			shut(s, c, CTR_EXPIRED);
	}
}

static void let_one_in(struct metrics_server *s, struct client *c) {
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	const int fd = accept4(
		s->listener, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC
	);
	if (fd < 0)
		return; // nobody more, or no descriptor left: there is a rest before the next try
	count(s, CTR_CONNECTIONS);
	*c = (struct client){.fd = fd, .since_ms = ht_clock_ms()};
	s->coming = c;
	if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&from, from_len) == MHD_NO)
		c->fd = -1; // closed by it all the same
}

static void evict_oldest(struct metrics_server *s) {
	struct client *oldest = NULL;
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		if (!c->shut && (oldest == NULL || c->since_ms < oldest->since_ms))
			oldest = c;
	}
	if (oldest != NULL)
		shut(s, oldest, CTR_EVICTED);
}

// let_in is called when somebody waits. When there is no place, the oldest have to go: a scraper's
// request is there a moment after its connection, so those that are left are idle or slow.
static void let_in(struct metrics_server *s) {
	bool full = true;
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		if (s->clients[i].fd < 0) {
			full = false;
			let_one_in(s, &s->clients[i]);
		}
	}
	for (unsigned i = 0; full && i < EVICT_A_ROUND; i++)
		evict_oldest(s);
}

static void *serve(void *arg) {
	struct metrics_server *s = arg;
	const int epoll = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	struct pollfd fds[] = {{s->stop, POLLIN, 0}, {s->listener, POLLIN, 0}, {epoll, POLLIN, 0}};
	while (fds[0].revents == 0) {
		MHD_UNSIGNED_LONG_LONG wait;
		if (MHD_get_timeout(s->daemon, &wait) == MHD_NO || wait > 1000)
			wait = 1000;
		poll(fds, HT_ARRAY_LEN(fds), (int)wait);
		if (fds[1].revents != 0)
			let_in(s);
		MHD_run(s->daemon);
		expire(s);
		// Whatever comes in, it is seen to once in a while and no more often.
		poll(fds, 1, REST_MS);
	}
	return NULL;
}

static void free_server(struct metrics_server *s) {
	if (s->daemon != NULL)
		MHD_stop_daemon(s->daemon);
	struct MHD_Response *const r[]
		= {s->page, s->not_found, s->bad_method, s->text[HT_METRICS_OPENMETRICS],
		   s->text[HT_METRICS_PROMETHEUS]};
	for (unsigned i = 0; i < HT_ARRAY_LEN(r); i++)
		if (r[i] != NULL)
			MHD_destroy_response(r[i]);
	if (s->stop >= 0)
		close(s->stop);
	if (s->listener >= 0)
		close(s->listener);
	free(s);
}

// make_pages makes the answers that are always the same.
static bool make_pages(struct metrics_server *s) {
	static char page[] = "<!DOCTYPE html>\n<title>hellotap</title>\n"
			     "<p>hellotap " HT_VERSION ": <a href=\"/metrics\">/metrics</a></p>\n";
	static char not_found[] = "not found; there is /metrics\n";
	static char bad_method[] = "GET and HEAD only\n";
	static const char plain[] = "text/plain; charset=utf-8";
	s->page = make_response(
		page, sizeof(page) - 1, MHD_RESPMEM_PERSISTENT, "text/html; charset=utf-8"
	);
	s->not_found
		= make_response(not_found, sizeof(not_found) - 1, MHD_RESPMEM_PERSISTENT, plain);
	s->bad_method
		= make_response(bad_method, sizeof(bad_method) - 1, MHD_RESPMEM_PERSISTENT, plain);
	return s->page != NULL && s->not_found != NULL && s->bad_method != NULL
	       && MHD_add_response_header(s->bad_method, MHD_HTTP_HEADER_ALLOW, "GET, HEAD")
			  == MHD_YES;
}

// set_options: what is accepted inherits the sizes. By default a client that does not read may have
// megabytes of the kernel's memory.
static bool set_options(int fd, int family) {
	const int yes = 1, no = 0, memory = SOCKET_MEMORY;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0
	       && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &memory, sizeof(memory)) == 0
	       && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &memory, sizeof(memory)) == 0
	       // "::" is every address, whatever the system's default.
	       && (family != AF_INET6
		   || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) == 0);
}

// open_listener returns NULL, or why there is none.
static const char *open_listener(struct metrics_server *s, const char *address, uint16_t port) {
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	struct addrinfo *to;
	if (getaddrinfo(address, service, &hints, &to) != 0)
		return "not an IP address";
	struct sockaddr_storage bound;
	socklen_t bound_len = sizeof(bound);
	s->listener = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const bool ok = s->listener >= 0 && set_options(s->listener, to->ai_family)
			&& bind(s->listener, to->ai_addr, to->ai_addrlen) == 0
			&& listen(s->listener, BACKLOG) == 0
			&& getsockname(s->listener, (struct sockaddr *)&bound, &bound_len) == 0;
	const int error = errno;
	freeaddrinfo(to);
	if (!ok)
		return strerror(error);
	s->port
		= ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						    : ((struct sockaddr_in *)&bound)->sin_port);
	return NULL;
}

static const char *start_daemon(struct metrics_server *s) {
	// Without a thread and a listening socket of its own, and silent on standard error.
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, answer, s,
		MHD_OPTION_NOTIFY_CONNECTION, client_event, s, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MAX_CLIENTS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
		MHD_OPTION_END
	);
	return s->daemon != NULL ? NULL : "libmicrohttpd does not start";
}

static const char *start_thread(struct metrics_server *s) {
	s->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->stop < 0)
		return strerror(errno);
	// Signals are for the program's main thread.
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	const int rc = pthread_create(&s->thread, NULL, serve, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return strerror(rc);
	pthread_setname_np(s->thread, "ht-metrics");
	return NULL;
}

enum ht_rc ht_metrics_serve(
	struct ht_metrics *m, const char *address, uint16_t port, char *err, size_t err_len
) {
	struct metrics_server *s = m->server == NULL ? calloc(1, sizeof(*s)) : NULL;
	if (s == NULL) {
		snprintf(err, err_len, "metrics: %s", m->server ? "served already" : "no memory");
		return HT_ERROR;
	}
	s->metrics = m;
	s->stop = s->listener = -1;
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		s->clients[i].fd = -1;
	const char *wrong = open_listener(s, address, port);
	if (wrong == NULL)
		wrong = make_pages(s) ? start_daemon(s) : "no memory";
	if (wrong == NULL
	    && ht_metrics_add(
		       m, &s->set, endpoint, NUM_CTRS, s->counters, HT_METRICS_COUNTER, NULL, 0
	       ) != HT_OK)
		wrong = "no room for the endpoint's own counters";
	if (wrong == NULL)
		wrong = start_thread(s);
	if (wrong != NULL) {
		snprintf(err, err_len, "metrics: %s port %u: %s", address, port, wrong);
		if (s->set != NULL)
			ht_metrics_end(m, s->set);
		free_server(s);
		return HT_ERROR;
	}
	m->server = s;
	return HT_OK;
}

uint16_t ht_metrics_port(const struct ht_metrics *m) {
	return m->server != NULL ? m->server->port : 0;
}

void ht_metrics_stop(struct ht_metrics *m) {
	struct metrics_server *s = m->server;
	if (s == NULL)
		return;
	const uint64_t one = 1;
	while (write(s->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(s->thread, NULL);
	m->server = NULL;
	ht_metrics_end(m, s->set);
	free_server(s);
}

#else

enum ht_rc ht_metrics_serve(
	struct ht_metrics *m, const char *address, uint16_t port, char *err, size_t err_len
) {
	(void)m, (void)address, (void)port;
	snprintf(err, err_len, "metrics: built without libmicrohttpd");
	return HT_ERROR;
}

uint16_t ht_metrics_port(const struct ht_metrics *m) {
	(void)m;
	return 0;
}

void ht_metrics_stop(struct ht_metrics *m) {
	(void)m;
}

#endif
