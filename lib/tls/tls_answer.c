// SPDX-License-Identifier: BSD-3-Clause
// What is in clear behind the ClientHello: RFC 8446 4 and 6, RFC 5246 7, RFC 8422 5.

#include "tls_answer.h"

#include "tls_int.h"

#define RECORD_HEADER 5
#define HANDSHAKE_HEADER 4

// --- messages ----------------------------------------------------------------------------------

// The suites (IANA "TLS Cipher Suites") whose ServerKeyExchange begins with a curve: ECDHE and
// ECDH_anon (RFC 8422 5.4). Those of ECDHE_PSK have the hint of an identity before it (RFC 5489 2).
struct suites {
	uint16_t first, last;
	bool psk;
};

static const struct suites ecdhe[] = {
	{0xc006, 0xc00a, false}, {0xc010, 0xc019, false}, {0xc023, 0xc024, false},
	{0xc027, 0xc028, false}, {0xc02b, 0xc02c, false}, {0xc02f, 0xc030, false},
	{0xc033, 0xc03b, true},	 {0xc048, 0xc049, false}, {0xc04c, 0xc04d, false},
	{0xc05c, 0xc05d, false}, {0xc060, 0xc061, false}, {0xc070, 0xc071, true},
	{0xc072, 0xc073, false}, {0xc076, 0xc077, false}, {0xc086, 0xc087, false},
	{0xc08a, 0xc08b, false}, {0xc09a, 0xc09b, true},  {0xc0ac, 0xc0af, false},
	{0xcc13, 0xcc14, false}, {0xcca8, 0xcca9, false}, {0xccac, 0xccac, true},
	{0xd001, 0xd005, true},
};

static const struct suites *find_ecdhe(uint16_t cipher) {
	for (size_t i = 0; i < HT_ARRAY_LEN(ecdhe); i++)
		if (cipher >= ecdhe[i].first && cipher <= ecdhe[i].last)
			return &ecdhe[i];
	return NULL;
}

// RFC 8422 5.4: ECParameters are curve_type named_curve (3) and a NamedCurve.
static bool read_key_exchange(struct ht_tls_facts *f, struct ht_reader r) {
	const struct suites *s = find_ecdhe(f->cipher);
	struct ht_reader hint;
	uint8_t curve_type;
	if (s == NULL)
		return true;
	if ((s->psk && !ht_vec16(&r, &hint)) || !ht_u8(&r, &curve_type))
		return false;
	if (curve_type != 3) // explicit parameters, which RFC 8422 took back
		return true;
	if (!ht_u16(&r, &f->group))
		return false;
	f->seen |= HT_FACT_GROUP;
	return true;
}

// RFC 5246 7.4.2: ASN.1Cert certificate_list<0..2^24-1>, each behind 3 bytes of length.
static bool read_certificates(struct ht_tls_facts *f, struct ht_reader r, struct ht_span *chain) {
	struct ht_reader list, one;
	if (!ht_vec24(&r, &list) || r.left.len != 0)
		return false;
	f->cert_count = 0;
	f->seen |= list.left.len > 0 ? HT_FACT_CERTIFICATE : HT_FACT_NO_CERTIFICATE;
	*chain = list.left; // all of it: whoever reads it sees where it contradicts itself
	while (list.left.len > 0) {
		if (!ht_vec24(&list, &one))
			return false;
		if (f->cert_count < UINT8_MAX)
			f->cert_count++;
	}
	return true;
}

// RFC 7250 4.1: instead of a list there is one SubjectPublicKeyInfo.
#define CERT_TYPE_RAW_KEY 2

static bool is_13(uint16_t version) {
	return version == 0x0304 || version >> 8 == 0x7f || version == 0xfefc;
}

static enum ht_rc
read_server_hello(struct ht_tls_facts *f, uint8_t *cert_type, struct ht_span body) {
	struct ht_server_hello h;
	enum ht_rc rc = ht_server_hello_parse(&h, body);
	if (h.seen & HT_SERVER_BODY) {
		f->version = ht_server_hello_version(&h);
		f->cipher = h.cipher;
		f->seen |= h.retry_request ? HT_FACT_RETRY_REQUEST : HT_FACT_SERVER_HELLO;
	}
	if (h.retry_request)
		return rc == HT_MORE ? HT_BAD : rc == HT_OK ? HT_MORE : rc;
	if (h.seen & HT_SERVER_GROUP) {
		f->group = h.group;
		f->seen |= HT_FACT_GROUP;
	}
	if (h.seen & HT_SERVER_PSK)
		f->seen |= HT_FACT_RESUMED;
	if (h.seen & HT_SERVER_CERT_TYPE)
		*cert_type = h.cert_type;
	if (rc != HT_OK)
		return rc == HT_MORE ? HT_BAD : rc; // the whole message is there
	return is_13(f->version) ? HT_OK : HT_MORE;
}

bool ht_tls_may_begin(const struct ht_tls_facts *f, bool client, uint8_t type) {
	switch (type) {
	case HS_HELLO_REQUEST:
	case HS_HELLO_VERIFY_REQUEST:
	case HS_HELLO_RETRY_REQUEST:
		return !client;
	case HS_SERVER_HELLO:
		return !client && !(f->seen & HT_FACT_SERVER_HELLO);
	case HS_CLIENT_HELLO:
	case HS_CLIENT_KEY_EXCHANGE:
		return client;
	case HS_SERVER_KEY_EXCHANGE:
	case HS_CERTIFICATE_REQUEST:
	case HS_SERVER_HELLO_DONE:
	case HS_NEW_SESSION_TICKET:
		return !client && (f->seen & HT_FACT_SERVER_HELLO);
	case HS_FINISHED: // always encrypted
		return false;
	default:
		return client || (f->seen & HT_FACT_SERVER_HELLO);
	}
}

enum ht_rc ht_tls_take_message(
	struct ht_tls_facts *f,
	uint8_t *cert_type,
	uint8_t type,
	struct ht_span body,
	struct ht_tls_views *out
) {
	*out = (struct ht_tls_views){HT_SPAN_EMPTY, HT_SPAN_EMPTY};
	bool ok = true;
	switch (type) {
	case HS_CLIENT_HELLO:
		f->seen |= HT_FACT_HELLO;
		break;
	case HS_SERVER_HELLO:
		out->hello = body;
		return read_server_hello(f, cert_type, body);
	case HS_HELLO_VERIFY_REQUEST:
		f->seen |= HT_FACT_VERIFY_REQUEST;
		break;
	case HS_NEW_SESSION_TICKET:
		f->seen |= HT_FACT_TICKET;
		break;
	case HS_HELLO_RETRY_REQUEST:
		f->seen |= HT_FACT_RETRY_REQUEST;
		break;
	case HS_CERTIFICATE:
		if (*cert_type == CERT_TYPE_RAW_KEY)
			f->seen |= HT_FACT_CERTIFICATE;
		else
			ok = read_certificates(f, ht_reader(body), &out->chain);
		break;
	case HS_SERVER_KEY_EXCHANGE:
		f->seen |= HT_FACT_KEY_EXCHANGE;
		ok = read_key_exchange(f, ht_reader(body));
		break;
	case HS_CLIENT_KEY_EXCHANGE:
		f->seen |= HT_FACT_KEY_EXCHANGE;
		break;
	case HS_CERTIFICATE_REQUEST:
		f->seen |= HT_FACT_CERTIFICATE_REQUEST;
		break;
	case HS_SERVER_HELLO_DONE:
		f->seen |= HT_FACT_HELLO_DONE;
		break;
	default:
		break;
	}
	return ok ? HT_MORE : HT_BAD;
}

enum { LEVEL_WARNING = 1, LEVEL_FATAL = 2 };
enum { ALERT_CLOSE_NOTIFY = 0, ALERT_NO_CERTIFICATE = 41 };

enum ht_rc ht_tls_take_alert(struct ht_tls_facts *f, bool client, const uint8_t *p) {
	if (p[0] != LEVEL_WARNING && p[0] != LEVEL_FATAL)
		return HT_BAD;
	f->alert_level = p[0];
	f->alert = p[1];
	f->seen |= HT_FACT_ALERT;
	// RFC 6101 5.6.6: SSL 3.0 has this instead of an empty Certificate.
	if (client && f->alert == ALERT_NO_CERTIFICATE && p[0] == LEVEL_WARNING)
		f->seen |= HT_FACT_NO_CERTIFICATE;
	if (p[0] != LEVEL_FATAL && f->alert != ALERT_CLOSE_NOTIFY)
		return HT_MORE;
	f->seen |= HT_FACT_FATAL;
	return HT_OK;
}

enum ht_rc ht_tls_take_change(struct ht_tls_facts *f, bool client) {
	f->seen |= HT_FACT_CHANGE_CIPHER_SPEC;
	// RFC 8446 D.4: it means nothing before a second ClientHello, nor behind a
	// HelloRetryRequest.
	if (client)
		return f->seen & HT_FACT_KEY_EXCHANGE ? HT_OK : HT_MORE;
	if (!(f->seen & HT_FACT_SERVER_HELLO))
		return HT_MORE;
	if (!(f->seen & (HT_FACT_HELLO_DONE | HT_FACT_CERTIFICATE | HT_FACT_KEY_EXCHANGE)))
		f->seen |= HT_FACT_RESUMED;
	return HT_OK;
}

// --- a stream ----------------------------------------------------------------------------------

// What may be told by the first bytes of a header, before all of it is there.
static bool header_begins(const uint8_t *h, size_t there) {
	return (there < 1 || (h[0] >= CT_CHANGE_CIPHER_SPEC && h[0] <= CT_APPLICATION_DATA))
	       && (there < 2 || h[1] == 3);
}

// A client that has changed its cipher without a ClientKeyExchange does so in TLS 1.3, or takes up
// an earlier session. A handshake record behind that is encrypted, unless it is the second
// ClientHello: type, a length below 2^16, and a version. HT_SKIP: it is that.
static enum ht_rc behind_change(struct ht_tls_answer *a, const uint8_t *h, size_t there) {
	const unsigned least = HANDSHAKE_HEADER + 2 + 32;
	if (ht_be16(h + 3) >= least) {
		const uint8_t *m = h + RECORD_HEADER;
		if (there < RECORD_HEADER + least)
			return HT_MORE;
		if (m[0] == HS_CLIENT_HELLO && m[1] == 0 && m[4] == 3)
			return HT_SKIP;
	}
	a->facts.seen |= HT_FACT_ENCRYPTED;
	return HT_OK;
}

// A record that is no handshake record: it is taken when all of it is there.
static enum ht_rc other_record(struct ht_tls_answer *a, const uint8_t *h, size_t there) {
	struct ht_tls_facts *f = &a->facts;
	const unsigned n = ht_be16(h + 3);
	const bool whole = there >= RECORD_HEADER + n;
	switch (h[0]) {
	case CT_CHANGE_CIPHER_SPEC:
		// RFC 8446 5.1: messages are not interleaved with it. A server's is an answer.
		if (n != 1 || a->gathered != a->message
		    || (!a->client && !(f->seen & (HT_FACT_SERVER_HELLO | HT_FACT_RETRY_REQUEST))))
			return HT_BAD;
		if (!whole)
			return HT_MORE;
		a->pos += RECORD_HEADER + n;
		return ht_tls_take_change(f, a->client) == HT_OK ? HT_OK : HT_SKIP;
	case CT_ALERT: {
		if (n != 2) {
			f->seen |= HT_FACT_ENCRYPTED;
			return f->seen & HT_FACT_CHANGE_CIPHER_SPEC ? HT_OK : HT_BAD;
		}
		if (!whole)
			return HT_MORE;
		a->pos += RECORD_HEADER + n;
		const enum ht_rc rc = ht_tls_take_alert(f, a->client, h + RECORD_HEADER);
		return rc == HT_MORE ? HT_SKIP : rc;
	}
	default: // application data: early, or behind the handshake
		if (!a->client)
			return HT_BAD;
		f->seen |= HT_FACT_ENCRYPTED;
		return HT_OK;
	}
}

// Takes what begins at a->pos, which is a record. HT_SKIP: go on.
static enum ht_rc next_record(struct ht_tls_answer *a, const uint8_t *buf, size_t len) {
	const uint8_t *h = buf + a->pos;
	const size_t there = len - a->pos;
	if (!header_begins(h, there))
		return HT_BAD;
	if (there < RECORD_HEADER)
		return HT_MORE;
	if (ht_be16(h + 3) > HT_TLS_RECORD_MAX)
		return HT_BAD;
	if (h[0] != CT_HANDSHAKE)
		return other_record(a, h, there);
	if (a->facts.seen & HT_FACT_CHANGE_CIPHER_SPEC && a->client && a->gathered == a->message
	    && ht_be16(h + 3) > 0) {
		const enum ht_rc rc = behind_change(a, h, there);
		if (rc != HT_SKIP)
			return rc;
	}
	a->pos += RECORD_HEADER;
	a->rec_left = ht_be16(h + 3);
	if (a->gathered == a->message) { // nothing begun: nothing to move together with
		a->begin = a->pos;
		a->gathered = 0;
		a->message = 0;
	}
	return HT_SKIP;
}

static void part_of(struct ht_tls_part *out, const uint8_t *buf, struct ht_span s) {
	if (s.len > 0)
		*out = (struct ht_tls_part){(uint32_t)(s.p - buf), (uint32_t)s.len};
}

// The messages that are whole now.
static enum ht_rc take_messages(struct ht_tls_answer *a, const uint8_t *buf, uint32_t max) {
	while (a->gathered > a->message) {
		const uint8_t *m = buf + a->begin + a->message;
		const uint32_t there = a->gathered - a->message;
		if (!ht_tls_may_begin(&a->facts, a->client, m[0])
		    || m[0] == HS_HELLO_VERIFY_REQUEST)
			return HT_BAD;
		if (there < HANDSHAKE_HEADER)
			return HT_MORE;
		const uint32_t n = ht_be24(m + 1);
		if (n > max)
			return HT_LIMIT;
		if (there - HANDSHAKE_HEADER < n)
			return HT_MORE;
		struct ht_tls_views views;
		const enum ht_rc rc = ht_tls_take_message(
			&a->facts, &a->cert_type, m[0], HT_SPAN(m + HANDSHAKE_HEADER, n), &views
		);
		part_of(&a->hello, buf, views.hello);
		part_of(&a->chain, buf, views.chain);
		a->message += HANDSHAKE_HEADER + n;
		if (rc != HT_MORE)
			return rc;
	}
	return HT_MORE;
}

static enum ht_rc go_on(struct ht_tls_answer *a, uint8_t *buf, size_t len, uint32_t max) {
	while (a->pos < len) {
		if (a->rec_left == 0) {
			const enum ht_rc rc = next_record(a, buf, len);
			if (rc != HT_SKIP)
				return rc;
			continue;
		}
		const size_t there = len - a->pos;
		const uint32_t n = a->rec_left < there ? a->rec_left : (uint32_t)there;
		if (a->begin + a->gathered != a->pos)
			memmove(buf + a->begin + a->gathered, buf + a->pos, n);
		a->gathered += n;
		a->pos += n;
		a->rec_left -= n;
		const enum ht_rc rc = take_messages(a, buf, max);
		if (rc != HT_MORE)
			return rc;
	}
	return HT_MORE;
}

enum ht_rc ht_tls_answer(struct ht_tls_answer *a, uint8_t *buf, size_t len, uint32_t max) {
	if (a->over)
		return (enum ht_rc)a->outcome;
	const enum ht_rc rc = go_on(a, buf, len, max);
	if (rc != HT_MORE) {
		a->over = true;
		a->outcome = (uint8_t)rc;
	}
	return rc;
}

uint32_t ht_tls_answer_rest(struct ht_tls_answer *a) {
	const uint32_t n = a->pos;
	if (a->gathered != a->message)
		return 0;
	a->pos = a->begin = a->gathered = a->message = 0;
	a->hello = a->chain = (struct ht_tls_part){0, 0};
	return n;
}
