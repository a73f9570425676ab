// SPDX-License-Identifier: BSD-3-Clause
// The options of an output as a configuration of librdkafka, and the key of a message.

#include "ht_config.h"
#include "kafka_int.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static __attribute__((format(printf, 3, 4))) enum ht_rc
bad(char *err, size_t err_len, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(err, err_len, format, args);
	va_end(args);
	return HT_BAD;
}

// ---- the spec

static bool is_topic(const char *s) {
	const size_t len = strlen(s);
	return len >= 1 && len <= KAFKA_TOPIC_MAX && strcmp(s, ".") != 0 && strcmp(s, "..") != 0
	       && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")]
			  == '\0';
}

// is_broker tells host, host:port and [IPv6]:port from what is none.
static bool is_broker(const char *s, size_t len) {
	const char *const end = s + len;
	const char *colon = memrchr(s, ':', len);
	const char *bracket = memrchr(s, ']', len);
	if (len > 0 && *s == '[' && bracket == NULL)
		return false;
	if (colon != NULL && colon > s && (bracket == NULL || colon > bracket)) {
		char *digits_end;
		const unsigned long port = strtoul(colon + 1, &digits_end, 10);
		if (colon[1] < '0' || colon[1] > '9' || digits_end != end || port < 1
		    || port > 65535)
			return false;
	} else if (colon == s || (colon != NULL && bracket != end - 1)) {
		return false;
	}
	return len > 0 && strcspn(s, " \t/?#@\"\\") >= len;
}

static enum ht_rc
read_spec(struct kafka_conf *c, const char *to, char **brokers, char *err, size_t err_len) {
	static const char scheme[] = "kafka://";
	const char *at = strncmp(to, scheme, strlen(scheme)) == 0 ? to + strlen(scheme) : "";
	const char *slash = strchr(at, '/');
	if (slash == NULL)
		return bad(err, err_len, "not kafka://broker[:port][,...]/topic");
	if (!is_topic(slash + 1))
		return bad(
			err, err_len,
			"a topic is 1 to %d letters, digits, dots, underscores and hyphens",
			KAFKA_TOPIC_MAX
		);
	for (const char *b = at; b <= slash; b += strcspn(b, ",/") + 1)
		if (!is_broker(b, strcspn(b, ",/")))
			return bad(
				err, err_len, "'%.*s' is no broker[:port]", (int)strcspn(b, ",/"), b
			);
	memcpy(c->topic, slash + 1, strlen(slash + 1) + 1);
	*brokers = strndup(at, (size_t)(slash - at));
	return HT_OK;
}

// ---- the key

static bool can_be_key(enum ht_type type) {
	switch (type) {
	case HT_TYPE_U8:
	case HT_TYPE_U16:
	case HT_TYPE_U32:
	case HT_TYPE_U64:
	case HT_TYPE_STR:
	case HT_TYPE_TEXT:
	case HT_TYPE_ASCII:
	case HT_TYPE_IP:
	case HT_TYPE_MAC:
	case HT_TYPE_HEX:
		return true;
	default:
		return false;
	}
}

static enum ht_rc read_key(struct kafka_conf *c, const char *name, char *err, size_t err_len) {
	c->key = -1;
	if (name != NULL && strcmp(name, "none") == 0)
		return HT_OK;
	const struct ht_field *f = ht_field_of(name != NULL ? name : "community_id");
	if (f == NULL)
		return bad(err, err_len, "key: %s: no such field (--fields lists them)", name);
	if (!can_be_key(f->type))
		return bad(
			err, err_len, "key: %s: a %s cannot be a key", name, ht_types[f->type].json
		);
	c->key = (int)(f - ht_fields);
	return HT_OK;
}

static struct ht_span key_of_ip(const uint8_t *ip, char buf[KAFKA_KEY_MAX]) {
	if (ht_ip_is_v4(ip))
		inet_ntop(AF_INET, ip + 12, buf, KAFKA_KEY_MAX);
	else
		inet_ntop(AF_INET6, ip, buf, KAFKA_KEY_MAX);
	return HT_SPAN(buf, strlen(buf));
}

static struct ht_span key_of_mac(const uint8_t *mac, char buf[KAFKA_KEY_MAX]) {
	const int n = snprintf(
		buf, KAFKA_KEY_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]
	);
	return HT_SPAN(buf, (size_t)n);
}

// The longest connection id has 20 bytes (RFC 9000 17.2); of what is longer, the first 32 will do.
static struct ht_span key_of_hex(struct ht_span s, char buf[KAFKA_KEY_MAX]) {
	const size_t n = s.len < KAFKA_KEY_MAX / 2 ? s.len : KAFKA_KEY_MAX / 2;
	return HT_SPAN(buf, (size_t)(ht_hex(buf, s.p, n) - buf));
}

bool kafka_key(
	const struct ht_record *r, unsigned field, char buf[KAFKA_KEY_MAX], struct ht_span *out
) {
	const struct ht_field *f = &ht_fields[field];
	const void *const value = (const char *)r + f->offset;
	const char *const word = buf;
	char *end = buf;
	if (!(r->has >> field & 1))
		return false;
	switch ((enum ht_type)f->type) {
	case HT_TYPE_U8:
		end = ht_u64_dec(buf, *(const uint8_t *)value);
		break;
	case HT_TYPE_U16:
		end = ht_u64_dec(buf, *(const uint16_t *)value);
		break;
	case HT_TYPE_U32:
		end = ht_u64_dec(buf, *(const uint32_t *)value);
		break;
	case HT_TYPE_U64:
		end = ht_u64_dec(buf, *(const uint64_t *)value);
		break;
	case HT_TYPE_STR:
		*out = HT_SPAN(*(const char *const *)value, strlen(*(const char *const *)value));
		return true;
	case HT_TYPE_TEXT:
	case HT_TYPE_ASCII:
		*out = *(const struct ht_span *)value;
		return true;
	case HT_TYPE_IP:
		*out = key_of_ip(*(const uint8_t *const *)value, buf);
		return true;
	case HT_TYPE_MAC:
		*out = key_of_mac(*(const uint8_t *const *)value, buf);
		return true;
	case HT_TYPE_HEX:
		*out = key_of_hex(*(const struct ht_span *)value, buf);
		return true;
	default:
		return false;
	}
	*out = HT_SPAN(word, (size_t)(end - buf));
	return true;
}

// ---- librdkafka

// Options that are not the user's: name, what it would take away.
static const struct {
	const char *name, *why;
} ours[] = {
	{"bootstrap.servers", "the brokers stand in the output's URL"},
	{"metadata.broker.list", "the brokers stand in the output's URL"},
	{"enable.idempotence", "it stays on: otherwise records could come twice or out of order"},
	{"acks", "it stays at all: otherwise an acknowledged record could be lost"},
	{"request.required.acks",
	 "it stays at all: otherwise an acknowledged record could be lost"},
	{"delivery.report.only.error", "what is delivered could not be told"},
	{"transactional.id", "there are no transactions"},
	{"log.queue", "what librdkafka says is told with the output"},
};

// A default, which the user may change.
static enum ht_rc
set(struct kafka_conf *c, const char *name, const char *value, char *err, size_t err_len) {
	char text[256];
	if (rd_kafka_conf_set(c->conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
		return HT_OK;
	return bad(err, err_len, "kafka: %s", text);
}

// Kafka has zstd since 2.1; lz4 is for a librdkafka that was built without it.
static const char *compression(const struct kafka_conf *c) {
	char features[512];
	size_t len = sizeof(features);
	if (rd_kafka_conf_get(c->conf, "builtin.features", features, &len) != RD_KAFKA_CONF_OK)
		return "none";
	return strstr(features, "zstd") != NULL	 ? "zstd"
	       : strstr(features, "lz4") != NULL ? "lz4"
						 : "none";
}

static enum ht_rc
set_defaults(struct kafka_conf *c, const struct ht_sink_options *o, char *err, size_t err_len) {
	char kbytes[24];
	snprintf(kbytes, sizeof(kbytes), "%u", 1024 * (o->queue_mib > 0 ? o->queue_mib : 1));
	const struct {
		const char *name, *value;
	} defaults[] = {
		{"client.id", "hellotap"},
		{"enable.idempotence", "true"},
		{"acks", "all"},
		{"compression.codec", compression(c)},
		{"linger.ms", "50"},
		// No message is given up: the link breaks (kafka.c).
		{"message.timeout.ms", "0"},
		{"queue.buffering.max.kbytes", kbytes},
		// Not 10 s after a broker came back.
		{"reconnect.backoff.max.ms", "2000"},
		// The same partition that a Java client would take.
		{"partitioner", "murmur2_random"},
		{"log.queue", "true"},
	};
	enum ht_rc rc = HT_OK;
	for (unsigned i = 0; i < HT_ARRAY_LEN(defaults) && rc == HT_OK; i++)
		rc = set(c, defaults[i].name, defaults[i].value, err, err_len);
	return rc;
}

static enum ht_rc set_option(struct kafka_conf *c, const char *option, char *err, size_t err_len) {
	const char *equals = strchr(option, '=');
	char name[128];
	if (equals == NULL || equals == option || (size_t)(equals - option) >= sizeof(name))
		return bad(err, err_len, "kafka: %.60s: not name=value", option);
	memcpy(name, option, (size_t)(equals - option));
	name[equals - option] = '\0';
	for (unsigned i = 0; i < HT_ARRAY_LEN(ours); i++)
		if (strcmp(name, ours[i].name) == 0)
			return bad(err, err_len, "kafka: %s: %s", name, ours[i].why);
	const enum ht_rc rc = set(c, name, equals + 1, err, err_len);
	if (rc == HT_OK
	    && (strcmp(name, "message.timeout.ms") == 0 || strcmp(name, "delivery.timeout.ms") == 0
	    )) {
		const int ms = atoi(equals + 1);
		c->stall_ms = ms > 0 && ms < c->stall_ms ? ms : c->stall_ms;
	}
	c->own_log |= strcmp(name, "debug") == 0;
	return rc;
}

enum ht_rc
kafka_conf_make(struct kafka_conf *c, const struct ht_sink_options *o, char *err, size_t err_len) {
	char *brokers = NULL;
	memset(c, 0, sizeof(*c));
	c->stall_ms = 1000 * HT_KAFKA_STALL_S;
	if (o->encoding == HT_ENCODE_PROTOBUF && !HT_HAVE_PROTOBUF)
		return bad(err, err_len, "encoding: protobuf: built without protobuf-c");
	enum ht_rc rc = read_spec(c, o->to, &brokers, err, err_len);
	if (rc == HT_OK)
		rc = read_key(c, o->key, err, err_len);
	if (rc != HT_OK) {
		free(brokers);
		return rc;
	}
	c->conf = rd_kafka_conf_new();
	rc = set_defaults(c, o, err, err_len);
	if (rc == HT_OK)
		rc = set(c, "bootstrap.servers", brokers != NULL ? brokers : "", err, err_len);
	for (unsigned i = 0; i < o->kafka.num && rc == HT_OK; i++)
		rc = set_option(c, o->kafka.v[i], err, err_len);
	free(brokers);
	if (rc != HT_OK) {
		rd_kafka_conf_destroy(c->conf);
		c->conf = NULL;
	}
	return rc;
}
