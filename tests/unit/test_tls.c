// SPDX-License-Identifier: BSD-3-Clause
// ClientHello views; framing of streams and of DTLS datagrams. A result must not depend on how the
// bytes were cut.

#include "hello_build.h"
#include "t.h"
#include "tls.h"

#include <inttypes.h>

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static struct hb hb, msg, stream; // too large for the stack

// --- the ClientHello ----------------------------------------------------------------------------

#define VERSION HT_SEEN_VERSION
#define BODY (HT_SEEN_VERSION | HT_SEEN_BODY)
#define BLOCK (BODY | HT_SEEN_EXTENSIONS)

static void inside(struct ht_span s, struct ht_span body) {
	assert_true(s.p >= body.p && s.len <= body.len);
	assert_true((size_t)(s.p - body.p) <= body.len - s.len);
}

// Every view that is said to be there lies inside the message.
static void views_inside(const struct ht_hello *h, struct ht_span body) {
	if (h->seen & HT_SEEN_BODY) {
		inside(h->random, body);
		inside(h->session_id, body);
		inside(h->ciphers, body);
		if (h->kind != HT_HELLO_SSL2)
			inside(h->compression, body);
		if (h->cookie.len > 0)
			inside(h->cookie, body);
	}
	const struct {
		uint32_t bit;
		struct ht_span s;
	} views[] = {
		{HT_SEEN_SNI, h->sni},
		{HT_SEEN_ALPN, h->alpn},
		{HT_SEEN_VERSIONS, h->versions},
		{HT_SEEN_GROUPS, h->groups},
		{HT_SEEN_SIG_ALGS, h->sig_algs},
		{HT_SEEN_POINT_FORMATS, h->point_formats},
		{HT_SEEN_QUIC_PARAMETERS, h->quic_parameters},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(views); i++)
		if (h->seen & views[i].bit)
			inside(views[i].s, body);
	if (h->quic_user_agent.len > 0)
		inside(h->quic_user_agent, body);
	assert_true(h->num_extensions <= HT_HELLO_MAX_EXTENSIONS);
	assert_true(h->num_key_shares <= HT_HELLO_MAX_KEY_SHARES);
}

// Parses an exact-size copy; the views of *h are good only for what they say of lengths.
static enum ht_rc parse(struct ht_hello *h, enum ht_hello_kind kind, struct ht_span body) {
	uint8_t *copy = t_dup(body.p, body.len);
	enum ht_rc rc = ht_hello_parse(h, kind, HT_SPAN(copy, body.len));
	views_inside(h, HT_SPAN(copy, body.len));
	free(copy);
	return rc;
}

static void body_table(void **state) {
	(void)state;
	static const struct {
		const char *name, *in; // behind version, random and an empty session id
		enum ht_rc want;
		uint32_t seen;
		uint16_t num_extensions;
	} cases[] = {
		{"no extension block", "0002 1301 01 00", HT_OK, BODY, 0},
		{"empty extension block", "0002 1301 01 00 0000", HT_OK, BLOCK, 0},
		{"one empty extension", "0002 1301 01 00 0004 0017 0000", HT_OK, BLOCK, 1},
		{"no ciphers", "0000 01 00", HT_OK, BODY, 0},
		{"no compression method", "0002 1301 00", HT_OK, BODY, 0},
		{"three compression methods", "0002 1301 03 000140", HT_OK, BODY, 0},
		{"odd cipher length", "0003 1301 13 01 00", HT_BAD, VERSION, 0},
		{"odd cipher length of one", "0001 13 01 00", HT_BAD, VERSION, 0},
		{"cipher length past the message", "0006 1301 01 00", HT_MORE, VERSION, 0},
		{"half a cipher length", "00", HT_MORE, VERSION, 0},
		{"nothing behind the session id", "", HT_MORE, VERSION, 0},
		{"no compression length", "0002 1301", HT_MORE, VERSION, 0},
		{"compression past the message", "0002 1301 02 00", HT_MORE, VERSION, 0},
		{"half a block length", "0002 1301 01 00 00", HT_MORE, BODY, 0},
		{"block length past the message", "0002 1301 01 00 0005 0017 0000", HT_MORE, BLOCK,
		 1},
		{"block length past an empty block", "0002 1301 01 00 0001", HT_MORE, BLOCK, 0},
		{"a byte behind the block", "0002 1301 01 00 0004 0017 0000 ff", HT_BAD, BODY, 0},
		{"a byte behind an empty block", "0002 1301 01 00 0000 ff", HT_BAD, BODY, 0},
		{"extension length past its block", "0002 1301 01 00 0005 0017 0002 ff", HT_BAD,
		 BLOCK, 0},
		{"second extension past its block", "0002 1301 01 00 0009 0017 0000 0023 0002 ff",
		 HT_BAD, BLOCK, 1},
		{"block ends in an extension type", "0002 1301 01 00 0006 0017 0000 0023", HT_BAD,
		 BLOCK, 1},
		{"block of one byte", "0002 1301 01 00 0001 00", HT_BAD, BLOCK, 0},
		{"block ends in an extension length", "0002 1301 01 00 0003 0017 00", HT_BAD, BLOCK,
		 0},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_hello h;
		hb_begin_sid(&hb, HT_HELLO_TLS, 0x0303, 0);
		hb_hex(&hb, cases[i].in);
		enum ht_rc rc = parse(&h, HT_HELLO_TLS, hb_span(&hb));
		if (rc != cases[i].want || h.seen != cases[i].seen
		    || h.num_extensions != cases[i].num_extensions)
			fail_msg(
				"%s: %d, seen %" PRIx32 ", %u extensions", cases[i].name, rc,
				h.seen, h.num_extensions
			);
	}
}

static void session_id_lengths(void **state) {
	(void)state;
	static const struct {
		uint8_t len;
		enum ht_rc want;
	} cases[] = {{0, HT_OK}, {1, HT_OK}, {32, HT_OK}, {33, HT_BAD}, {255, HT_BAD}};
	for (unsigned kind = HT_HELLO_TLS; kind <= HT_HELLO_DTLS; kind++) {
		for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
			struct ht_hello h;
			hb_begin_sid(&hb, kind, 0x0303, cases[i].len);
			hb_ciphers(&hb, "1301 1302");
			assert_int_equal(parse(&h, kind, hb_span(&hb)), cases[i].want);
			// What was read before the fault is told all the same.
			assert_int_equal(h.seen, BODY);
			assert_int_equal(h.session_id.len, cases[i].len);
			assert_int_equal(h.ciphers.len, 4);
		}
	}
}

static void cookie_stands_in_dtls_alone(void **state) {
	(void)state;
	struct ht_hello h;
	hb_begin_sid(&hb, HT_HELLO_DTLS, 0xfefd, 0);
	hb.len--; // its empty cookie
	hb_hex(&hb, "04 c00c1e55 0002 c02b 01 00");
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_DTLS, hb_span(&hb)), HT_OK);
	assert_int_equal(h.cookie.len, 4);
	assert_memory_equal(h.cookie.p, "\xc0\x0c\x1e\x55", 4);
	assert_int_equal(h.ciphers.len, 2);
	// RFC 6347 4.2.1: cookie<0..2^8-1>; one that passes the end of the message is a cut one.
	hb.b[35] = 0xff;
	assert_int_equal(parse(&h, HT_HELLO_DTLS, hb_span(&hb)), HT_MORE);
	// Without its cookie field a hello is no DTLS hello, and the other way round.
	hb_begin(&hb, HT_HELLO_TLS, 0x0303);
	hb_ciphers(&hb, "1301");
	hb_hex(&hb, "0000");
	assert_int_equal(parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_OK);
	assert_int_not_equal(parse(&h, HT_HELLO_DTLS, hb_span(&hb)), HT_OK);
}

// One extension, followed by extended_master_secret, which must be read whatever stands before it.
static void extension_table(void **state) {
	(void)state;
	enum {
		SNI_EXT = HT_SEEN_SNI_EXT,
		SNI = HT_SEEN_SNI_EXT | HT_SEEN_SNI,
		ALPN = HT_SEEN_ALPN,
		QUIC = HT_SEEN_QUIC_PARAMETERS,
	};
#define AT(field) offsetof(struct ht_hello, field)
	static const struct {
		const char *name;
		uint16_t type;
		const char *in;
		enum ht_rc want;
		uint32_t seen;
		size_t view; // 0: none is looked at
		const char *bytes;
	} cases[] = {
		{"sni: one name", 0, "0006 00 0003 616263", HT_OK, SNI, AT(sni), "616263"},
		{"sni: empty extension", 0, "", HT_OK, SNI_EXT, 0, ""},
		{"sni: empty list", 0, "0000", HT_OK, SNI_EXT, 0, ""},
		{"sni: empty name", 0, "0003 00 0000", HT_OK, SNI, AT(sni), ""},
		{"sni: two names, the first counts", 0, "000a 00 0002 6161 00 0002 6262", HT_OK,
		 SNI, AT(sni), "6161"},
		{"sni: an empty name, then another", 0, "0008 00 0000 00 0002 6262", HT_OK, SNI,
		 AT(sni), ""},
		{"sni: another name type alone", 0, "0005 01 0002 6161", HT_OK, SNI_EXT, 0, ""},
		{"sni: another name type first", 0, "000a 07 0002 6161 00 0002 6262", HT_OK, SNI,
		 AT(sni), "6262"},
		{"sni: bytes behind the list", 0, "0005 00 0002 6161 ff", HT_BAD, SNI_EXT, 0, ""},
		{"sni: list past the extension", 0, "0007 00 0003 616263", HT_BAD, SNI_EXT, 0, ""},
		{"sni: bytes in the list behind the name", 0, "0007 00 0003 616263 ff", HT_BAD, SNI,
		 AT(sni), "616263"},
		{"sni: name past its list", 0, "0006 00 0004 616263", HT_BAD, SNI_EXT, 0, ""},
		{"sni: a name type alone", 0, "0001 00", HT_BAD, SNI_EXT, 0, ""},
		{"sni: half a list length", 0, "00", HT_BAD, SNI_EXT, 0, ""},

		{"alpn: two names", 16, "0006 02 6832 02 6833", HT_OK, ALPN, AT(alpn),
		 "02 6832 02 6833"},
		{"alpn: empty name first", 16, "0004 00 02 6832", HT_OK, ALPN, AT(alpn),
		 "00 02 6832"},
		{"alpn: empty name alone", 16, "0001 00", HT_OK, ALPN, AT(alpn), "00"},
		{"alpn: empty list", 16, "0000", HT_OK, ALPN, AT(alpn), ""},
		{"alpn: empty extension", 16, "", HT_BAD, 0, 0, ""},
		{"alpn: name past its list", 16, "0003 03 6832", HT_BAD, 0, 0, ""},
		{"alpn: second name past the list", 16, "0005 02 6832 02 68", HT_BAD, 0, 0, ""},
		{"alpn: bytes behind the list", 16, "0003 02 6832 ff", HT_BAD, 0, 0, ""},
		{"alpn: list past the extension", 16, "0004 02 6832", HT_BAD, 0, 0, ""},

		{"versions: two", 43, "04 0304 0303", HT_OK, HT_SEEN_VERSIONS, AT(versions),
		 "0304 0303"},
		{"versions: none", 43, "00", HT_OK, HT_SEEN_VERSIONS, AT(versions), ""},
		{"versions: odd length", 43, "03 0304 03", HT_BAD, 0, 0, ""},
		{"versions: bytes behind the list", 43, "02 0304 ff", HT_BAD, 0, 0, ""},
		{"versions: list past the extension", 43, "04 0304", HT_BAD, 0, 0, ""},
		{"versions: empty extension", 43, "", HT_BAD, 0, 0, ""},
		{"versions: as a server answers", 43, "0304", HT_BAD, 0, 0, ""},

		{"groups: two", 10, "0004 001d 0017", HT_OK, HT_SEEN_GROUPS, AT(groups),
		 "001d 0017"},
		{"groups: none", 10, "0000", HT_OK, HT_SEEN_GROUPS, AT(groups), ""},
		{"groups: odd length", 10, "0003 001d 00", HT_BAD, 0, 0, ""},
		{"groups: bytes behind the list", 10, "0002 001d 00", HT_BAD, 0, 0, ""},
		{"groups: list past the extension", 10, "0004 001d", HT_BAD, 0, 0, ""},
		{"groups: empty extension", 10, "", HT_BAD, 0, 0, ""},

		{"algorithms: one", 13, "0002 0403", HT_OK, HT_SEEN_SIG_ALGS, AT(sig_algs), "0403"},
		{"algorithms: none", 13, "0000", HT_OK, HT_SEEN_SIG_ALGS, AT(sig_algs), ""},
		{"algorithms: odd length", 13, "0003 0403 04", HT_BAD, 0, 0, ""},
		{"algorithms: bytes behind the list", 13, "0002 0403 0404", HT_BAD, 0, 0, ""},
		{"algorithms: of certificates are others", 50, "0002 0403", HT_OK, 0, 0, ""},

		{"formats: one", 11, "01 00", HT_OK, HT_SEEN_POINT_FORMATS, AT(point_formats),
		 "00"},
		{"formats: three", 11, "03 000102", HT_OK, HT_SEEN_POINT_FORMATS, AT(point_formats),
		 "000102"},
		{"formats: none", 11, "00", HT_OK, HT_SEEN_POINT_FORMATS, AT(point_formats), ""},
		{"formats: byte behind the list", 11, "01 00 00", HT_BAD, 0, 0, ""},
		{"formats: list past the extension", 11, "02 00", HT_BAD, 0, 0, ""},

		{"shares: one", 51, "0005 001d 0001 aa", HT_OK, HT_SEEN_KEY_SHARE, 0, ""},
		{"shares: none", 51, "0000", HT_OK, HT_SEEN_KEY_SHARE, 0, ""},
		{"shares: an empty key", 51, "0004 001d 0000", HT_OK, HT_SEEN_KEY_SHARE, 0, ""},
		{"shares: bytes in the list behind the key", 51, "0006 001d 0001 aa 00", HT_BAD, 0,
		 0, ""},
		{"shares: bytes behind the list", 51, "0005 001d 0001 aa 00", HT_BAD, 0, 0, ""},
		{"shares: key past its list", 51, "0005 001d 0002 aa", HT_BAD, 0, 0, ""},
		{"shares: a group alone", 51, "0002 001d", HT_BAD, 0, 0, ""},
		{"shares: as after a retry", 51, "001d", HT_BAD, 0, 0, ""},
		{"shares: empty extension", 51, "", HT_BAD, 0, 0, ""},
		{"shares of a draft", 40, "0005 001d 0001 aa", HT_OK, HT_SEEN_KEY_SHARE, 0, ""},
		{"what number 40 holds today may be anything", 40, "ff", HT_OK, 0, 0, ""},

		{"quic: one parameter", 57, "01 02 4001", HT_OK, QUIC, AT(quic_parameters),
		 "01 02 4001"},
		{"quic: none", 57, "", HT_OK, QUIC, AT(quic_parameters), ""},
		{"quic: value past the extension", 57, "01 03 4001", HT_BAD, 0, 0, ""},
		{"quic: id alone", 57, "01", HT_BAD, 0, 0, ""},
		{"quic: half an id", 57, "40", HT_BAD, 0, 0, ""},
		{"quic: length of 2^62", 57, "01 ffffffffffffffff", HT_BAD, 0, 0, ""},
		{"quic: user agent", 57, "01 01 00 7129 03 616263", HT_OK, QUIC,
		 AT(quic_user_agent), "616263"},
		{"quic of a draft", 0xffa5, "01 02 4001", HT_OK, QUIC, AT(quic_parameters),
		 "01 02 4001"},
		{"quic of an old draft is framed otherwise", 0xffa5, "0020 0000 0002 0001", HT_OK,
		 0, 0, ""},

		{"status_request", 5, "01 0000 0000", HT_OK, HT_SEEN_STATUS_REQUEST, 0, ""},
		{"session_ticket, empty", 35, "", HT_OK, HT_SEEN_SESSION_TICKET, 0, ""},
		{"pre_shared_key", 41, "00", HT_OK, HT_SEEN_PSK, 0, ""},
		{"early_data", 42, "", HT_OK, HT_SEEN_EARLY_DATA, 0, ""},
		{"cookie", 44, "0001 aa", HT_OK, HT_SEEN_COOKIE, 0, ""},
		{"encrypted_client_hello", 0xfe0d, "00", HT_OK, HT_SEEN_ECH, 0, ""},
		{"GREASE", 0x0a0a, "00", HT_OK, 0, 0, ""},
		{"padding", 21, "00000000", HT_OK, 0, 0, ""},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		hb_begin(&hb, HT_HELLO_TLS, 0x0303);
		hb_ciphers(&hb, "1301");
		size_t at = hb_open(&hb, 2);
		hb_ext(&hb, cases[i].type, cases[i].in);
		hb_ext(&hb, 23, "");
		hb_close(&hb, at, 2);
		uint8_t *copy = t_dup(hb.b, hb.len);
		struct ht_hello h;
		enum ht_rc rc = ht_hello_parse(&h, HT_HELLO_TLS, HT_SPAN(copy, hb.len));
		if (rc != cases[i].want || h.seen != (BLOCK | cases[i].seen))
			fail_msg("%s: %d, seen %" PRIx32, cases[i].name, rc, h.seen);
		views_inside(&h, HT_SPAN(copy, hb.len));
		if (h.sni_name != !!(cases[i].seen & HT_SEEN_SNI))
			fail_msg("%s: sni_name", cases[i].name);
		if (h.num_extensions != 2 || ht_be16(h.extensions) != cases[i].type
		    || ht_be16(h.extensions + 2) != 23)
			fail_msg("%s: list of extensions", cases[i].name);
		if (cases[i].view != 0) {
			uint8_t want[64];
			size_t n = t_unhex(want, sizeof(want), cases[i].bytes);
			struct ht_span got;
			memcpy(&got, (const uint8_t *)&h + cases[i].view, sizeof(got));
			if (!ht_span_eq(got, HT_SPAN(want, n)))
				fail_msg("%s: view of %zu bytes", cases[i].name, got.len);
		}
		free(copy);
	}
#undef AT
}

static void begin_block(const char *ciphers, size_t *at) {
	hb_begin(&hb, HT_HELLO_TLS, 0x0303);
	hb_ciphers(&hb, ciphers);
	*at = hb_open(&hb, 2);
}

static void duplicate_extensions(void **state) {
	(void)state;
	struct ht_hello h;
	size_t at;
	begin_block("1301", &at);
	hb_sni(&hb, "first.example");
	hb_sni(&hb, "second.example");
	hb_ext_list(&hb, 10, 2, "0017");
	hb_ext_list(&hb, 10, 2, "001d 0018");
	hb_ext(&hb, 51, "0005 0017 0001 aa");
	hb_ext(&hb, 51, "000a 001d 0001 aa 0018 0001 bb");
	hb_close(&hb, at, 2);
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_OK);
	assert_true(ht_span_eq(h.sni, HT_SPAN_STR("first.example")));
	// Of the others the last one counts, as in the reference code of JA3.
	assert_true(ht_span_eq(h.groups, HT_SPAN("\x00\x1d\x00\x18", 4)));
	assert_int_equal(h.num_key_shares, 2);
	assert_memory_equal(h.key_shares, "\x00\x1d\x00\x18", 4);
	assert_int_equal(h.num_extensions, 6);
	// The second one is broken: the first one stands.
	begin_block("1301", &at);
	hb_ext_list(&hb, 10, 2, "0017");
	hb_ext_list(&hb, 10, 2, "001d 00");
	hb_close(&hb, at, 2);
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_BAD);
	assert_true(h.seen & HT_SEEN_GROUPS);
	assert_true(ht_span_eq(h.groups, HT_SPAN("\x00\x17", 2)));
	begin_block("1301", &at);
	hb_ext(&hb, 51, "0005 0017 0001 aa");
	hb_ext(&hb, 51, "000a 001d 0001 aa 0018 0002 bb");
	hb_ext(&hb, 57, "01 00 7129 01 61");
	hb_ext(&hb, 0xffa5, "02 00 7129 01 62 03 ff");
	hb_close(&hb, at, 2);
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_BAD);
	assert_int_equal(h.num_key_shares, 1);
	assert_int_equal(ht_be16(h.key_shares), 0x0017);
	assert_true(ht_span_eq(HT_SPAN(h.quic_ids, h.quic_ids_len), HT_SPAN("\x01\x71\x29", 3)));
	assert_true(ht_span_eq(h.quic_user_agent, HT_SPAN_STR("a")));
	// A real key_share wins over that of a draft, on either side of it.
	for (unsigned draft_first = 0; draft_first < 2; draft_first++) {
		begin_block("1301", &at);
		hb_ext(&hb, draft_first ? 40 : 51,
		       draft_first ? "0005 0017 0001 aa" : "0005 001d 0001 aa");
		hb_ext(&hb, draft_first ? 51 : 40,
		       draft_first ? "0005 001d 0001 aa" : "0005 0017 0001 aa");
		hb_close(&hb, at, 2);
		assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_OK);
		assert_int_equal(h.num_key_shares, 1);
		assert_int_equal(ht_be16(h.key_shares), 0x001d);
	}
}

static void number_of_extensions(void **state) {
	(void)state;
	static const struct {
		unsigned num;
		enum ht_rc want;
	} cases[] = {
		{HT_HELLO_MAX_EXTENSIONS - 1, HT_OK},
		{HT_HELLO_MAX_EXTENSIONS, HT_OK},
		{HT_HELLO_MAX_EXTENSIONS + 1, HT_LIMIT},
		{16000, HT_LIMIT},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_hello h;
		size_t at;
		begin_block("1301", &at);
		hb_sni(&hb, "a.example");
		for (unsigned k = 1; k < cases[i].num; k++)
			hb_ext(&hb, (uint16_t)(0x2000 + k), "");
		hb_close(&hb, at, 2);
		assert_int_equal(parse(&h, HT_HELLO_TLS, hb_span(&hb)), cases[i].want);
		unsigned kept = cases[i].num < HT_HELLO_MAX_EXTENSIONS ? cases[i].num
								       : HT_HELLO_MAX_EXTENSIONS;
		assert_int_equal(h.num_extensions, kept);
		assert_int_equal(ht_be16(h.extensions + 2 * (kept - 1)), 0x2000 + kept - 1);
		assert_int_equal(h.sni.len, 9);
	}
}

// A server reads what stands behind all that is listed here, so it is read, whole and cut.
static void name_behind_many_extensions(void **state) {
	(void)state;
	struct ht_hello h;
	size_t at;
	begin_block("1301", &at);
	for (unsigned k = 0; k < HT_HELLO_MAX_EXTENSIONS + 100; k++)
		hb_ext(&hb, (uint16_t)(0x2000 + k), "");
	hb_sni(&hb, "a.example");
	hb_close(&hb, at, 2);
	const struct ht_span all = hb_span(&hb);
	assert_int_equal(parse(&h, HT_HELLO_TLS, all), HT_LIMIT);
	assert_int_equal(h.num_extensions, HT_HELLO_MAX_EXTENSIONS);
	assert_int_equal(h.sni.len, 9);
	assert_int_equal(parse(&h, HT_HELLO_TLS, HT_SPAN(all.p, all.len - 1)), HT_MORE);
	assert_int_equal(h.seen & HT_SEEN_SNI, 0);
}

static void number_of_key_shares(void **state) {
	(void)state;
	for (unsigned num = HT_HELLO_MAX_KEY_SHARES; num <= HT_HELLO_MAX_KEY_SHARES + 1; num++) {
		struct ht_hello h;
		size_t at;
		begin_block("1301", &at);
		hb_num(&hb, 2, 51);
		size_t ext = hb_open(&hb, 2), list = hb_open(&hb, 2);
		for (unsigned k = 0; k < num; k++) {
			hb_num(&hb, 2, 0x0100 + k);
			hb_hex(&hb, "0000");
		}
		hb_close(&hb, list, 2);
		hb_close(&hb, ext, 2);
		hb_ext(&hb, 23, "");
		hb_close(&hb, at, 2);
		bool fits = num == HT_HELLO_MAX_KEY_SHARES;
		assert_int_equal(parse(&h, HT_HELLO_TLS, hb_span(&hb)), fits ? HT_OK : HT_LIMIT);
		assert_int_equal(!!(h.seen & HT_SEEN_KEY_SHARE), fits);
		assert_int_equal(h.num_key_shares, fits ? HT_HELLO_MAX_KEY_SHARES : 0);
		assert_int_equal(h.num_extensions, 2); // the one behind was read
	}
}

static void quic_parameter_ids(void **state) {
	(void)state;
	static const struct {
		const char *name, *in, *want;
	} cases[] = {
		{"none", "", ""},
		{"in order, repeated", "04 01 00 01 00 04 00", "04 01 04"},
		{"of every length, as sent",
		 "4001 00 80000002 01 ff c000000000000003 02 ffff 3f 00",
		 "4001 80000002 c000000000000003 3f"},
		{"GREASE and the user agent", "7129 02 6162 1b 00", "7129 1b"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t want[64];
		size_t n = t_unhex(want, sizeof(want), cases[i].want), at;
		begin_block("1301", &at);
		hb_ext(&hb, 57, cases[i].in);
		hb_close(&hb, at, 2);
		struct ht_hello h;
		assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_OK);
		if (!ht_span_eq(HT_SPAN(h.quic_ids, h.quic_ids_len), HT_SPAN(want, n)))
			fail_msg("%s", cases[i].name);
	}
	// To the last byte of the room for them, and one past it: by ids of one byte, and of eight.
	for (unsigned size = 1; size <= 8; size += 7) {
		for (unsigned over = 0; over < 2; over++) {
			struct ht_hello h;
			size_t at;
			begin_block("1301", &at);
			hb_num(&hb, 2, 57);
			size_t ext = hb_open(&hb, 2);
			for (unsigned k = 0; k < HT_HELLO_MAX_QUIC_IDS / size + over; k++) {
				hb_num(&hb, size, size == 1 ? k % 64 : 0xc000000000000000 + k);
				hb_num(&hb, 1, 0);
			}
			hb_close(&hb, ext, 2);
			hb_ext(&hb, 23, "");
			hb_close(&hb, at, 2);
			assert_int_equal(
				parse(&h, HT_HELLO_TLS, hb_span(&hb)), over ? HT_LIMIT : HT_OK
			);
			assert_int_equal(!!(h.seen & HT_SEEN_QUIC_PARAMETERS), !over);
			if (!over)
				assert_int_equal(h.quic_ids_len, HT_HELLO_MAX_QUIC_IDS);
			assert_int_equal(h.num_extensions, 2); // the one behind was read
		}
	}
}

// Whatever order they are read in, of two faults the one that comes last in the hello is told.
static void last_fault_counts(void **state) {
	(void)state;
	struct ht_hello h;
	for (unsigned turn = 0; turn < 4; turn++) {
		const bool twice = turn & 2, limit_last = turn & 1;
		size_t at;
		begin_block("1301", &at);
		if (limit_last || twice)
			hb_ext(&hb, 10, "0003 001d 00"); // BAD
		hb_num(&hb, 2, 51);
		size_t ext = hb_open(&hb, 2), list = hb_open(&hb, 2);
		for (unsigned i = 0; i <= HT_HELLO_MAX_KEY_SHARES; i++) // LIMIT
			hb_num(&hb, 4, 0x001d0000);
		hb_close(&hb, list, 2);
		hb_close(&hb, ext, 2);
		if (!limit_last)
			hb_ext(&hb, 10, "0003 001d 00");
		hb_close(&hb, at, 2);
		enum ht_rc rc = ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb));
		assert_int_equal(rc, limit_last ? HT_LIMIT : HT_BAD);
	}
}

static void grease_is_kept_as_sent(void **state) {
	(void)state;
	struct ht_hello h;
	size_t at;
	begin_block("0a0a 1301 fafa", &at);
	hb_ext(&hb, 0x1a1a, "");
	hb_ext_list(&hb, 10, 2, "2a2a 001d");
	hb_ext_list(&hb, 13, 2, "3a3a 0403");
	hb_ext_list(&hb, 16, 2, "02 4a4a 02 6832");
	hb_ext(&hb, 51, "0005 2a2a 0001 00");
	hb_ext_list(&hb, 43, 1, "fafa 0303 0302");
	hb_ext(&hb, 0x1a1a, "00");
	hb_close(&hb, at, 2);
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, hb_span(&hb)), HT_OK);
	assert_int_equal(h.ciphers.len, 6);
	assert_true(ht_span_eq(h.groups, HT_SPAN("\x2a\x2a\x00\x1d", 4)));
	assert_true(ht_span_eq(h.sig_algs, HT_SPAN("\x3a\x3a\x04\x03", 4)));
	assert_int_equal(h.alpn.len, 6);
	assert_int_equal(h.num_extensions, 7);
	assert_int_equal(ht_be16(h.extensions), 0x1a1a);
	assert_int_equal(ht_be16(h.key_shares), 0x2a2a);
	assert_int_equal(
		ht_hello_version(&h), 0x0303
	); // fafa is the largest number, and no version
}

// The first cut of a message that reads as a whole one: it ends where extensions may be left out.
static size_t compression_end(const struct hb *b, enum ht_hello_kind kind) {
	size_t at = 34 + 1 + b->b[34] + (kind == HT_HELLO_DTLS);
	at += 2 + ht_be16(b->b + at);
	return at + 1 + b->b[at];
}

static void truncation(void **state) {
	(void)state;
	for (unsigned kind = HT_HELLO_TLS; kind <= HT_HELLO_DTLS; kind++) {
		struct ht_hello h;
		hb_browser(&hb, kind);
		size_t whole = compression_end(&hb, kind);
		uint16_t extensions = 0;
		for (size_t n = 0; n <= hb.len; n++) {
			enum ht_rc rc = parse(&h, kind, HT_SPAN(hb.b, n));
			bool ok = n == hb.len || n == whole;
			if (rc != (ok ? HT_OK : HT_MORE))
				fail_msg("kind %u cut at %zu: %d", kind, n, rc);
			assert_int_equal(!!(h.seen & HT_SEEN_VERSION), n >= 2);
			assert_int_equal(!!(h.seen & HT_SEEN_BODY), n >= whole);
			assert_int_equal(!!(h.seen & HT_SEEN_EXTENSIONS), n >= whole + 2);
			// block length, GREASE, then the SNI extension with its name of 15
			assert_int_equal(h.sni_name, n >= whole + 2 + 4 + 4 + 5 + 15);
			if (n < whole)
				continue;
			assert_true(h.num_extensions >= extensions);
			extensions = h.num_extensions;
		}
		assert_int_equal(extensions, 13);
		hb_num(&hb, 1, 0);
		assert_int_equal(parse(&h, kind, hb_span(&hb)), HT_BAD); // one byte too many
	}
}

// Each byte of a hello set to other values: no length may lead out of the message.
static void one_wrong_byte(void **state) {
	(void)state;
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	for (unsigned kind = HT_HELLO_TLS; kind <= HT_HELLO_SSL2; kind++) {
		if (kind == HT_HELLO_SSL2)
			hb_ssl2(&hb, 0x0301, "010080 0700c0 000035", 16, 32);
		else
			hb_browser(&hb, kind);
		for (size_t i = 0; i < hb.len; i++) {
			for (size_t v = 0; v < HT_ARRAY_LEN(values); v++) {
				uint8_t was = hb.b[i];
				struct ht_hello h;
				hb.b[i] = values[v];
				(void)parse(&h, kind, hb_span(&hb));
				hb.b[i] = was;
			}
		}
	}
}

static void ssl2_hello(void **state) {
	(void)state;
	static const struct {
		const char *name, *in; // behind the record length
		enum ht_rc want;
		uint32_t seen;
	} cases[] = {
		{"one cipher, no session", "01 0002 0003 0000 0001 010080 cc", HT_OK, BODY},
		{"TLS version", "01 0301 0003 0000 0001 010080 cc", HT_OK, BODY},
		{"a session id", "01 0002 0003 0002 0001 010080 aaaa cc", HT_OK, BODY},
		{"another message type", "02 0002 0003 0000 0001 010080 cc", HT_BAD, VERSION},
		{"cipher length no multiple of three", "01 0002 0004 0000 0001 010080 01 cc",
		 HT_BAD, VERSION},
		{"a byte behind the challenge", "01 0002 0003 0000 0001 010080 cc dd", HT_BAD,
		 VERSION},
		{"challenge past the message", "01 0002 0003 0000 0002 010080 cc", HT_MORE,
		 VERSION},
		{"session id past the message", "01 0002 0003 0003 0001 010080 aa cc", HT_MORE,
		 VERSION},
		{"ciphers past the message", "01 0002 ffff 0000 0001 010080 cc", HT_MORE, VERSION},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t n = t_unhex(in, sizeof(in), cases[i].in);
		struct ht_hello h;
		enum ht_rc rc = parse(&h, HT_HELLO_SSL2, HT_SPAN(in, n));
		if (rc != cases[i].want || h.seen != cases[i].seen)
			fail_msg("%s: %d, seen %" PRIx32, cases[i].name, rc, h.seen);
	}
	hb_ssl2(&hb, 0x0002, "010080 0700c0 000035", 16, 32);
	struct ht_hello h;
	for (size_t n = 0; n < hb.len - 2; n++)
		assert_int_equal(parse(&h, HT_HELLO_SSL2, HT_SPAN(hb.b + 2, n)), HT_MORE);
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_SSL2, HT_SPAN(hb.b + 2, hb.len - 2)), HT_OK);
	assert_int_equal(h.ciphers.len, 9);
	assert_int_equal(h.session_id.len, 16);
	assert_int_equal(h.random.len, 32);
	assert_int_equal(h.compression.len, 0);
	assert_int_equal(h.cookie.len, 0);
	assert_int_equal(h.num_extensions, 0);
	assert_int_equal(ht_hello_version(&h), 0x0002);
}

static void highest_version(void **state) {
	(void)state;
	static const struct {
		const char *name;
		enum ht_hello_kind kind;
		uint16_t legacy;
		const char *versions; // NULL: no extension
		uint16_t want;
		const char *text;
	} cases[] = {
		{"SSL 3.0", HT_HELLO_TLS, 0x0300, NULL, 0x0300, "SSL 3.0"},
		{"TLS 1.0", HT_HELLO_TLS, 0x0301, NULL, 0x0301, "TLS 1.0"},
		{"TLS 1.1", HT_HELLO_TLS, 0x0302, NULL, 0x0302, "TLS 1.1"},
		{"TLS 1.2", HT_HELLO_TLS, 0x0303, NULL, 0x0303, "TLS 1.2"},
		{"TLS 1.3", HT_HELLO_TLS, 0x0303, "0304", 0x0304, "TLS 1.3"},
		{"order does not matter", HT_HELLO_TLS, 0x0303, "0301 0303 0304 0302", 0x0304,
		 "TLS 1.3"},
		{"the extension rules, not the old field", HT_HELLO_TLS, 0x0304, "0302", 0x0302,
		 "TLS 1.1"},
		{"GREASE first", HT_HELLO_TLS, 0x0303, "fafa 0303", 0x0303, "TLS 1.2"},
		{"GREASE alone is nothing", HT_HELLO_TLS, 0x0303, "0a0a", 0, NULL},
		{"draft 28", HT_HELLO_TLS, 0x0303, "7f1c 0303", 0x7f1c, "TLS 1.3"},
		{"a number without a name", HT_HELLO_TLS, 0x0399, NULL, 0x0399, NULL},
		{"DTLS 1.0", HT_HELLO_DTLS, 0xfeff, NULL, 0xfeff, "DTLS 1.0"},
		{"DTLS 1.2", HT_HELLO_DTLS, 0xfefd, NULL, 0xfefd, "DTLS 1.2"},
		{"DTLS counts down", HT_HELLO_DTLS, 0xfefd, "fefc fefd", 0xfefc, "DTLS 1.3"},
		{"DTLS, the other order", HT_HELLO_DTLS, 0xfefd, "feff fefd fefc", 0xfefc,
		 "DTLS 1.3"},
		{"DTLS before it had a number", HT_HELLO_DTLS, 0x0100, NULL, 0x0100, "DTLS 1.0"},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		hb_begin(&hb, cases[i].kind, cases[i].legacy);
		hb_ciphers(&hb, "1301");
		if (cases[i].versions != NULL) {
			size_t at = hb_open(&hb, 2);
			hb_ext_list(&hb, 43, 1, cases[i].versions);
			hb_close(&hb, at, 2);
		}
		struct ht_hello h;
		assert_int_equal(ht_hello_parse(&h, cases[i].kind, hb_span(&hb)), HT_OK);
		uint16_t got = ht_hello_version(&h);
		const char *text = ht_tls_version_name(got);
		if (got != cases[i].want || (text == NULL) != (cases[i].text == NULL)
		    || (text != NULL && strcmp(text, cases[i].text) != 0))
			fail_msg("%s: %04x, %s", cases[i].name, got, text != NULL ? text : "none");
	}
	struct ht_hello h;
	assert_int_equal(ht_hello_parse(&h, HT_HELLO_TLS, HT_SPAN("\x03", 1)), HT_MORE);
	assert_int_equal(ht_hello_version(&h), 0);
	assert_string_equal(ht_tls_version_name(0x0002), "SSL 2.0");
	assert_null(ht_tls_version_name(0));
	assert_null(ht_tls_version_name(0x0a0a));
}

static void post_quantum_groups(void **state) {
	(void)state;
	// IANA TLS Supported Groups; the hybrids with a Kyber draft before them.
	static const uint16_t pq[]
		= {0x0200, 0x0201, 0x0202, 0x11eb, 0x11ec, 0x11ed, 0x6399, 0x639a};
	static const uint16_t not [] = {0x0017, 0x0018, 0x0019, 0x001d, 0x001e, 0x0100,
					0x0104, 0x01fc, 0x0a0a, 0x2a2a, 0x11ea, 0x0000};
	for (size_t i = 0; i < HT_ARRAY_LEN(pq); i++)
		assert_true(ht_group_is_pq(pq[i]));
	for (size_t i = 0; i < HT_ARRAY_LEN(not ); i++)
		assert_false(ht_group_is_pq(not [i]));
}

// --- framing over a stream ----------------------------------------------------------------------

static enum ht_tls_start start_of(const uint8_t *p, size_t n) {
	uint8_t *copy = t_dup(p, n);
	enum ht_tls_start st = ht_tls_start(HT_SPAN(copy, n));
	free(copy);
	return st;
}

static void start_table(void **state) {
	(void)state;
	static const struct {
		const char *name, *in;
		enum ht_tls_start want;
		size_t at; // by so many bytes it is decided
	} cases[] = {
		{"handshake record", "16 0301 0005 01", HT_TLS_RECORD, 5},
		{"as SSL 3.0", "16 0300 0005 01", HT_TLS_RECORD, 5},
		{"as TLS 1.3", "16 0304 0005 01", HT_TLS_RECORD, 5},
		{"alert of two bytes", "15 0301 0002 01 00", HT_TLS_RECORD, 5},
		{"record of the longest", "16 0301 4800", HT_TLS_RECORD, 5},
		{"record one longer", "16 0301 4801", HT_TLS_NO, 5},
		{"alert of three bytes", "15 0301 0003", HT_TLS_NO, 5},
		{"minor version to be ignored", "16 03ff 0005", HT_TLS_RECORD, 5},
		{"version 2.0", "16 0201 0005", HT_TLS_NO, 2},
		{"change_cipher_spec is no beginning", "14 0301 0001 01", HT_TLS_NO, 1},
		{"application data is no beginning", "17 0303 0020", HT_TLS_NO, 1},
		{"heartbeat is no beginning", "18 0303 0020", HT_TLS_NO, 1},
		{"HTTP", "474554202f20485454502f312e31", HT_TLS_NO, 1},
		{"SSH", "5353482d322e302d", HT_TLS_NO, 1},
		{"zeros", "0000000000000000000000", HT_TLS_NO, 1},
		{"SSL 2.0", "801c 01 0002 0003 0000 0010 010080", HT_TLS_SSL2, 11},
		{"SSL 2.0 form of TLS 1.2", "801c 01 0303 0003 0000 0010", HT_TLS_SSL2, 11},
		{"SSL 2.0 with a session", "802c 01 0002 0003 0010 0010", HT_TLS_SSL2, 11},
		{"SSL 2.0, largest challenge", "802c 01 0002 0003 0000 0020", HT_TLS_SSL2, 11},
		{"SSL 2.0, another message", "801c 02 0002 0003 0000 0010", HT_TLS_NO, 3},
		{"SSL 2.0, version 1.x", "801c 01 0102 0003 0000 0010", HT_TLS_NO, 4},
		{"SSL 2.0, version 0.3", "801c 01 0003 0003 0000 0010", HT_TLS_NO, 5},
		{"SSL 2.0, version 3.4", "801c 01 0304 0003 0000 0010", HT_TLS_NO, 5},
		{"SSL 2.0, no ciphers", "8019 01 0002 0000 0000 0010", HT_TLS_NO, 11},
		{"SSL 2.0, cipher length of four", "801d 01 0002 0004 0000 0010", HT_TLS_NO, 11},
		{"SSL 2.0, session id of eight", "8024 01 0002 0003 0008 0010", HT_TLS_NO, 11},
		{"SSL 2.0, challenge of 15", "801b 01 0002 0003 0000 000f", HT_TLS_NO, 11},
		{"SSL 2.0, challenge of 33", "802d 01 0002 0003 0000 0021", HT_TLS_NO, 11},
		{"SSL 2.0, lengths do not add up", "801d 01 0002 0003 0000 0010", HT_TLS_NO, 11},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[32];
		size_t len = t_unhex(in, sizeof(in), cases[i].in);
		for (size_t n = 0; n <= len; n++) {
			enum ht_tls_start st = start_of(in, n);
			if (st != (n < cases[i].at ? HT_TLS_PERHAPS : cases[i].want))
				fail_msg("%s: %d from %zu bytes", cases[i].name, st, n);
		}
	}
}

static void whole_in_one_record(void **state) {
	(void)state;
	hb_browser(&hb, HT_HELLO_TLS);
	hb_message(&msg, 1, hb_span(&hb));
	stream.len = 0;
	hb_record(&stream, 22, msg.b, msg.len);
	struct ht_tls_message m;
	for (size_t n = 0; n < stream.len; n++) {
		uint8_t *cut = t_dup(stream.b, n);
		assert_int_equal(ht_tls_frame_whole(&m, HT_SPAN(cut, n)), HT_MORE);
		free(cut);
	}
	for (unsigned more = 0; more < 2; more++) { // with and without a byte behind it
		uint8_t *copy = t_dup(stream.b, stream.len + more);
		assert_int_equal(ht_tls_frame_whole(&m, HT_SPAN(copy, stream.len + more)), HT_OK);
		assert_int_equal(m.kind, HT_HELLO_TLS);
		assert_int_equal(m.records, 1);
		assert_int_equal(m.stream_end, stream.len);
		assert_ptr_equal(m.body.p, copy + 9);
		assert_true(ht_span_eq(m.body, hb_span(&hb)));
		free(copy);
	}
	static const struct {
		const char *name, *in;
		enum ht_rc want;
	} cases[] = {
		{"ServerHello", "16 0303 0005 02 000001 aa", HT_SKIP},
		{"message past its record", "16 0303 0005 01 000002 aa bb", HT_MORE},
		{"record of three bytes", "16 0303 0003 01 0000 16 0303 0001 00", HT_MORE},
		{"alert first", "15 0303 0002 01 00 16 0303 0004 01 000000", HT_MORE},
		{"empty hello", "16 0303 0004 01 000000", HT_OK},
		{"two messages in the record", "16 0303 0008 01 000000 01 000000", HT_OK},
		{"version 4", "16 0403 0004 01 000000", HT_MORE},
		{"empty record first", "16 0303 0000 16 0303 0004 01 000000", HT_MORE},
		{"SSL 2.0", "801c 01 0002 0003 0000 0010 010080", HT_MORE},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[32];
		size_t n = t_unhex(in, sizeof(in), cases[i].in);
		uint8_t *copy = t_dup(in, n);
		enum ht_rc rc = ht_tls_frame_whole(&m, HT_SPAN(copy, n));
		if (rc != cases[i].want)
			fail_msg("%s: %d", cases[i].name, rc);
		if (rc == HT_OK)
			assert_int_equal(m.stream_end, n);
		free(copy);
	}
}

// What came of a stream, and after how many bytes.
struct fed {
	enum ht_rc rc;
	size_t after;
	uint8_t kind;
	uint16_t records;
	uint32_t stream_end;
	size_t len;
	uint8_t *body; // to free()
};

// Prefixes grow by `step` bytes at a time, by a random number of them when it is 0. Each prefix
// stands in a block of its own size, and what the framer left of the one before is carried over.
static struct fed feed(struct ht_tls_framer f, struct ht_span in, size_t first, size_t step) {
	struct fed r = {.rc = HT_MORE};
	uint8_t *buf = t_dup("", 0);
	size_t len = 0;
	while (r.rc == HT_MORE && len < in.len) {
		size_t more = len == 0 && first > 0 ? first : step > 0 ? step : 1 + rnd(40);
		more = more < in.len - len ? more : in.len - len;
		uint8_t *next = malloc(len + more);
		assert_non_null(next);
		memcpy(next, buf, len);
		memcpy(next + len, in.p + len, more);
		free(buf);
		buf = next;
		len += more;
		struct ht_tls_message m;
		uint32_t pos = f.pos;
		r.rc = ht_tls_frame(&f, buf, len, &m);
		assert_true(f.pos >= pos && f.pos <= len); // it never goes back
		// Bytes it did not come to are as they were.
		assert_memory_equal(buf + f.pos, in.p + f.pos, len - f.pos);
		if (r.rc != HT_OK)
			continue;
		assert_true(m.body.p >= buf && m.body.p + m.body.len <= buf + len);
		r.kind = m.kind;
		r.records = m.records;
		r.stream_end = m.stream_end;
		r.len = m.body.len;
		r.body = t_dup(m.body.p, m.body.len);
	}
	r.after = len;
	free(buf);
	return r;
}

static void expect_same(const char *name, const struct fed *a, const struct fed *b) {
	if (a->rc != b->rc || a->kind != b->kind || a->records != b->records
	    || a->stream_end != b->stream_end || a->len != b->len
	    || (a->rc == HT_OK && memcmp(a->body, b->body, a->len) != 0))
		fail_msg("%s: depends on the cuts: %d and %d", name, a->rc, b->rc);
}

// Every way to cut in two, byte by byte, and at random: the same, and as soon as it can be.
static void expect_cuts_do_not_matter(
	const char *name, struct ht_tls_framer f, struct ht_span in, const struct fed *whole
) {
	struct fed slow = feed(f, in, 1, 1);
	expect_same(name, whole, &slow);
	free(slow.body);
	for (size_t cut = 1; cut < in.len; cut++) {
		struct fed two = feed(f, in, cut, in.len);
		expect_same(name, whole, &two);
		free(two.body);
	}
	for (unsigned i = 0; i < 20; i++) {
		struct fed any = feed(f, in, 0, 0);
		expect_same(name, whole, &any);
		free(any.body);
	}
}

#define HELLO "01 000003 aabbcc"

static void frame_table(void **state) {
	(void)state;
	static const struct ht_tls_framer first, second = {.second = true},
						 early = {.second = true, .early_data = true};
	static const struct {
		const char *name;
		const struct ht_tls_framer *f;
		const char *in;
		enum ht_rc want;
		uint16_t records;
		uint32_t stream_end;
		size_t after; // when byte by byte
	} cases[] = {
		{"one record", &first, "16 0301 0007" HELLO, HT_OK, 1, 12, 12},
		{"bytes behind it", &first, "16 0301 0007" HELLO "1603", HT_OK, 1, 12, 12},
		{"two records", &first, "16 0301 0005 01000003aa 16 0301 0002 bbcc", HT_OK, 2, 17,
		 17},
		{"cut in the handshake header", &first,
		 "16 0301 0001 01 16 0301 0002 0000 16 0301 0004 03aabbcc", HT_OK, 3, 22, 22},
		{"other versions behind", &first, "16 0300 0005 01000003aa 16 0303 0002 bbcc",
		 HT_OK, 2, 17, 17},
		{"empty record first", &first, "16 0301 0000 16 0301 0007" HELLO, HT_OK, 1, 17, 17},
		{"empty records between", &first,
		 "16 0301 0005 01000003aa 16 0301 0000 16 0301 0000 16 0301 0002 bbcc", HT_OK, 2,
		 27, 27},
		{"empty message", &first, "16 0301 0004 01 000000", HT_OK, 1, 9, 9},
		{"message ends inside its record", &first, "16 0301 000b" HELLO "14000000", HT_OK,
		 1, 16, 12},
		{"an alert before", &first, "15 0301 0002 0170 16 0301 0007" HELLO, HT_OK, 1, 19,
		 19},
		{"two alerts before", &first,
		 "15 0301 0002 0170 15 0301 0002 0170 16 0301 0007" HELLO, HT_OK, 1, 26, 26},
		{"an alert inside", &first, "16 0301 0005 01000003aa 15 0301 0002 0100", HT_BAD, 0,
		 0, 15},
		{"change_cipher_spec inside", &first, "16 0301 0005 01000003aa 14 0301 0001 01",
		 HT_BAD, 0, 0, 15},
		{"ServerHello", &first, "16 0303 0007 02 000003 aabbcc", HT_SKIP, 0, 0, 6},
		{"HelloRequest", &first, "16 0303 0004 00 000000", HT_SKIP, 0, 0, 6},
		{"a type with the high bit", &first, "16 0303 0004 80 000000", HT_SKIP, 0, 0, 6},
		{"ServerHello behind an alert", &first, "15 0303 0002 0170 16 0303 0004 02000000",
		 HT_SKIP, 0, 0, 13},
		{"not there yet", &first, "16 0301 0007 01 000003 aabb", HT_MORE, 0, 0, 11},
		{"the longest record", &first, "16 0301 4800 01 004000", HT_MORE, 0, 0, 9},
		{"one longer", &first, "16 0301 4801 01", HT_BAD, 0, 0, 5},
		{"minor version to be ignored", &first, "16 03ff 0007" HELLO, HT_OK, 1, 12, 12},
		{"version 2.3", &first, "16 0203 0007" HELLO, HT_BAD, 0, 0, 2},
		{"type 19", &first, "13 0301 0007" HELLO, HT_BAD, 0, 0, 1},
		{"heartbeat", &first, "18 0301 0007" HELLO, HT_BAD, 0, 0, 1},
		{"broken second record", &first, "16 0301 0005 01000003aa 47 4554", HT_BAD, 0, 0,
		 11},
		{"an encrypted alert", &first, "15 0303 0020 aabb", HT_SKIP, 0, 0, 5},
		{"application data", &first, "15 0303 0002 0170 17 0303 0020 aabb", HT_SKIP, 0, 0,
		 12},

		{"second: at once", &second, "16 0303 0007" HELLO, HT_OK, 1, 12, 12},
		{"second: behind change_cipher_spec", &second, "14 0303 0001 01 16 0303 0007" HELLO,
		 HT_OK, 1, 18, 18},
		{"second: ClientKeyExchange", &second, "16 0303 0004 10 000000", HT_SKIP, 0, 0, 6},
		{"second: an encrypted handshake message", &second,
		 "14 0303 0001 01 16 0303 0028 f0aabbccdd", HT_SKIP, 0, 0, 12},
		{"second: application data, none was offered", &second,
		 "17 0303 0002 aabb 16 0303 0007" HELLO, HT_SKIP, 0, 0, 5},
		{"second: not SSL 2.0", &second, "801c 01 0002 0003 0000 0010", HT_BAD, 0, 0, 1},
		{"second: behind early data", &early, "17 0303 0002 aabb 16 0303 0007" HELLO, HT_OK,
		 1, 19, 19},
		{"second: behind both", &early,
		 "14 0303 0001 01 17 0303 0002 aabb 17 0303 0001 cc 16 0303 0007" HELLO, HT_OK, 1,
		 31, 31},
		{"second: early data inside the hello", &early,
		 "16 0303 0005 01000003aa 17 0303 0001 cc", HT_BAD, 0, 0, 15},
		{"SSL 2.0", &first,
		 "801c 01 0002 0003 0000 0010 010080 00112233445566778899aabbccddeeff", HT_OK, 1,
		 30, 30},
		{"SSL 2.0, and bytes behind", &first,
		 "801c 01 0002 0003 0000 0010 010080 00112233445566778899aabbccddeeff 80", HT_OK, 1,
		 30, 30},
		{"SSL 2.0, not there yet", &first,
		 "801c 01 0002 0003 0000 0010 010080 00112233445566778899aabbccddee", HT_MORE, 0, 0,
		 29},
		{"SSL 2.0, lengths do not add up", &first, "801d 01 0002 0003 0000 0010 010080",
		 HT_BAD, 0, 0, 11},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t n = t_unhex(in, sizeof(in), cases[i].in);
		struct fed whole = feed(*cases[i].f, HT_SPAN(in, n), n, n);
		if (whole.rc != cases[i].want)
			fail_msg("%s: %d", cases[i].name, whole.rc);
		struct fed slow = feed(*cases[i].f, HT_SPAN(in, n), 1, 1);
		if (slow.after != cases[i].after)
			fail_msg("%s: decided after %zu bytes", cases[i].name, slow.after);
		free(slow.body);
		if (whole.rc == HT_OK) {
			if (whole.records != cases[i].records
			    || whole.stream_end != cases[i].stream_end)
				fail_msg(
					"%s: %u records, end %" PRIu32, cases[i].name,
					whole.records, whole.stream_end
				);
			if (whole.kind == HT_HELLO_TLS
			    && (whole.len > 3 || memcmp(whole.body, "\xaa\xbb\xcc", whole.len) != 0
			    ))
				fail_msg("%s: body", cases[i].name);
		}
		seed = i + 1;
		expect_cuts_do_not_matter(cases[i].name, *cases[i].f, HT_SPAN(in, n), &whole);
		free(whole.body);
	}
}

// A hello of 80 bytes over two records, cut at each byte of it.
static void records_cut_at_every_point(void **state) {
	(void)state;
	hb_begin_sid(&hb, HT_HELLO_TLS, 0x0303, 0);
	hb_ciphers(&hb, "1301 1302");
	size_t at = hb_open(&hb, 2);
	hb_sni(&hb, "a.example");
	hb_close(&hb, at, 2);
	hb_message(&msg, 1, hb_span(&hb));
	for (size_t cut = 1; cut < msg.len; cut++) {
		stream.len = 0;
		hb_record(&stream, 22, msg.b, cut);
		hb_record(&stream, 22, msg.b + cut, msg.len - cut);
		size_t end = stream.len;
		hb_record(&stream, 20, "\1", 1); // something behind it
		struct ht_tls_framer f = {0};
		struct fed whole = feed(f, hb_span(&stream), stream.len, 1);
		assert_int_equal(whole.rc, HT_OK);
		assert_int_equal(whole.records, 2);
		assert_int_equal(whole.stream_end, end);
		assert_int_equal(whole.len, hb.len);
		assert_memory_equal(whole.body, hb.b, hb.len);
		struct fed slow = feed(f, hb_span(&stream), 1, 1);
		assert_int_equal(slow.after, end); // with its last byte, not later
		free(slow.body);
		seed = cut;
		expect_cuts_do_not_matter("cut in two records", f, hb_span(&stream), &whole);
		free(whole.body);
	}
}

// A large hello over any records, given in any prefixes, behind other bytes of the stream.
static void any_records(void **state) {
	(void)state;
	hb_browser(&hb, HT_HELLO_TLS);
	hb_message(&msg, 1, hb_span(&hb));
	for (uint64_t round = 1; round <= 60; round++) {
		seed = round * 0x9e3779b97f4a7c15;
		stream.len = 0;
		uint32_t from = rnd(50); // as behind a STARTTLS
		hb_fill(&stream, from, 0xee);
		if (rnd(3) == 0)
			hb_record(&stream, 21, "\1\x70", 2);
		unsigned records = 0;
		for (size_t at = 0; at < msg.len; records++) {
			size_t n = 1 + (rnd(2) == 0 ? rnd(5) : rnd(700));
			n = n < msg.len - at ? n : msg.len - at;
			hb_record(&stream, 22, msg.b + at, n);
			at += n;
		}
		struct ht_tls_framer f = {.pos = from, .begin = from};
		struct fed any = feed(f, hb_span(&stream), from + 1, round % 2);
		assert_int_equal(any.rc, HT_OK);
		assert_int_equal(
			any.after > any.stream_end ? any.stream_end : any.after, stream.len
		);
		assert_int_equal(any.records, records);
		assert_int_equal(any.len, hb.len);
		assert_memory_equal(any.body, hb.b, hb.len);
		free(any.body);
	}
}

// 64 KiB in records of one byte, given byte by byte: no call may look at much more than what is
// new, or the whole would be quadratic.
static void cost_is_linear(void **state) {
	(void)state;
	enum { BODY_LEN = 32768 };
	stream.len = 0;
	for (size_t i = 0; i < BODY_LEN + 4; i++) {
		uint8_t byte = i == 0	? 1
			       : i == 1 ? 0
			       : i == 2 ? BODY_LEN >> 8
					: (uint8_t)(i == 3 ? 0 : i);
		hb_record(&stream, 22, &byte, 1);
	}
	struct ht_tls_framer f = {0};
	struct ht_tls_message m;
	for (size_t len = 1; len < stream.len; len++) {
		assert_int_equal(ht_tls_frame(&f, stream.b, len, &m), HT_MORE);
		assert_true(len - f.pos < 5); // nothing but a part of a header is looked at again
	}
	assert_int_equal(ht_tls_frame(&f, stream.b, stream.len, &m), HT_OK);
	assert_int_equal(m.body.len, BODY_LEN);
	assert_int_equal(m.records, BODY_LEN + 4);
	for (size_t i = 0; i < BODY_LEN; i++)
		assert_int_equal(m.body.p[i], (uint8_t)(i + 4));
}

static void records_are_counted_to_the_cap(void **state) {
	(void)state;
	struct ht_tls_framer f = {.records = UINT16_MAX};
	uint8_t in[] = {22, 3, 1, 0, 4, 1, 0, 0, 0};
	struct ht_tls_message m;
	assert_int_equal(ht_tls_frame(&f, in, sizeof(in), &m), HT_OK);
	assert_int_equal(m.records, UINT16_MAX);
}

static void partial(void **state) {
	(void)state;
	hb_browser(&hb, HT_HELLO_TLS);
	hb_message(&msg, 1, hb_span(&hb));
	stream.len = 0;
	hb_record(&stream, 22, msg.b, 2);
	hb_record(&stream, 22, msg.b + 2, 100);
	hb_record(&stream, 22, msg.b + 102, msg.len - 102);
	static const uint8_t ends[] = {0, 7, 112}; // of each record, in the stream
	struct ht_tls_framer f = {0};
	struct ht_tls_message m;
	uint8_t *buf = t_dup(stream.b, stream.len);
	for (size_t n = 1; n < stream.len; n++) {
		assert_int_equal(ht_tls_frame(&f, buf, n, &m), HT_MORE);
		size_t there = 0, left = n; // bytes of the message so far
		for (size_t k = 0; k < HT_ARRAY_LEN(ends); k++) {
			size_t size = k == 0 ? 2 : k == 1 ? 100 : msg.len - 102;
			left = n > ends[k] + 5u ? n - ends[k] - 5 : 0;
			there += left < size ? left : size;
		}
		uint32_t declared = 77;
		bool begun = ht_tls_frame_partial(&f, buf, &m, &declared);
		assert_int_equal(begun, there > 0);
		assert_int_equal(ht_tls_frame_begun(&f, buf), begun);
		if (!begun)
			continue;
		assert_int_equal(declared, there >= 4 ? hb.len : 0);
		assert_int_equal(m.body.len, there >= 4 ? there - 4 : 0);
		assert_memory_equal(m.body.p, hb.b, m.body.len);
		assert_int_equal(m.kind, HT_HELLO_TLS);
		assert_int_equal(m.records, n >= 112 + 5 ? 3 : n >= 7 + 5 ? 2 : 1);
	}
	free(buf);
	// A server's message is not the beginning of a hello.
	uint8_t server[] = {22, 3, 3, 0, 4, 2, 0, 0, 0};
	uint32_t declared;
	f = (struct ht_tls_framer){0};
	assert_int_equal(ht_tls_frame(&f, server, sizeof(server), &m), HT_SKIP);
	assert_false(ht_tls_frame_partial(&f, server, &m, &declared));
}

static void second_table(void **state) {
	(void)state;
	static const struct {
		const char *name;
		bool early;
		const char *in;
		enum ht_rc want;
		uint32_t skip;
	} cases[] = {
		{"nothing yet", false, "", HT_MORE, 0},
		{"a hello", false, "16 0303 0004 01", HT_MORE, 0},
		{"change_cipher_spec alone", false, "14 0303 0001 01", HT_MORE, 6},
		{"change_cipher_spec, then a hello", false, "14 0303 0001 01 16 0303 0004 01",
		 HT_MORE, 6},
		{"change_cipher_spec, then half a header", false, "14 0303 0001 01 16 0303",
		 HT_MORE, 6},
		{"change_cipher_spec, then ciphertext", false, "14 0303 0001 01 17 0303 0035 aa",
		 HT_SKIP, 6},
		{"change_cipher_spec, then Finished of TLS 1.2", false,
		 "14 0303 0001 01 16 0303 0028 00", HT_SKIP, 6},
		{"ClientKeyExchange", false, "16 0303 0046 10", HT_SKIP, 0},
		{"an alert", false, "15 0303 0002 02 28", HT_SKIP, 0},
		{"ciphertext, no early data was offered", false, "17 0303 0035 aa", HT_SKIP, 0},
		{"early data", true, "17 0303 0002 aabb", HT_MORE, 7},
		{"early data, then a hello", true, "17 0303 0002 aabb 16 0303 0004 01", HT_MORE, 7},
		{"early data, not all of it", true, "17 0303 0004 aabb", HT_MORE, 0},
		{"two of them, and change_cipher_spec", true,
		 "14 0303 0001 01 17 0303 0001 aa 17 0303 0002 bbcc", HT_MORE, 19},
		{"early data, then EndOfEarlyData", true, "17 0303 0001 aa 16 0303 0020 00",
		 HT_SKIP, 6},
		{"early data too long", true, "17 0303 4801 aa", HT_SKIP, 0},
		{"early data of another version", true, "17 0403 0001 aa", HT_SKIP, 0},
		{"change_cipher_spec of two bytes", true, "14 0303 0002 01 01", HT_SKIP, 0},
		{"not TLS", true, "47 45 54 20 2f 20", HT_SKIP, 0},
		{"hello of a wrong version", false, "16 0403 0004 01", HT_SKIP, 0},
		{"an empty record, then a hello", false, "16 0303 0000 16 0303 0004 01", HT_MORE,
		 5},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t len = t_unhex(in, sizeof(in), cases[i].in);
		uint32_t before = 0;
		for (size_t n = 0; n <= len; n++) {
			uint8_t *cut = t_dup(in, n);
			uint32_t skip = 99;
			enum ht_rc rc = ht_tls_second(HT_SPAN(cut, n), cases[i].early, &skip);
			free(cut);
			if (n == len && (rc != cases[i].want || skip != cases[i].skip))
				fail_msg("%s: %d, skip %" PRIu32, cases[i].name, rc, skip);
			// It waits, or it is decided, and decided for good.
			if (rc != HT_MORE && rc != cases[i].want)
				fail_msg("%s: %d from %zu bytes", cases[i].name, rc, n);
			if (skip < before || skip > n)
				fail_msg("%s: skip %" PRIu32 " of %zu", cases[i].name, skip, n);
			before = skip;
		}
	}
}

// --- DTLS ---------------------------------------------------------------------------------------

static struct ht_arena *arena;

static int set_up(void **state) {
	(void)state;
	arena = ht_arena_new(1);
	return arena == NULL;
}

// What was taken from the arena has come back.
static int tear_down(void **state) {
	(void)state;
	size_t used = ht_arena_used(arena);
	ht_arena_free(arena);
	return used != 0;
}

// Appends a handshake fragment of a message (RFC 6347 4.2.2).
static void
put_fragment(struct hb *d, uint8_t type, uint16_t seq, struct ht_span body, size_t at, size_t n) {
	hb_num(d, 1, type);
	hb_num(d, 3, body.len);
	hb_num(d, 2, seq);
	hb_num(d, 3, at);
	hb_num(d, 3, n);
	hb_bytes(d, body.p + at, n);
}

static size_t open_record(struct hb *d, uint16_t epoch) {
	hb_hex(d, "16 fefd");
	hb_num(d, 2, epoch);
	hb_num(d, 6, 5);
	return hb_open(d, 2);
}

static void one_fragment(struct hb *d, uint16_t seq, struct ht_span body, size_t at, size_t n) {
	d->len = 0;
	size_t rec = open_record(d, 0);
	put_fragment(d, 1, seq, body, at, n);
	hb_close(d, rec, 2);
}

// Gives an exact-size copy; a body that borrows from it is moved to *out's own block.
static enum ht_dtls_rc dtls_take(
	struct ht_dtls *d, struct ht_span in, bool cut, uint32_t max, struct ht_tls_message *out
) {
	static uint8_t keep[65536];
	uint8_t *copy = t_dup(in.p, in.len);
	enum ht_dtls_rc rc = ht_dtls_add(d, arena, HT_SPAN(copy, in.len), cut, max, out);
	if (rc == HT_DTLS_HELLO) {
		assert_true(out->body.len <= sizeof(keep));
		memcpy(keep, out->body.p, out->body.len);
		out->body.p = keep;
	}
	free(copy);
	return rc;
}

static enum ht_dtls_rc
dtls_add(struct ht_dtls *d, struct ht_span in, uint32_t max, struct ht_tls_message *out) {
	return dtls_take(d, in, false, max, out);
}

#define DTLS_MAX 20000

static void dtls_start_table(void **state) {
	(void)state;
#define RECORD "16 fefd 0000 000000000000 "
	static const struct {
		const char *name, *in;
		bool want;
		bool cut; // a start whose datagram was cut: nothing for ht_dtls_add as it is
	} cases[] = {
		{"a whole hello", RECORD "000d 01 000001 0000 000000 000001 aa", true},
		{"the first fragment", RECORD "000d 01 000500 0000 000000 000001 aa", true},
		{"a later fragment", RECORD "000d 01 000500 0000 000040 000001 aa", true},
		{"DTLS 1.0", "16 feff 0000 000000000000 000d 01 000001 0000 000000 000001 aa",
		 true},
		{"before it had a number",
		 "16 0100 0000 000000000000 000d 01 000001 0000 000000 000001 aa", true},
		{"bytes behind the record", RECORD "000d 01 000001 0000 000000 000001 aa ff", true},
		{"epoch 1", "16 fefd 0001 000000000000 000d 01 000001 0000 000000 000001 aa",
		 false},
		{"ServerHello", RECORD "000d 02 000001 0000 000000 000001 aa", false},
		{"an alert", "15 fefd 0000 000000000000 0002 0200", false},
		{"TLS version", "16 0303 0000 000000000000 000d 01 000001 0000 000000 000001 aa",
		 false},
		{"fragment past its record", RECORD "000d 01 000002 0000 000000 000002 aa", false},
		{"fragment past its message", RECORD "000e 01 000001 0000 000000 000002 aa bb",
		 false},
		{"offset past its message", RECORD "000d 01 000001 0000 000002 000001 aa", false},
		{"offset and length past it", RECORD "000d 01 000001 0000 000001 000001 aa", false},
		{"record past the datagram", RECORD "000e 01 000001 0000 000000 000001 aa", true,
		 true},
		{"headers alone", RECORD "0010 01 000004 0000 000000 000004", true, true},
		{"fragment past its cut record", RECORD "000f 01 000004 0000 000000 000004 aa",
		 false},
		{"header cut", RECORD "000b 01 000001 0000 000000 0000", false},
		{"an empty record", RECORD "0000", false},
		{"a TLS record", "16 0301 0005 01 000001 aa", false},
		{"QUIC", "c3 00000001 08 0011223344556677 00 00", false},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		uint8_t in[64];
		size_t len = t_unhex(in, sizeof(in), cases[i].in);
		uint8_t *copy = t_dup(in, len);
		if (ht_dtls_start(HT_SPAN(copy, len)) != cases[i].want)
			fail_msg("%s", cases[i].name);
		free(copy);
		// What is not a start is nothing for ht_dtls_add, either.
		struct ht_dtls d = {0};
		struct ht_tls_message m;
		enum ht_dtls_rc rc = dtls_add(&d, HT_SPAN(in, len), DTLS_MAX, &m);
		if ((rc != HT_DTLS_SKIP) != (cases[i].want && !cases[i].cut))
			fail_msg("%s: add gives %d", cases[i].name, rc);
		if (cases[i].want)
			ht_dtls_next(&d, arena);
	}
	// Cut anywhere behind its headers, it is one.
	hb_browser(&hb, HT_HELLO_DTLS);
	one_fragment(&stream, 0, hb_span(&hb), 0, 300);
	for (size_t n = 0; n <= stream.len; n++) {
		uint8_t *cut = t_dup(stream.b, n);
		assert_int_equal(ht_dtls_start(HT_SPAN(cut, n)), n >= 25);
		uint16_t seq;
		bool first;
		struct ht_span random = ht_dtls_first(HT_SPAN(cut, n), &seq, &first);
		assert_false(first);
		assert_int_equal(random.len, n >= 25 + 34 ? 32 : 0);
		if (random.len > 0)
			assert_ptr_equal(random.p, cut + 25 + 2);
		if (n >= 11)
			memset(cut + 5, 0, 6); // sequence_number
		(void)ht_dtls_first(HT_SPAN(cut, n), &seq, &first);
		assert_int_equal(first, n >= 25);
		free(cut);
	}
}

static void dtls_truncation(void **state) {
	(void)state;
	hb_browser(&hb, HT_HELLO_DTLS);
	one_fragment(&stream, 0, hb_span(&hb), 0, hb.len);
	struct ht_tls_message m;
	for (size_t n = 0; n < stream.len; n++) {
		struct ht_dtls d = {0};
		assert_int_equal(dtls_add(&d, HT_SPAN(stream.b, n), DTLS_MAX, &m), HT_DTLS_SKIP);
		assert_false(d.begun);
		// Told that it was cut, what is there is taken.
		enum ht_dtls_rc want = n < 25 ? HT_DTLS_SKIP : HT_DTLS_MORE;
		assert_int_equal(dtls_take(&d, HT_SPAN(stream.b, n), true, DTLS_MAX, &m), want);
		assert_int_equal(ht_ranges_prefix(&d.body.have), n < 25 ? 0 : n - 25);
		assert_int_equal(d.begun ? d.length : 0, n < 25 ? 0 : hb.len);
		ht_dtls_next(&d, arena);
	}
	// Two records of a fragment each: the first one counts when the second one is cut.
	stream.len = 0;
	size_t rec = open_record(&stream, 0);
	put_fragment(&stream, 1, 0, hb_span(&hb), 0, 100);
	hb_close(&stream, rec, 2);
	size_t first = stream.len;
	rec = open_record(&stream, 0);
	put_fragment(&stream, 1, 0, hb_span(&hb), 100, hb.len - 100);
	hb_close(&stream, rec, 2);
	for (size_t n = 0; n <= stream.len; n++) {
		struct ht_dtls d = {0};
		enum ht_dtls_rc want = n < first	? HT_DTLS_SKIP
				       : n < stream.len ? HT_DTLS_MORE
							: HT_DTLS_HELLO;
		assert_int_equal(dtls_add(&d, HT_SPAN(stream.b, n), DTLS_MAX, &m), want);
		assert_int_equal(
			ht_ranges_prefix(&d.body.have), n < first	 ? 0
							: n < stream.len ? 100
									 : hb.len
		);
		ht_dtls_next(&d, arena);
	}
}

// Fragments that overlap, in any order, several in a record and several records in a datagram.
static void dtls_any_fragments(void **state) {
	(void)state;
	enum { MOST = 20 };
	hb_browser(&hb, HT_HELLO_DTLS);
	static bool have[HB_MAX];
	for (uint64_t round = 1; round <= 400; round++) {
		seed = round * 0x9e3779b97f4a7c15;
		memset(have, 0, hb.len);
		struct ht_dtls d = {0};
		struct ht_tls_message m = {0};
		enum ht_dtls_rc rc = HT_DTLS_MORE, want = HT_DTLS_MORE;
		unsigned given = 0;
		for (unsigned turn = 0; want == HT_DTLS_MORE && turn < 500; turn++) {
			stream.len = 0;
			want = HT_DTLS_SKIP;
			for (unsigned records = 1 + rnd(3); records > 0 && want != HT_DTLS_HELLO;
			     records--) {
				size_t rec = open_record(&stream, 0);
				for (unsigned num = 1 + rnd(3); num > 0 && want != HT_DTLS_HELLO;
				     num--) {
					// Fragments of other messages stand between, as from a
					// server.
					if (rnd(5) == 0)
						put_fragment(
							&stream, 11, 3, hb_span(&hb), 0, rnd(30)
						);
					size_t at = rnd(2) == 0
							    ? 64 * rnd((uint32_t)hb.len / 64 + 1)
							    : rnd((uint32_t)hb.len);
					size_t n = 1 + rnd(300);
					n = n < hb.len - at ? n : hb.len - at;
					put_fragment(&stream, 1, 0, hb_span(&hb), at, n);
					given++;
					memset(have + at, true, n);
					want = memchr(have, false, hb.len) == NULL ? HT_DTLS_HELLO
										   : HT_DTLS_MORE;
				}
				hb_close(&stream, rec, 2);
			}
			rc = dtls_add(&d, hb_span(&stream), DTLS_MAX, &m);
			if (rc
			    == HT_DTLS_LIMIT) // too many holes at once: left out, and drawn again
				want = HT_DTLS_LIMIT;
			else
				assert_int_equal(rc, want);
		}
		if (rc == HT_DTLS_HELLO) {
			assert_true(ht_span_eq(m.body, hb_span(&hb)));
			assert_int_equal(m.kind, HT_HELLO_DTLS);
			assert_int_equal(m.records, given);
		}
		ht_dtls_next(&d, arena);
		assert_int_equal(ht_arena_used(arena), 0);
	}
}

// Every cut in two, both orders, and the same in one datagram.
static void dtls_every_cut_in_two(void **state) {
	(void)state;
	hb_begin(&hb, HT_HELLO_DTLS, 0xfefd);
	hb_ciphers(&hb, "c02b c02f");
	struct ht_tls_message m;
	for (size_t cut = 1; cut < hb.len; cut++) {
		for (unsigned late = 0; late < 2; late++) {
			struct ht_dtls d = {0};
			size_t at = late ? cut : 0, n = late ? hb.len - cut : cut;
			one_fragment(&stream, 0, hb_span(&hb), at, n);
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE
			);
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE
			);
			one_fragment(&stream, 0, hb_span(&hb), late ? 0 : cut, hb.len - n);
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_HELLO
			);
			assert_true(ht_span_eq(m.body, hb_span(&hb)));
			// The same again is not another hello.
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP
			);
			ht_dtls_next(&d, arena);
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP
			);
		}
	}
}

static void dtls_cookie_exchange(void **state) {
	(void)state;
	struct ht_dtls d = {0};
	struct ht_tls_message m;
	hb_browser(&hb, HT_HELLO_DTLS);
	// The second hello is longer by its cookie (RFC 6347 4.2.1).
	msg = hb;
	hb_fill(&msg, 20, 0xc0);
	one_fragment(&stream, 0, hb_span(&hb), 0, hb.len);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_HELLO);
	assert_int_equal(m.body.len, hb.len);
	ht_dtls_next(&d, arena);
	assert_int_equal(
		dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP
	); // retransmitted
	one_fragment(&stream, 1, hb_span(&msg), 0, 700);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE);
	one_fragment(&stream, 0, hb_span(&hb), 0, hb.len); // a late copy of the first one
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP);
	one_fragment(&stream, 1, hb_span(&msg), 700, msg.len - 700);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_HELLO);
	assert_true(ht_span_eq(m.body, hb_span(&msg)));
	ht_dtls_next(&d, arena);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP);

	// The first one was never completed: the newest wins, and the old one is not gone back to.
	d = (struct ht_dtls){0};
	one_fragment(&stream, 0, hb_span(&hb), 0, 100);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE);
	one_fragment(&stream, 1, hb_span(&msg), 0, 100);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_NEXT);
	assert_int_equal(d.length, hb.len); // as it was
	assert_int_equal(d.records, 1);
	ht_dtls_next(&d, arena);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE);
	assert_int_equal(d.length, msg.len);
	assert_int_equal(d.records, 1);
	one_fragment(&stream, 0, hb_span(&hb), 100, hb.len - 100);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_SKIP);
	one_fragment(&stream, 1, hb_span(&msg), 100, msg.len - 100);
	assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_HELLO);
	assert_true(ht_span_eq(m.body, hb_span(&msg)));
	ht_dtls_next(&d, arena);
}

static void dtls_contradictions(void **state) {
	(void)state;
	static const struct {
		const char *name, *in; // the record behind its length, after a first fragment of 4
		enum ht_dtls_rc want;
	} cases[] = {
		{"goes on", "01 000008 0000 000004 000004 cccccccc", HT_DTLS_HELLO},
		{"repeats", "01 000008 0000 000000 000004 aaaaaaaa", HT_DTLS_MORE},
		{"another length of the message", "01 000009 0000 000004 000005 cccccccccc",
		 HT_DTLS_SKIP},
		{"a shorter length of the message", "01 000004 0000 000000 000004 cccccccc",
		 HT_DTLS_SKIP},
		{"fragment past the message", "01 000008 0000 000005 000004 cccccccc",
		 HT_DTLS_SKIP},
		{"fragment past the record", "01 000008 0000 000004 000004 cccccc", HT_DTLS_SKIP},
		{"offset past the message", "01 000008 0000 000009 000000", HT_DTLS_SKIP},
		{"length of 2^24-1", "01 000008 0000 000000 ffffff cccc", HT_DTLS_SKIP},
		{"nothing, at the end", "01 000008 0000 000008 000000", HT_DTLS_MORE},
		{"message number 16", "01 000008 0010 000000 000008 cccccccccccccccc",
		 HT_DTLS_SKIP},
		{"message number 15", "01 000008 000f 000000 000008 cccccccccccccccc",
		 HT_DTLS_NEXT},
		{"half a header", "01 000008 0000 00", HT_DTLS_SKIP},
		{"another message, then the rest",
		 "0b 000001 0001 000000 000001 dd 01 000008 0000 000004 000004 cccccccc",
		 HT_DTLS_HELLO},
		{"a broken fragment, then the rest",
		 "01 000008 0000 000005 000004 dddddddd 01 000008 0000 000004 000004 cccccccc",
		 HT_DTLS_SKIP},
		{"bytes behind the rest", "01 000008 0000 000004 000004 cccccccc ff",
		 HT_DTLS_HELLO},
	};
	for (size_t i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_dtls d = {0};
		struct ht_tls_message m;
		one_fragment(&stream, 0, HT_SPAN_STR("\xaa\xaa\xaa\xaa\xbb\xbb\xbb\xbb"), 0, 4);
		assert_int_equal(dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_MORE);
		stream.len = 0;
		size_t rec = open_record(&stream, 0);
		hb_hex(&stream, cases[i].in);
		hb_close(&stream, rec, 2);
		enum ht_dtls_rc rc = dtls_add(&d, hb_span(&stream), DTLS_MAX, &m);
		if (rc != cases[i].want)
			fail_msg("%s: %d", cases[i].name, rc);
		if (rc == HT_DTLS_NEXT) { // and is taken when it is given again
			ht_dtls_next(&d, arena);
			rc = dtls_add(&d, hb_span(&stream), DTLS_MAX, &m);
			assert_int_equal(rc, HT_DTLS_HELLO);
			assert_int_equal(d.message_seq, 15);
		}
		if (rc != HT_DTLS_HELLO) { // what was held is held still, and can be completed
			assert_int_equal(d.length, 8);
			one_fragment(
				&stream, 0, HT_SPAN_STR("\xee\xee\xee\xee\xcc\xcc\xcc\xcc"), 2, 6
			);
			assert_int_equal(
				dtls_add(&d, hb_span(&stream), DTLS_MAX, &m), HT_DTLS_HELLO
			);
		}
		if (d.message_seq == 0) // the bytes seen first
			assert_memory_equal(m.body.p, "\xaa\xaa\xaa\xaa\xcc\xcc\xcc\xcc", 8);
		ht_dtls_next(&d, arena);
	}
}

static void dtls_limits(void **state) {
	(void)state;
	hb_browser(&hb, HT_HELLO_DTLS);
	struct ht_tls_message m;
	struct ht_dtls d = {0};
	uint32_t len = (uint32_t)hb.len;
	one_fragment(&stream, 0, hb_span(&hb), 0, hb.len);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len - 1, &m), HT_DTLS_LIMIT);
	assert_true(d.begun); // so that it can be told
	assert_int_equal(ht_ranges_prefix(&d.body.have), len - 1);
	assert_int_equal(d.length, len);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len, &m), HT_DTLS_HELLO);
	ht_dtls_next(&d, arena);
	// The message is too long, however short the fragment is.
	d = (struct ht_dtls){0};
	one_fragment(&stream, 0, hb_span(&hb), 10, 1);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len - 1, &m), HT_DTLS_LIMIT);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len, &m), HT_DTLS_MORE);
	ht_dtls_next(&d, arena);
	// Holes.
	d = (struct ht_dtls){0};
	for (unsigned i = 0; i <= HT_RANGES_MAX; i++) {
		one_fragment(&stream, 0, hb_span(&hb), 1 + 2 * i, 1);
		assert_int_equal(
			dtls_add(&d, hb_span(&stream), len, &m),
			i < HT_RANGES_MAX ? HT_DTLS_MORE : HT_DTLS_LIMIT
		);
	}
	one_fragment(&stream, 0, hb_span(&hb), 0, hb.len); // all of it needs no room
	assert_int_equal(dtls_add(&d, hb_span(&stream), len, &m), HT_DTLS_HELLO);
	assert_true(ht_span_eq(m.body, hb_span(&hb)));
	ht_dtls_next(&d, arena);
	// No room: the call can be made again.
	d = (struct ht_dtls){0};
	uint32_t size;
	uint8_t *all = ht_arena_get(arena, HT_ARENA_MAX_BLOCK, &size);
	stream.len = 0;
	size_t rec = open_record(&stream, 0);
	put_fragment(&stream, 1, 0, hb_span(&hb), 0, 0); // needs no room
	put_fragment(&stream, 1, 0, hb_span(&hb), 0, 100);
	hb_close(&stream, rec, 2);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len, &m), HT_DTLS_FULL);
	ht_arena_put(arena, all, size);
	assert_int_equal(dtls_add(&d, hb_span(&stream), len, &m), HT_DTLS_MORE);
	assert_int_equal(d.records, 2); // each counts once
	ht_dtls_next(&d, arena);
	assert_int_equal(ht_arena_used(arena), 0);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(body_table),
		CASE(session_id_lengths),
		CASE(cookie_stands_in_dtls_alone),
		CASE(extension_table),
		CASE(duplicate_extensions),
		CASE(number_of_extensions),
		CASE(name_behind_many_extensions),
		CASE(number_of_key_shares),
		CASE(quic_parameter_ids),
		CASE(last_fault_counts),
		CASE(grease_is_kept_as_sent),
		CASE(truncation),
		CASE(one_wrong_byte),
		CASE(ssl2_hello),
		CASE(highest_version),
		CASE(post_quantum_groups),
		CASE(start_table),
		CASE(whole_in_one_record),
		CASE(frame_table),
		CASE(records_cut_at_every_point),
		CASE(any_records),
		CASE(cost_is_linear),
		CASE(records_are_counted_to_the_cap),
		CASE(partial),
		CASE(second_table),
		CASE(dtls_start_table),
		CASE(dtls_truncation),
		CASE(dtls_any_fragments),
		CASE(dtls_every_cut_in_two),
		CASE(dtls_cookie_exchange),
		CASE(dtls_contradictions),
		CASE(dtls_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
