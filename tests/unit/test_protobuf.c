// SPDX-License-Identifier: BSD-3-Clause

#include "ht_config.h"
#include "protobuf.h"
#include "t.h"

static struct ht_protobuf *open_it(void) {
	struct ht_protobuf *p = ht_protobuf_new();
	if (p == NULL && !HT_HAVE_PROTOBUF)
		skip();
	assert_non_null(p);
	return p;
}

// As many as a record has, in all the bytes that they may have.
static struct ht_span all_matches(void) {
	static uint8_t bytes[HT_MATCHES_SIZE], entry[HT_MATCHES_SIZE];
	uint8_t *at = bytes;
	const struct ht_span none = HT_SPAN_EMPTY;
	const struct ht_match small
		= {none, none, none, HT_SPAN_STR("info")},
		other = {HT_SPAN_STR("\xff"), none, HT_SPAN_STR("c2"), HT_SPAN_STR("critical")};
	for (unsigned i = 0; i + 1 < HT_MATCHES_MAX; i++)
		at = ht_match_put(at, bytes + sizeof(bytes), i % 2 != 0 ? &small : &other);
	const size_t left = sizeof(bytes) - (size_t)(at - bytes);
	const struct ht_match rest
		= {none, HT_SPAN(entry, left - 8 - 6), none, HT_SPAN_STR("notice")};
	at = ht_match_put(at, bytes + sizeof(bytes), &rest);
	assert_ptr_equal(at, bytes + sizeof(bytes));
	return HT_SPAN(bytes, sizeof(bytes));
}

// fill gives field i a value with all of its type in use, or with as little as there can be.
static void fill(struct ht_record *r, unsigned i, bool large) {
	static const uint8_t bytes[300] = "as\0sent \xff\xc0\x80";
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0xff};
	static const uint8_t almost_v4[16] = {[10] = 0xff, 0xfe, 192, 0, 2, 1};
	static const uint8_t mac[6] = {0xff, 0, 0, 0, 0, 1};
	// 0, 63, 64, 16383, 16384, 2^30-1, 2^30, 2^62-1
	static const uint8_t varints[] = "\x00\x3f\x40\x40\x7f\xff\x80\x00\x40\x00\xbf\xff\xff\xff"
					 "\xc0\x00\x00\x00\x40\x00\x00\x00"
					 "\xff\xff\xff\xff\xff\xff\xff\xff";
	// Around where a varint gets longer; as numbers of 3 bytes, too.
	static const uint8_t numbers[] = "\x00\x7f\x00\x80\x3f\xff\x40\x00\xff\xff\x20\x00";
	static uint8_t names[2 + 256 + 4] = {0, 255};
	memcpy(names + 2 + 255, "\3a\0\xff", 4);
	void *const v = (char *)r + ht_fields[i].offset;
	struct ht_span *const span = v;
	switch ((enum ht_type)ht_fields[i].type) {
	case HT_TYPE_BOOL:
	case HT_TYPE_FLAG:
		*(bool *)v = large;
		break;
	case HT_TYPE_U8:
		*(uint8_t *)v = large ? UINT8_MAX : 0;
		break;
	case HT_TYPE_U16:
		*(uint16_t *)v = large ? UINT16_MAX : 0;
		break;
	case HT_TYPE_U32:
		*(uint32_t *)v = large ? UINT32_MAX : 0;
		break;
	case HT_TYPE_U64:
		*(uint64_t *)v = large ? UINT64_MAX : 0;
		break;
	case HT_TYPE_TIME:
		*(int64_t *)v = large ? INT64_MAX : INT64_MIN;
		break;
	case HT_TYPE_SECONDS:
		*(int64_t *)v = large ? 253402300799 : -62167219200;
		break;
	case HT_TYPE_STR:
		*(const char **)v = large ? "a word; or a few" : "";
		if (i == HT_FIELD_record)
			r->record = large ? "aggregate" : "flow";
		break;
	case HT_TYPE_IP:
		*(const uint8_t **)v = i % 2 != 0 ? v4 : large ? v6 : almost_v4;
		break;
	case HT_TYPE_MAC:
		*(const uint8_t **)v = mac;
		break;
	case HT_TYPE_TEXT:
	case HT_TYPE_HEX:
		*span = HT_SPAN(bytes, large ? sizeof(bytes) - i : 0);
		break;
	case HT_TYPE_U16S:
		*span = HT_SPAN(numbers, large ? sizeof(numbers) - 1 : 0);
		break;
	case HT_TYPE_U8S:
		*span = HT_SPAN(bytes, large ? sizeof(bytes) : 0);
		break;
	case HT_TYPE_ASCII:
		*span = large ? HT_SPAN_STR(" ~t13d1516h2_8daaf6152771") : HT_SPAN_EMPTY;
		break;
	case HT_TYPE_VARINTS:
		*span = HT_SPAN(varints, large ? sizeof(varints) - 1 : 0);
		break;
	case HT_TYPE_NAMES:
		*span = HT_SPAN(names, large ? 2 + 255 + 4 : 0);
		break;
	case HT_TYPE_MATCHES:
		*span = large ? all_matches() : HT_SPAN_EMPTY;
		break;
	case HT_TYPE_STRS: {
		struct ht_strs *list = v;
		list->num = large ? HT_STRS_MAX : 0;
		for (unsigned k = 0; k < list->num; k++)
			list->s[k] = ht_fields[(i + k) % HT_NUM_FIELDS].name;
		break;
	}
	case HT_TYPE_TEXTS: {
		struct ht_texts *list = v;
		list->num = large ? HT_TEXTS_MAX : 0;
		for (unsigned k = 0; k < list->num; k++) {
			list->len[k] = (uint8_t)(k < 3 ? k : HT_TEXT_SIZE);
			memset(list->s[k], 'a' + (int)k, list->len[k]);
		}
		break;
	}
	case HT_NUM_TYPES:
		fail();
	}
	r->has |= (ht_fieldset)1 << i;
}

static void expect_same(const struct ht_record *got, const struct ht_record *want, unsigned i) {
	static const uint8_t sizes[HT_NUM_TYPES] = {
		[HT_TYPE_BOOL] = 1, [HT_TYPE_FLAG] = 1, [HT_TYPE_U8] = 1,   [HT_TYPE_U16] = 2,
		[HT_TYPE_U32] = 4,  [HT_TYPE_U64] = 8,	[HT_TYPE_TIME] = 8, [HT_TYPE_SECONDS] = 8,
	};
	const unsigned type = ht_fields[i].type;
	const void *const g = (const char *)got + ht_fields[i].offset;
	const void *const w = (const char *)want + ht_fields[i].offset;
	if (sizes[type] > 0) {
		assert_memory_equal(g, w, sizes[type]);
	} else if (type == HT_TYPE_STR) {
		assert_string_equal(*(const char *const *)g, *(const char *const *)w);
	} else if (type == HT_TYPE_IP || type == HT_TYPE_MAC) {
		const uint8_t *const a = *(const uint8_t *const *)g,
				     *b = *(const uint8_t *const *)w;
		assert_memory_equal(a, b, type == HT_TYPE_IP ? 16 : 6);
	} else if (type == HT_TYPE_STRS) {
		const struct ht_strs *const a = g, *const b = w;
		assert_int_equal(a->num, b->num);
		for (unsigned k = 0; k < b->num; k++)
			assert_string_equal(a->s[k], b->s[k]);
	} else if (type == HT_TYPE_TEXTS) {
		const struct ht_texts *const a = g, *const b = w;
		assert_int_equal(a->num, b->num);
		assert_memory_equal(a->len, b->len, b->num);
		for (unsigned k = 0; k < b->num; k++)
			assert_memory_equal(a->s[k], b->s[k], b->len[k]);
	} else {
		assert_true(ht_span_eq(*(const struct ht_span *)g, *(const struct ht_span *)w));
	}
}

// expect_back decodes an exact-size copy of the message, and compares.
static void expect_back(struct ht_protobuf *p, const struct ht_record *want) {
	struct ht_span out;
	struct ht_record got;
	assert_int_equal(ht_protobuf_encode(p, want, &out), HT_OK);
	uint8_t *const copy = t_dup(out.p, out.len);
	memset(&got, 0xee, sizeof(got));
	assert_int_equal(ht_protobuf_decode(p, HT_SPAN(copy, out.len), &got), HT_OK);
	free(copy); // nothing of it is borrowed
	assert_true(got.has == want->has);
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		if (want->has >> i & 1)
			expect_same(&got, want, i);
	assert_int_equal(got.ts_is_ns, (want->has & HT_HAS(ts)) && want->ts_is_ns);
	assert_int_equal(
		got.ciphers_are_24_bit, (want->has & HT_HAS(ciphers)) && want->ciphers_are_24_bit
	);
	if (want->has & HT_HAS(cert_count))
		assert_true(ht_span_eq(got.cert_chain, want->cert_chain));
	if (want->has & HT_HAS(frames_read))
		assert_true(ht_span_eq(got.stats_json, want->stats_json));
}

static void set_apart(struct ht_record *r, bool large) {
	r->has = 0;
	r->ts_is_ns = large;
	r->ciphers_are_24_bit = large;
	r->cert_chain = HT_SPAN("\0\0\2ab", large ? 5 : 0);
	r->stats_json = HT_SPAN("{}", large ? 2 : 0);
}

static void every_field_comes_back(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	for (unsigned large = 0; large < 2; large++) {
		struct ht_record r;
		for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
			memset(&r, 0xee, sizeof(r));
			set_apart(&r, large);
			fill(&r, HT_FIELD_record, large);
			fill(&r, i, large);
			expect_back(p, &r);
		}
		memset(&r, 0xee, sizeof(r));
		set_apart(&r, large);
		for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
			fill(&r, i, large);
		expect_back(p, &r);
	}
	ht_protobuf_free(p);
}

// The wire format by hand (protobuf.dev, "Encoding"): a key of number and wire type, then a varint,
// 8 bytes, or what is behind a length.
static void the_bytes_are_those_of_the_format(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t want[] = "\x0a\x05hello" // 1: record
				      "\x11\x01\0\0\0\0\0\0\0" // 2: ts
				      "\x32\x04\xc0\0\x02\x01" // 6: src_ip
				      "\x48\xbb\x03" // 9: dst_port
				      "\x8a\x01\x04smtp" // 17: via
				      "\xf2\x01\x02h2\xf2\x01\x00" // 30: alpn
				      "\x92\x02\x03\x81\x26\x05" // 34: ciphers
				      "\xd0\x02\x00" // 42: early_data
				      "\x9a\x7d\x01\x24"; // 2003: empty_lists: groups
	struct ht_record r;
	r.has = 0;
	r.ts_is_ns = r.ciphers_are_24_bit = false;
	ht_set(&r, record, "hello");
	ht_set(&r, ts, 1);
	ht_set(&r, src_ip, v4);
	ht_set(&r, dst_port, 443);
	ht_set(&r, via, ((struct ht_strs){{"smtp"}, 1}));
	ht_set(&r, alpn, HT_SPAN("\2h2\0", 4));
	ht_set(&r, ciphers, HT_SPAN("\x13\x01\0\x05", 4));
	ht_set(&r, groups, HT_SPAN_EMPTY);
	ht_set(&r, early_data, false);
	struct ht_span out;
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	assert_int_equal(out.len, sizeof(want) - 1);
	assert_memory_equal(out.p, want, out.len);
	ht_protobuf_free(p);
}

static void what_hangs_over_a_list_is_left_out(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	struct ht_record r, got;
	r.has = 0;
	r.ciphers_are_24_bit = false;
	ht_set(&r, record, "hello");
	ht_set(&r, ciphers, HT_SPAN("\x13\x01\0", 3));
	ht_set(&r, groups, HT_SPAN("\x13", 1));
	ht_set(&r, alpn, HT_SPAN("\2h2\5h3", 6));
	ht_set(&r, quic_transport_parameters, HT_SPAN("\1\x40", 2));
	struct ht_span out;
	uint8_t *const alpn = t_dup(r.alpn.p, r.alpn.len);
	r.alpn.p = alpn;
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	assert_int_equal(ht_protobuf_decode(p, out, &got), HT_OK);
	assert_true(got.has == r.has);
	assert_true(ht_span_eq(got.ciphers, HT_SPAN_STR("\x13\x01")));
	assert_int_equal(got.groups.len, 0);
	assert_true(ht_span_eq(got.alpn, HT_SPAN_STR("\2h2\2h3")));
	assert_true(ht_span_eq(got.quic_transport_parameters, HT_SPAN_STR("\1")));
	free(alpn);
	ht_protobuf_free(p);
}

static void certificates_do_not_leave_the_machine(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	struct ht_record r, got;
	r.has = 0;
	r.cert_chain = HT_SPAN_STR("\0\0\1a");
	ht_set(&r, record, "flow");
	ht_set(&r, cert_count, 1);
	expect_back(p, &r);
	ht_protobuf_for_export(p);
	struct ht_span out;
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	assert_int_equal(ht_protobuf_decode(p, out, &got), HT_OK);
	assert_int_equal(got.cert_count, 1);
	assert_int_equal(got.cert_chain.len, 0);
	ht_protobuf_free(p);
}

static void too_large_is_a_limit(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	const size_t len = 3u * 1024 * 1024;
	uint8_t *const bytes = calloc(1, len);
	struct ht_span out;
	struct ht_record r;
	assert_non_null(bytes);
	r.has = 0;
	ht_set(&r, record, "hello");
	ht_set(&r, sni, HT_SPAN(bytes, HT_PROTOBUF_MAX - 11)); // 7 of record, 2 + 3 before it
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_LIMIT);
	r.sni.len--;
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	assert_int_equal(out.len, HT_PROTOBUF_MAX);
	struct ht_record got;
	uint8_t *const message = t_dup(out.p, out.len);
	assert_int_equal(ht_protobuf_decode(p, HT_SPAN(message, out.len), &got), HT_OK);
	assert_int_equal(got.sni.len, r.sni.len);
	free(message);
	ht_set(&r, alpn, HT_SPAN(bytes, len)); // names without a letter: more than the scratch has
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_LIMIT);
	r.has &= ~HT_HAS(alpn);
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	assert_int_equal(ht_protobuf_decode(p, HT_SPAN(bytes, HT_PROTOBUF_MAX + 1), &got), HT_BAD);
	free(bytes);
	ht_protobuf_free(p);
}

// ---- what others wrote

static enum ht_rc decode(struct ht_protobuf *p, struct ht_span in, struct ht_record *r) {
	uint8_t *const copy = t_dup(in.p, in.len);
	const enum ht_rc rc = ht_protobuf_decode(p, HT_SPAN(copy, in.len), r);
	free(copy);
	return rc;
}

static void cut_anywhere(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	struct ht_record r, got;
	struct ht_span out;
	set_apart(&r, true);
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++)
		fill(&r, i, true);
	assert_int_equal(ht_protobuf_encode(p, &r, &out), HT_OK);
	const size_t len = out.len;
	uint8_t *const whole = t_dup(out.p, len);
	unsigned bad = 0;
	for (size_t n = 0; n < len; n++) {
		const enum ht_rc rc = decode(p, HT_SPAN(whole, n), &got);
		assert_true(rc == HT_OK || rc == HT_BAD);
		bad += rc == HT_BAD;
	}
	assert_in_range(bad, len * 8 / 10, len); // a cut between two fields is a message
	free(whole);
	ht_protobuf_free(p);
}

#define HELLO "\x0a\x05hello"

static void what_is_out_of_bounds_is_bad(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	static const struct {
		const char *what;
		struct ht_span message;
		enum ht_rc rc;
	} cases[] = {
#define VIA_4 "\x8a\x01\x01x\x8a\x01\x01x\x8a\x01\x01x\x8a\x01\x01x"
#define VIA_16 VIA_4 VIA_4 VIA_4 VIA_4
#define CASE(what, rc, bytes) {what, HT_SPAN_STR(bytes), rc}
		CASE("a record and no more", HT_OK, HELLO),
		CASE("nothing", HT_BAD, ""),
		CASE("no kind of record", HT_BAD, "\x20\x01"),
		CASE("a kind of record that there is not", HT_BAD, "\x0a\x05hullo"),
		CASE("a string for a number", HT_BAD, HELLO "\x3a\x01x"),
		CASE("src_port 65535", HT_OK, HELLO "\x38\xff\xff\x03"),
		CASE("src_port 65536", HT_BAD, HELLO "\x38\x80\x80\x04"),
		CASE("c2s_tcp_flags 255", HT_OK, HELLO "\x98\x04\xff\x01"),
		CASE("c2s_tcp_flags 256", HT_BAD, HELLO "\x98\x04\x80\x02"),
		CASE("src_ip of 3 bytes", HT_BAD, HELLO "\x32\x03\1\2\3"),
		CASE("src_ip of no byte", HT_BAD, HELLO "\x32\x00"),
		CASE("src_ip of 17 bytes", HT_BAD,
		     HELLO "\x32\x11"
			   "12345678901234567"),
		CASE("src_mac of 6 bytes", HT_OK,
		     HELLO "\x52\x06"
			   "123456"),
		CASE("src_mac of 7 bytes", HT_BAD,
		     HELLO "\x52\x07"
			   "1234567"),
		CASE("src_mac of no byte", HT_BAD, HELLO "\x52\x00"),
		CASE("a word with a quote", HT_BAD, HELLO "\x62\x02t\""),
		CASE("a word that is not ASCII", HT_BAD, HELLO "\x62\x02\xc3\xa4"),
		CASE("community_id with a line end", HT_BAD,
		     HELLO "\x6a\x02"
			   "1\n"),
		CASE("sni of any bytes", HT_OK, HELLO "\xea\x01\x02\xff\x00"),
		CASE("encap with a space", HT_BAD, HELLO "\x72\x02 a"),
		CASE("encap of 28 letters", HT_OK,
		     HELLO "\x72\x1c"
			   "abcdefghijklmnopqrstuvwxyzab"),
		CASE("encap of 29 letters", HT_BAD,
		     HELLO "\x72\x1d"
			   "abcdefghijklmnopqrstuvwxyzabc"),
		CASE("via 64 times", HT_OK, HELLO VIA_16 VIA_16 VIA_16 VIA_16),
		CASE("via 65 times", HT_BAD, HELLO VIA_16 VIA_16 VIA_16 VIA_16 "\x8a\x01\x01x"),
		CASE("versions with 65536", HT_BAD, HELLO "\x8a\x02\x03\x80\x80\x04"),
		CASE("versions, not packed", HT_OK, HELLO "\x88\x02\x84\x06\x88\x02\x83\x06"),
		CASE("point_formats with 256", HT_BAD, HELLO "\xba\x02\x02\x80\x02"),
		CASE("ciphers of 24 bits", HT_OK, HELLO "\x92\x02\x04\xff\xff\xff\x07\x90\x7d\x01"),
		CASE("ciphers of 25 bits", HT_BAD,
		     HELLO "\x92\x02\x04\x80\x80\x80\x08\x90\x7d\x01"),
		CASE("ciphers of 24 bits, not said", HT_BAD, HELLO "\x92\x02\x04\xff\xff\xff\x07"),
		CASE("a transport parameter of 2^62", HT_BAD,
		     HELLO "\xba\x03\x09\x80\x80\x80\x80\x80\x80\x80\x80\x40"),
		CASE("cert_not_after in the year 10000", HT_BAD,
		     HELLO "\xc0\x05\x80\xdc\xcb\xff\xb0\x07"),
		CASE("a field of a later version", HT_OK, HELLO "\xc0\x3e\x01\xca\x3e\x02hi"),
		CASE("groups that were sent empty", HT_OK, HELLO "\x9a\x7d\x01\x24"),
		CASE("they and a group", HT_BAD, HELLO "\xa2\x02\x01\x1d\x9a\x7d\x01\x24"),
		CASE("twice sent empty", HT_BAD, HELLO "\x9a\x7d\x02\x24\x24"),
		CASE("an empty list of a later version", HT_OK, HELLO "\x9a\x7d\x02\xe8\x07"),
		CASE("an empty list that is none", HT_BAD, HELLO "\x9a\x7d\x01\x07"),
		CASE("an empty list without number", HT_BAD, HELLO "\x9a\x7d\x01\x00"),
		CASE("a length beyond the end", HT_BAD, HELLO "\xea\x01\xff\xff\xff\xff\x0f"),
		CASE("a group that begins and does not end", HT_BAD, HELLO "\x1b"),
#undef VIA_16
#undef VIA_4
#undef CASE
	};
	for (unsigned i = 0; i < HT_ARRAY_LEN(cases); i++) {
		struct ht_record r;
		const enum ht_rc rc = decode(p, cases[i].message, &r);
		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].what, (int)rc);
	}
	ht_protobuf_free(p);
}

// 255 letters are the most that a name of ALPN can have; an alternative name of a certificate that
// is longer has no place in the list, either.
static void a_name_has_one_byte_of_length(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	struct ht_record r;
	uint8_t message[7 + 4 + 256] = HELLO "\xf2\x01\xff\x01";
	memset(message + 11, 'a', 256);
	assert_int_equal(decode(p, HT_SPAN(message, 11 + 255), &r), HT_OK);
	assert_int_equal(r.alpn.len, 256);
	message[9] = 0x80;
	message[10] = 0x02;
	assert_int_equal(decode(p, HT_SPAN(message, sizeof(message)), &r), HT_BAD);
	ht_protobuf_free(p);
}

// Two bytes on the wire can want a hundred in memory.
static void a_small_message_cannot_take_much(void **state) {
	(void)state;
	struct ht_protobuf *p = open_it();
	const size_t len = 1000 * 1000;
	struct ht_record r;
	uint8_t *const message = malloc(len);
	assert_non_null(message);
	memcpy(message, HELLO, 7);
	for (size_t i = 7; i + 3 <= len; i += 3)
		memcpy(message + i, "\xf2\x01\x00", 3); // alpn: a name without a letter
	assert_int_equal(ht_protobuf_decode(p, HT_SPAN(message, len - (len - 7) % 3), &r), HT_BAD);
	// A third of that is more than the extension can hold.
	assert_int_equal(ht_protobuf_decode(p, HT_SPAN(message, 7 + 65535 * 3), &r), HT_OK);
	assert_int_equal(r.alpn.len, 65535);
	free(message);
	ht_protobuf_free(p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(the_bytes_are_those_of_the_format),
		cmocka_unit_test(what_hangs_over_a_list_is_left_out),
		cmocka_unit_test(certificates_do_not_leave_the_machine),
		cmocka_unit_test(too_large_is_a_limit),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(what_is_out_of_bounds_is_bad),
		cmocka_unit_test(a_name_has_one_byte_of_length),
		cmocka_unit_test(a_small_message_cannot_take_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
