// SPDX-License-Identifier: BSD-3-Clause

#include "service.h"

#include "reader.h"

#include <netinet/in.h>
#include <stdlib.h>

#define PORTS 65536u

enum { TCP, UDP, NUM_PROTOS };

static const uint8_t ip_proto[NUM_PROTOS] = {[TCP] = IPPROTO_TCP, [UDP] = IPPROTO_UDP};

static const struct {
	const char *name, *help;
} modes[HT_NUM_SERVICE_MODES] = {
#define X(id, name, help) {name, help},
	HT_SERVICE_MODES(X)
#undef X
};

#define IMPLICIT HT_SERVICE_IMPLICIT
#define UPGRADE HT_SERVICE_UPGRADE
#define EITHER HT_SERVICE_EITHER
#define NEVER HT_SERVICE_NEVER

// By port, TCP before UDP. Names of IANA's registry where it has one, else what the field says.
// IMPLICIT is for ports where clear text would be a fault or a disguise: where a default set-up
// without TLS is known (9093: the controllers of Kafka, Alertmanager), it is EITHER.
static const struct {
	uint16_t first, last;
	uint8_t proto;
	struct ht_service service;
} builtin[] = {
	{21, 21, TCP, {"ftp", "FTP; AUTH TLS (RFC 4217)", UPGRADE}},
	{22, 22, TCP, {"ssh", "SSH, which has an encryption of its own (RFC 4253)", NEVER}},
	{25, 25, TCP, {"smtp", "mail between servers; STARTTLS (RFC 3207)", UPGRADE}},
	{80, 80, TCP, {"http", "HTTP; CONNECT, Upgrade: TLS (RFC 2817)", UPGRADE}},
	{110, 110, TCP, {"pop3", "POP3; STLS (RFC 2595)", UPGRADE}},
	{119, 119, TCP, {"nntp", "news; STARTTLS (RFC 4642)", UPGRADE}},
	{143, 143, TCP, {"imap", "IMAP; STARTTLS (RFC 9051)", UPGRADE}},
	{389, 389, TCP, {"ldap", "LDAP; StartTLS (RFC 4511)", UPGRADE}},
	{443, 443, TCP, {"https", "HTTP over TLS (RFC 9110)", IMPLICIT}},
	{443, 443, UDP, {"https", "HTTP/3, on QUIC (RFC 9114)", IMPLICIT}},
	{465, 465, TCP, {"smtps", "mail submission over TLS (RFC 8314)", IMPLICIT}},
	{563, 563, TCP, {"nntps", "news over TLS", IMPLICIT}},
	{587, 587, TCP, {"submission", "mail submission; STARTTLS (RFC 6409)", UPGRADE}},
	{636, 636, TCP, {"ldaps", "LDAP over TLS", IMPLICIT}},
	{853, 853, TCP, {"domain-s", "DNS over TLS (RFC 7858)", IMPLICIT}},
	{853, 853, UDP, {"domain-s", "DNS over QUIC (RFC 9250) or DTLS (RFC 8094)", IMPLICIT}},
	{989, 989, TCP, {"ftps-data", "data of FTP; in clear after PROT C (RFC 4217)", EITHER}},
	{990, 990, TCP, {"ftps", "FTP over TLS", IMPLICIT}},
	{993, 993, TCP, {"imaps", "IMAP over TLS (RFC 8314)", IMPLICIT}},
	{995, 995, TCP, {"pop3s", "POP3 over TLS (RFC 8314)", IMPLICIT}},
	{1194, 1194, TCP, {"openvpn", "OpenVPN; TLS inside its control channel", UPGRADE}},
	{1194, 1194, UDP, {"openvpn", "OpenVPN; TLS inside its control channel", UPGRADE}},
	{1433, 1433, TCP, {"mssql", "TDS; TLS inside it, or from the first byte in 8.0", EITHER}},
	{1812, 1812, UDP, {"radius", "RADIUS; TLS inside EAP (RFC 3579)", UPGRADE}},
	{1813, 1813, UDP, {"radius-acct", "RADIUS accounting (RFC 2866)", NEVER}},
	{2083, 2083, TCP, {"radsec", "RADIUS over TLS (RFC 6614)", IMPLICIT}},
	{2083, 2083, UDP, {"radsec", "RADIUS over DTLS (RFC 7360)", IMPLICIT}},
	{2376, 2376, TCP, {"docker", "Docker's API over TLS", IMPLICIT}},
	{2377, 2377, TCP, {"docker", "Docker swarm's managers, over TLS", IMPLICIT}},
	{3268, 3268, TCP, {"ldap-gc", "LDAP of the global catalog; StartTLS", UPGRADE}},
	{3269, 3269, TCP, {"ldap-gc", "LDAP of the global catalog over TLS", IMPLICIT}},
	{3306, 3306, TCP, {"mysql", "MySQL, MariaDB; SSLRequest", UPGRADE}},
	{3389, 3389, TCP, {"rdp", "RDP; TLS behind its negotiation", UPGRADE}},
	{3389, 3389, UDP, {"rdp", "RDP; TLS or DTLS inside its UDP transport", UPGRADE}},
	{4190, 4190, TCP, {"sieve", "ManageSieve; STARTTLS (RFC 5804)", UPGRADE}},
	{5061, 5061, TCP, {"sips", "SIP over TLS (RFC 3261)", IMPLICIT}},
	{5222, 5222, TCP, {"xmpp-client", "XMPP; STARTTLS (RFC 6120)", UPGRADE}},
	{5223, 5223, TCP, {"xmpp-client", "XMPP over TLS (XEP-0368), push of phones", IMPLICIT}},
	{5269, 5269, TCP, {"xmpp-server", "XMPP between servers; STARTTLS (RFC 6120)", UPGRADE}},
	{5270, 5270, TCP, {"xmpp-server", "XMPP between servers over TLS (XEP-0368)", IMPLICIT}},
	{5349, 5349, TCP, {"turns", "STUN and TURN over TLS (RFC 8489, RFC 8656)", IMPLICIT}},
	{5349, 5349, UDP, {"turns", "STUN and TURN over DTLS (RFC 7350)", IMPLICIT}},
	{5432, 5432, TCP, {"postgresql", "PostgreSQL; SSLRequest, or direct since 17", EITHER}},
	{5671, 5671, TCP, {"amqps", "AMQP over TLS", IMPLICIT}},
	{5684, 5684, UDP, {"coaps", "CoAP over DTLS (RFC 7252)", IMPLICIT}},
	{6443, 6443, TCP, {"kubernetes", "Kubernetes' API", IMPLICIT}},
	{6514, 6514, TCP, {"syslog-tls", "syslog over TLS (RFC 5425)", IMPLICIT}},
	{6514, 6514, UDP, {"syslog-tls", "syslog over DTLS (RFC 6012)", IMPLICIT}},
	{6667, 6667, TCP, {"irc", "IRC; STARTTLS", UPGRADE}},
	{6697, 6697, TCP, {"ircs", "IRC over TLS (RFC 7194)", IMPLICIT}},
	{8080, 8080, TCP, {"http-alt", "HTTP, proxies; with TLS or without", EITHER}},
	{8443, 8443, TCP, {"https-alt", "HTTP over TLS", IMPLICIT}},
	{8443, 8443, UDP, {"https-alt", "HTTP/3, on QUIC", IMPLICIT}},
	{8883, 8883, TCP, {"mqtts", "MQTT over TLS", IMPLICIT}},
	{9090, 9090, TCP, {"prometheus", "Prometheus; with TLS or without", EITHER}},
	{9093, 9093, TCP, {"kafka", "Kafka; with TLS or without", EITHER}},
	{9200, 9300, TCP, {"elasticsearch", "Elasticsearch; with TLS or without", EITHER}},
	{9443, 9443, TCP, {"https-alt", "HTTP over TLS", IMPLICIT}},
	{27017, 27017, TCP, {"mongodb", "MongoDB; with TLS or without", EITHER}},
	{33060, 33060, TCP, {"mysqlx", "MySQL's X protocol; TLS on request", UPGRADE}},
};
#define NUM_BUILTIN HT_ARRAY_LEN(builtin)
_Static_assert(NUM_BUILTIN < HT_SERVICES_MAX, "the built-in services leave room for the user's");

struct ht_services {
	uint16_t index[NUM_PROTOS][PORTS]; // in `services`; 0: nothing
	struct ht_service services[1 + HT_SERVICES_MAX]; // [0] is not used
	char names[1 + HT_SERVICES_MAX][HT_SERVICE_NAME_MAX + 1]; // of those the user gave
	uint16_t num;
};

const char *ht_service_mode_name(enum ht_service_mode mode) {
	return modes[mode].name;
}

const char *ht_service_mode_help(enum ht_service_mode mode) {
	return modes[mode].help;
}

// --- lookup -------------------------------------------------------------------------------------

const struct ht_service *ht_service_of(const struct ht_services *t, uint16_t port, uint8_t proto) {
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return NULL;
	uint16_t i = t->index[proto == IPPROTO_TCP ? TCP : UDP][port];
	return i > 0 ? &t->services[i] : NULL;
}

const char *ht_services_name(const struct ht_services *t, unsigned i) {
	return i < t->num ? t->services[1 + i].name : NULL;
}

bool ht_service_always_tls(const struct ht_services *t, uint16_t port, uint8_t proto) {
	const struct ht_service *s = ht_service_of(t, port, proto);
	return s != NULL && s->mode == HT_SERVICE_IMPLICIT;
}

bool ht_services_next(const struct ht_services *t, uint32_t *at, struct ht_service_ports *out) {
	for (; *at < NUM_PROTOS * PORTS; (*at)++) {
		unsigned proto = *at % NUM_PROTOS;
		const uint16_t *index = t->index[proto];
		uint32_t first = *at / NUM_PROTOS, last = first;
		if (index[first] == 0 || (first > 0 && index[first - 1] == index[first]))
			continue;
		while (last + 1 < PORTS && index[last + 1] == index[first])
			last++;
		*out = (struct ht_service_ports){
			.first = (uint16_t)first,
			.last = (uint16_t)last,
			.proto = ip_proto[proto],
			.service = &t->services[index[first]],
		};
		(*at)++;
		return true;
	}
	return false;
}

// --- making -------------------------------------------------------------------------------------

static void put(struct ht_services *t, unsigned proto, uint16_t first, uint16_t last, uint16_t i) {
	for (uint32_t port = first; port <= last; port++)
		t->index[proto][port] = i;
}

struct ht_services *ht_services_new(void) {
	struct ht_services *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	for (size_t k = 0; k < NUM_BUILTIN; k++) {
		t->services[++t->num] = builtin[k].service;
		put(t, builtin[k].proto, builtin[k].first, builtin[k].last, t->num);
	}
	return t;
}

void ht_services_free(struct ht_services *t) {
	free(t);
}

// A service of the user's, made when no line had it before. 0: no room.
static uint16_t users(struct ht_services *t, struct ht_span name, enum ht_service_mode mode) {
	for (uint16_t i = NUM_BUILTIN + 1; i <= t->num; i++) {
		const struct ht_service *s = &t->services[i];
		if (s->mode == mode && ht_span_eq(HT_SPAN(s->name, strlen(s->name)), name))
			return i;
	}
	if (t->num == HT_SERVICES_MAX)
		return 0;
	t->num++;
	memcpy(t->names[t->num], name.p, name.len); // the rest is zero
	t->services[t->num] = (struct ht_service){t->names[t->num], "set by the user", mode};
	return t->num;
}

// --- the user's lines ---------------------------------------------------------------------------

#define BLANKS " \t\r"
#define DIGITS "0123456789"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

// How many bytes stand in front of the first that is not of `set` (of: true), or that is.
static size_t run(struct ht_span text, const char *set, bool of) {
	size_t n = 0, num = strlen(set);
	while (n < text.len && (memchr(set, text.p[n], num) != NULL) == of)
		n++;
	return n;
}

static struct ht_span take_run(struct ht_reader *r, const char *set, bool of) {
	struct ht_span s;
	return ht_take(r, run(r->left, set, of), &s) ? s : HT_SPAN_EMPTY;
}

// Empty at the end of the line.
static struct ht_span take_word(struct ht_reader *line) {
	take_run(line, BLANKS, true);
	return take_run(line, BLANKS, false);
}

static bool take_char(struct ht_reader *r, char c) {
	return r->left.len > 0 && r->left.p[0] == (uint8_t)c && ht_skip(r, 1);
}

static bool take_port(struct ht_reader *r, uint16_t *port) {
	struct ht_span digits = take_run(r, DIGITS, true);
	uint32_t v = 0;
	for (size_t i = 0; i < digits.len && v < PORTS; i++)
		v = 10 * v + (digits.p[i] - '0');
	*port = (uint16_t)v;
	return v > 0 && v < PORTS;
}

// The parts of a line. Each returns NULL, or what is wrong.
static const char *ports_of(struct ht_span word, unsigned *proto, uint16_t *first, uint16_t *last) {
	static const char bad_port[] = "a port is a number from 1 to 65535";
	struct ht_reader r = ht_reader(word);
	if (!take_port(&r, first))
		return bad_port;
	*last = *first;
	if (take_char(&r, '-') && !take_port(&r, last))
		return bad_port;
	*proto = ht_span_eq(r.left, HT_SPAN_STR("/tcp")) ? TCP : UDP;
	if (*proto == UDP && !ht_span_eq(r.left, HT_SPAN_STR("/udp")))
		return "behind the port or the range comes /tcp or /udp";
	return *last < *first ? "the range ends below its beginning" : NULL;
}

static const char *name_of(struct ht_span word) {
	bool good = word.len > 0 && word.len <= HT_SERVICE_NAME_MAX
		    && run(word, NAME_CHARS, true) == word.len;
	_Static_assert(HT_SERVICE_NAME_MAX == 24, "the text says it");
	return good ? NULL : "a name is 1 to 24 characters of a-z, 0-9 and -";
}

static const char *mode_of(struct ht_span word, enum ht_service_mode *mode) {
	for (unsigned m = 0; m < HT_NUM_SERVICE_MODES; m++) {
		*mode = (enum ht_service_mode)m;
		if (ht_span_eq(word, HT_SPAN(modes[m].name, strlen(modes[m].name))))
			return NULL;
	}
	return "a mode is implicit, upgrade, either or never";
}

static const char *set_line(struct ht_services *t, struct ht_reader line) {
	unsigned proto;
	uint16_t first, last, i = 0;
	enum ht_service_mode mode;
	const struct ht_span ports = take_word(&line), name = take_word(&line);
	const char *wrong;
	if (ports.len == 0)
		return NULL;
	if ((wrong = ports_of(ports, &proto, &first, &last)) != NULL
	    || (wrong = name_of(name)) != NULL)
		return wrong;
	bool removes = ht_span_eq(name, HT_SPAN_STR("-"));
	if (!removes && (wrong = mode_of(take_word(&line), &mode)) != NULL)
		return wrong;
	if (take_word(&line).len > 0)
		return removes ? "nothing follows -" : "nothing follows the mode";
	if (!removes && (i = users(t, name, mode)) == 0)
		return "too many different services";
	put(t, proto, first, last, i);
	return NULL;
}

enum ht_rc
ht_services_parse(struct ht_services *t, struct ht_span text, struct ht_services_error *err) {
	struct ht_reader r = ht_reader(text);
	for (uint32_t n = 1; r.left.len > 0; n++) {
		struct ht_reader line = ht_reader(take_run(&r, "\n", false));
		const char *wrong = set_line(t, ht_reader(take_run(&line, "#", false)));
		if (wrong != NULL) {
			*err = (struct ht_services_error){n, wrong};
			return HT_BAD;
		}
		if (!take_char(&r, '\n'))
			break; // the last line needs no end
	}
	return HT_OK;
}
