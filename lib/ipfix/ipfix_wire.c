// SPDX-License-Identifier: BSD-3-Clause
// The socket. TLS (ipfix_tls.c) works on memory: what it has to send and what was received passes
// through here, so that there is one place that counts what the other side has acknowledged.

#include "ipfix_wire.h"

#include "aside.h"
#include "clock.h"
#include "ipfix_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST_MAX 256
#define CONNECT_MS 10000 // for one address, its handshake included
#define ACCEPT_MS 1000 // behind it, for a collector to refuse our certificate
#define RECEIVE_SIZE 4096
#define RECEIVE_ROUNDS 16 // so that one who talks without end does not keep us

enum state { IDLE, LOOKING_UP, CONNECTING, HANDSHAKE, ACCEPTING, UP };

struct wire {
	enum wire_kind kind;
	const char *to;
	char host[HOST_MAX];
	char port[6];

	enum state state;
	int fd; // -1: none
	struct look_up *look_up; // under way; NULL: none
	struct ht_aside *aside; // in which it is
	struct addrinfo *addresses, *address; // all of them, and the one that is tried
	int64_t give_up, accepted_at; // ms of the monotonic clock
	struct tls *tls;

	struct ht_span waiting; // of what was put or what TLS made of it
	uint64_t put, sent; // bytes since the connection
	char error[512];
};

static const struct {
	const char *scheme, *port;
	int socktype;
} kinds[] = {
	[WIRE_TCP] = {"ipfix+tcp://", "4739", SOCK_STREAM},
	[WIRE_TLS] = {"ipfix+tls://", "4740", SOCK_STREAM},
	[WIRE_UDP] = {"ipfix+udp://", "4739", SOCK_DGRAM},
};

__attribute__((format(printf, 2, 3))) static enum ht_rc
fail(struct wire *w, const char *format, ...) {
	int n = snprintf(w->error, sizeof(w->error), "%s: ", w->to);
	n = n < (int)sizeof(w->error) ? n : (int)sizeof(w->error) - 1;
	va_list args;
	va_start(args, format);
	vsnprintf(w->error + n, sizeof(w->error) - (size_t)n, format, args);
	va_end(args);
	return HT_ERROR;
}

// ---- the spec

static bool is_port(const char *text) {
	const size_t len = strlen(text);
	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	const unsigned long v = strtoul(text, NULL, 10);
	return v > 0 && v <= UINT16_MAX;
}

// read_spec reads SCHEME://HOST[:PORT]; an IPv6 address stands in brackets.
static bool read_spec(enum wire_kind kind, const char *to, char host[HOST_MAX], char port[6]) {
	const size_t scheme = strlen(kinds[kind].scheme);
	if (strncmp(to, kinds[kind].scheme, scheme) != 0)
		return false;
	const char *p = to + scheme;
	const bool bracket = *p == '[';
	p += bracket;
	const size_t len = strcspn(p, bracket ? "]" : ":/?#");
	if (len == 0 || len >= HOST_MAX || (bracket && p[len] != ']'))
		return false;
	memcpy(host, p, len);
	host[len] = '\0';
	p += len + bracket;
	if (*p == '\0') {
		strcpy(port, kinds[kind].port);
		return true;
	}
	if (*p != ':' || !is_port(p + 1))
		return false;
	strcpy(port, p + 1);
	return true;
}

enum ht_rc
wire_check(enum wire_kind kind, const struct ht_sink_options *o, char *err, size_t err_len) {
	char host[HOST_MAX], port[6];
	if (!read_spec(kind, o->to, host, port)) {
		snprintf(err, err_len, "not %sHOST[:PORT]", kinds[kind].scheme);
		return HT_BAD;
	}
	const char *const texts[] = {o->tls_ca, o->tls_cert, o->tls_key, o->tls_name};
	static const char *const names[] = {"tls_ca", "tls_cert", "tls_key", "tls_name"};
	// Who sets one believes to have TLS.
	for (unsigned i = 0; kind != WIRE_TLS && i < HT_ARRAY_LEN(texts); i++)
		if (texts[i] != NULL) {
			snprintf(err, err_len, "%s: only ipfix+tls has TLS", names[i]);
			return HT_BAD;
		}
	if ((o->tls_cert == NULL) != (o->tls_key == NULL)) {
		const bool cert = o->tls_cert != NULL;
		snprintf(
			err, err_len, "%s: wants %s as well", cert ? "tls_cert" : "tls_key",
			cert ? "tls_key" : "tls_cert"
		);
		return HT_BAD;
	}
	return HT_OK;
}

enum ht_rc
wire_probe(enum wire_kind kind, const struct ht_sink_options *o, char *err, size_t err_len) {
	struct tls *tls;
	if (kind != WIRE_TLS)
		return HT_OK;
	const enum ht_rc rc = tls_open(&tls, "", o, err, err_len);
	if (rc == HT_OK)
		tls_free(tls);
	return rc;
}

enum ht_rc wire_open(
	struct wire **out,
	enum wire_kind kind,
	const struct ht_sink_options *o,
	char *err,
	size_t err_len
) {
	struct wire *const w = calloc(1, sizeof(*w));
	if (w == NULL) {
		snprintf(err, err_len, "no memory");
		return HT_ERROR;
	}
	w->kind = kind;
	w->to = o->to;
	w->fd = -1;
	enum ht_rc rc = HT_OK;
	if (!read_spec(kind, o->to, w->host, w->port)) {
		snprintf(err, err_len, "no such address");
		rc = HT_ERROR;
	}
	if (rc == HT_OK && kind == WIRE_TLS)
		rc = tls_open(&w->tls, w->host, o, err, err_len);
	if (rc != HT_OK) {
		free(w);
		return rc;
	}
	*out = w;
	return HT_OK;
}

void wire_free(struct wire *w) {
	if (w == NULL)
		return;
	wire_drop(w, false);
	ht_aside_free(w->aside);
	tls_free(w->tls);
	free(w);
}

bool wire_is_udp(const struct wire *w) {
	return w->kind == WIRE_UDP;
}

const char *wire_error(const struct wire *w) {
	return w->error;
}

// ---- sending and receiving

bool wire_is_waiting(const struct wire *w) {
	return w->waiting.len > 0;
}

// push hands what waits to the kernel.
static enum ht_rc push(struct wire *w) {
	while (w->waiting.len > 0) {
		const ssize_t n = send(w->fd, w->waiting.p, w->waiting.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
			return HT_MORE;
		if (n < 0)
			return fail(w, "%s", strerror(errno));
		w->sent += (uint64_t)n;
		w->waiting = HT_SPAN(w->waiting.p + n, w->waiting.len - (size_t)n);
	}
	return HT_OK;
}

enum ht_rc wire_put(struct wire *w, struct ht_span message, uint64_t *end) {
	if (w->tls == NULL) {
		w->waiting = message;
		w->put += message.len;
		*end = w->put;
		return HT_OK;
	}
	if (tls_write(w->tls, message) != HT_OK)
		return fail(w, "%s", tls_error(w->tls));
	*end = w->put + tls_waiting(w->tls);
	return HT_OK;
}

// pull receives what there is. A collector says nothing but what TLS and TCP say: it is thrown
// away.
static enum ht_rc pull(struct wire *w) {
	uint8_t bytes[RECEIVE_SIZE];
	for (unsigned i = 0; i < RECEIVE_ROUNDS; i++) {
		const ssize_t n = recv(w->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return HT_OK;
		if (n < 0)
			return fail(w, "%s", strerror(errno));
		if (n == 0 && w->kind != WIRE_UDP)
			return fail(
				w, w->state == UP ? "the collector closed the connection"
						  : "the collector closed the connection before "
						    "its TLS handshake was complete"
			);
		if (w->tls != NULL && !tls_received(w->tls, HT_SPAN(bytes, (size_t)n)))
			return fail(w, "TLS: no memory");
	}
	return HT_OK;
}

// alerted looks for an alert behind a connection that broke while we sent: with TLS 1.3 a collector
// refuses our certificate when, for us, the handshake is done.
static void alerted(struct wire *w) {
	char sending[sizeof(w->error)];
	memcpy(sending, w->error, sizeof(sending));
	(void)pull(w);
	if (tls_read(w->tls) != HT_OK)
		fail(w, "%s", tls_error(w->tls));
	else
		memcpy(w->error, sending, sizeof(sending));
}

enum ht_rc wire_flush(struct wire *w) {
	for (;;) {
		const enum ht_rc rc = push(w);
		if (rc == HT_ERROR && w->state == UP && w->tls != NULL)
			alerted(w);
		if (rc != HT_OK || w->tls == NULL)
			return rc;
		w->waiting = tls_take(w->tls); // handshake, alerts, records
		if (w->waiting.len == 0)
			return HT_OK;
		w->put += w->waiting.len;
	}
}

enum ht_rc wire_listen(struct wire *w) {
	const enum ht_rc rc = pull(w);
	// What was received last may say why.
	if (w->tls != NULL && tls_read(w->tls) != HT_OK)
		return fail(w, "%s", tls_error(w->tls));
	return rc;
}

uint64_t wire_acknowledged(const struct wire *w) {
	int queued = 0;
	if (w->fd < 0)
		return 0;
	if (w->kind == WIRE_UDP)
		return w->sent;
	// tcp(7): what is in the queue, sent or not, until it is acknowledged.
	if (ioctl(w->fd, SIOCOUTQ, &queued) != 0)
		return 0;
	return w->sent - (uint64_t)queued;
}

void wire_wait(const struct wire *w, int wait_ms) {
	if (wait_ms <= 0 || w->fd < 0)
		return;
	struct pollfd p = {
		.fd = w->fd,
		.events
		= (short)(POLLIN | (w->waiting.len > 0 || w->state == CONNECTING ? POLLOUT : 0)),
	};
	(void)poll(&p, 1, wait_ms); // a signal is as good as an end
}

// ---- connecting

static void close_socket(struct wire *w) {
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->state = IDLE;
	w->waiting = HT_SPAN_EMPTY;
	w->put = w->sent = 0;
}

void wire_drop(struct wire *w, bool politely) {
	if (politely && w->state == UP && w->kind != WIRE_UDP) {
		// As far as it goes without waiting.
		if (w->waiting.len == 0 && w->tls != NULL)
			tls_say_goodbye(w->tls);
		(void)wire_flush(w);
		shutdown(w->fd, SHUT_WR);
	}
	close_socket(w);
	if (w->addresses != NULL)
		freeaddrinfo(w->addresses);
	w->addresses = w->address = NULL;
}

// A resolver that is away is waited for by getaddrinfo for many seconds.
struct look_up {
	char host[HOST_MAX];
	char port[6];
	struct addrinfo hints;
	struct addrinfo *found;
	int rc, error; // of getaddrinfo; errno
};

static void call_resolver(void *ctx) {
	struct look_up *const l = ctx;
	l->rc = getaddrinfo(l->host, l->port, &l->hints, &l->found);
	l->error = errno;
}

static void drop_look_up(void *ctx) {
	struct look_up *const l = ctx;
	if (l->rc == 0 && l->found != NULL)
		freeaddrinfo(l->found);
	free(l);
}

static enum ht_rc begin_look_up(struct wire *w) {
	struct look_up *const l = calloc(1, sizeof(*l));
	if (l == NULL)
		return fail(w, "no memory");
	memcpy(l->host, w->host, sizeof(l->host));
	memcpy(l->port, w->port, sizeof(l->port));
	l->hints = (struct addrinfo){
		.ai_socktype = kinds[w->kind].socktype,
		.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV,
	};
	w->aside = ht_aside_run(call_resolver, drop_look_up, l);
	if (w->aside == NULL) {
		free(l);
		return fail(w, "no thread to look its name up");
	}
	w->look_up = l;
	return HT_OK;
}

// look_up has w->addresses at HT_OK. One that is under way goes on when the connection is given up,
// and is waited for by the next try: there is never more than one.
static enum ht_rc look_up(struct wire *w, int wait_ms) {
	const struct addrinfo numeric = {
		.ai_socktype = kinds[w->kind].socktype,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	if (w->aside == NULL && getaddrinfo(w->host, w->port, &numeric, &w->addresses) == 0) {
		w->address = w->addresses;
		return HT_OK;
	}
	w->addresses = NULL;
	if (w->aside == NULL && begin_look_up(w) != HT_OK)
		return HT_ERROR;
	if (w->state != LOOKING_UP)
		w->give_up = ht_clock_ms() + CONNECT_MS;
	w->state = LOOKING_UP;
	if (!ht_aside_wait(w->aside, wait_ms)) {
		if (ht_clock_ms() < w->give_up)
			return HT_MORE;
		w->state = IDLE;
		return fail(w, "its name was not found for %d s", CONNECT_MS / 1000);
	}
	w->state = IDLE;
	const int rc = w->look_up->rc, error = w->look_up->error;
	if (rc == 0) {
		w->addresses = w->address = w->look_up->found;
		w->look_up->found = NULL;
	}
	ht_aside_free(w->aside);
	w->aside = NULL;
	w->look_up = NULL;
	if (rc != 0)
		return fail(w, "%s", rc == EAI_SYSTEM ? strerror(error) : gai_strerror(rc));
	return HT_OK;
}

// begin starts to connect to w->address.
static enum ht_rc begin(struct wire *w) {
	const struct addrinfo *const a = w->address;
	w->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (w->fd < 0)
		return fail(w, "%s", strerror(errno));
	w->give_up = ht_clock_ms() + CONNECT_MS;
	w->state = CONNECTING;
	if (w->kind != WIRE_UDP) {
		const int on = 1; // messages are whole: there is nothing to wait for
		(void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)
		return fail(w, "%s", strerror(errno));
	return HT_OK;
}

static enum ht_rc tcp_connected(struct wire *w) {
	struct pollfd p = {.fd = w->fd, .events = POLLOUT};
	if (poll(&p, 1, 0) <= 0)
		return HT_MORE;
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return fail(w, "%s", strerror(error));
	if (w->tls == NULL) {
		w->state = UP;
		return HT_OK;
	}
	if (tls_begin(w->tls) != HT_OK)
		return fail(w, "%s", tls_error(w->tls));
	w->state = HANDSHAKE;
	return HT_MORE;
}

// shake_hands goes on with TLS: HT_OK when it is done and the certificate is good.
static enum ht_rc shake_hands(struct wire *w) {
	enum ht_rc rc = tls_shake_hands(w->tls);
	if (rc != HT_ERROR) {
		const enum ht_rc sent = wire_flush(w);
		if (sent == HT_ERROR)
			return sent;
		if (rc == HT_OK) {
			w->state = ACCEPTING;
			w->accepted_at = ht_clock_ms() + ACCEPT_MS;
			return HT_MORE;
		}
		const enum ht_rc received = pull(w);
		rc = tls_shake_hands(w->tls);
		if (rc != HT_ERROR && received == HT_ERROR)
			return received;
	}
	if (rc == HT_ERROR) {
		(void)wire_flush(w); // the alert that says so
		return fail(w, "%s", tls_error(w->tls));
	}
	return HT_MORE;
}

// is_accepted waits for what the collector makes of our certificate, as far as it says so: what is
// sent to one that refuses it is acknowledged by its TCP all the same.
static enum ht_rc is_accepted(struct wire *w) {
	if (wire_flush(w) == HT_ERROR || wire_listen(w) != HT_OK)
		return HT_ERROR;
	if (!tls_is_accepted(w->tls) && ht_clock_ms() < w->accepted_at)
		return HT_MORE;
	w->state = UP;
	return HT_OK;
}

static enum ht_rc try_address(struct wire *w) {
	enum ht_rc rc = HT_OK;
	if (w->state == IDLE)
		rc = begin(w);
	if (rc == HT_OK && w->state == CONNECTING)
		rc = tcp_connected(w);
	if (rc != HT_ERROR && w->state == HANDSHAKE)
		rc = shake_hands(w);
	if (rc != HT_ERROR && w->state == ACCEPTING)
		rc = is_accepted(w);
	if (rc == HT_MORE && ht_clock_ms() >= w->give_up)
		return fail(
			w, "%s for %d s",
			w->state == CONNECTING ? "no answer" : "no end of the TLS handshake",
			CONNECT_MS / 1000
		);
	return rc;
}

enum ht_rc wire_connect(struct wire *w, int wait_ms) {
	const int64_t until = ht_clock_ms() + wait_ms;
	if (w->addresses == NULL) {
		const enum ht_rc rc = look_up(w, wait_ms);
		if (rc != HT_OK)
			return rc;
	}
	for (;;) {
		const enum ht_rc rc = try_address(w);
		if (rc == HT_OK)
			return rc;
		if (rc == HT_ERROR) {
			close_socket(w);
			w->address = w->address->ai_next;
			if (w->address != NULL)
				continue;
			wire_drop(w, false);
			return HT_ERROR;
		}
		const int64_t left = until - ht_clock_ms();
		if (left <= 0)
			return HT_MORE;
		wire_wait(w, (int)left);
	}
}
