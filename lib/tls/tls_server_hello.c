// SPDX-License-Identifier: BSD-3-Clause
// ServerHello bodies (RFC 8446 4.1.3, RFC 5246 7.4.1.3) and the names of alerts.

#include "reader.h"
#include "tls_answer.h"

enum {
	EXT_ALPN = 16,
	EXT_SERVER_CERTIFICATE_TYPE = 20,
	EXT_KEY_SHARE_DRAFT = 40, // before draft 23 of TLS 1.3
	EXT_PRE_SHARED_KEY = 41,
	EXT_SUPPORTED_VERSIONS = 43,
	EXT_KEY_SHARE = 51,
};

// RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest".
static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

// RFC 7301 3.1: the list holds exactly one name, which is not empty.
static bool read_alpn(struct ht_server_hello *h, struct ht_reader ext) {
	struct ht_reader list, name;
	if (!ht_vec16(&ext, &list) || ext.left.len != 0 || !ht_vec8(&list, &name)
	    || list.left.len != 0 || name.left.len == 0)
		return false;
	h->alpn = name.left;
	h->seen |= HT_SERVER_ALPN;
	return true;
}

// RFC 8446 4.2.8: a HelloRetryRequest has the group alone, a ServerHello a whole KeyShareEntry.
static bool read_key_share(struct ht_server_hello *h, struct ht_reader ext) {
	struct ht_reader key;
	uint16_t group;
	if (!ht_u16(&ext, &group))
		return false;
	if (!h->retry_request && !ht_vec16(&ext, &key))
		return false;
	if (ext.left.len != 0)
		return false;
	h->group = group;
	h->seen |= HT_SERVER_GROUP;
	return true;
}

static bool read_u16(uint16_t *out, struct ht_reader ext) {
	uint16_t v;
	if (!ht_u16(&ext, &v) || ext.left.len != 0)
		return false;
	*out = v;
	return true;
}

static bool read_extension(struct ht_server_hello *h, uint16_t type, struct ht_reader ext) {
	switch (type) {
	case EXT_ALPN:
		return read_alpn(h, ext);
	case EXT_SERVER_CERTIFICATE_TYPE: // RFC 7250 3: the one that was chosen
		if (ext.left.len != 1)
			return false;
		h->cert_type = ext.left.p[0];
		h->seen |= HT_SERVER_CERT_TYPE;
		return true;
	case EXT_KEY_SHARE:
		return read_key_share(h, ext);
	case EXT_KEY_SHARE_DRAFT:
		// The number was given back since: what does not read as a key share is none.
		if (!(h->seen & HT_SERVER_GROUP))
			(void)read_key_share(h, ext);
		return true;
	case EXT_PRE_SHARED_KEY: // RFC 8446 4.2.11
		if (!read_u16(&h->psk, ext))
			return false;
		h->seen |= HT_SERVER_PSK;
		return true;
	case EXT_SUPPORTED_VERSIONS: // RFC 8446 4.2.1
		if (!read_u16(&h->selected_version, ext))
			return false;
		h->seen |= HT_SERVER_SELECTED_VERSION;
		return true;
	default:
		return true;
	}
}

// The extensions that are all there are read even when the block is cut (`cut`).
static enum ht_rc read_extensions(struct ht_server_hello *h, struct ht_reader block, bool cut) {
	enum ht_rc worst = HT_OK;
	h->seen |= HT_SERVER_EXTENSIONS;
	while (block.left.len > 0) {
		const uint8_t *const at = block.left.p;
		uint16_t type;
		struct ht_reader ext;
		if (!ht_u16(&block, &type) || !ht_vec16(&block, &ext))
			return cut ? HT_MORE : HT_BAD;
		if (h->num_extensions == HT_SERVER_HELLO_MAX_EXTENSIONS)
			return HT_LIMIT;
		memcpy(h->extensions + 2 * h->num_extensions++, at, 2);
		// A fault inside one extension is bounded by its length: the others are still read.
		if (!read_extension(h, type, ext))
			worst = HT_BAD;
	}
	return worst != HT_OK ? worst : cut ? HT_MORE : HT_OK;
}

// Drafts 18 to 21 of TLS 1.3 named themselves in the version, and had neither a session id nor a
// compression method in the ServerHello.
static bool is_short_draft(uint16_t version) {
	return version >= 0x7f12 && version <= 0x7f15;
}

enum ht_rc ht_server_hello_parse(struct ht_server_hello *h, struct ht_span body) {
	struct ht_reader r = ht_reader(body), sid;
	h->seen = 0;
	h->retry_request = false;
	h->compression = 0;
	h->num_extensions = 0;
	h->session_id = HT_SPAN_EMPTY;
	if (!ht_u16(&r, &h->legacy_version))
		return HT_MORE;
	h->seen |= HT_SERVER_VERSION;
	const bool draft = is_short_draft(h->legacy_version);
	if (!ht_take(&r, 32, &h->random))
		return HT_MORE;
	h->retry_request = memcmp(h->random.p, retry_random, sizeof(retry_random)) == 0;
	if (!draft) {
		if (!ht_vec8(&r, &sid))
			return HT_MORE;
		h->session_id = sid.left;
	}
	if (!ht_u16(&r, &h->cipher) || (!draft && !ht_u8(&r, &h->compression)))
		return HT_MORE;
	h->seen |= HT_SERVER_BODY;
	if (h->session_id.len > 32)
		return HT_BAD;

	// RFC 5246 7.4.1.3: extensions may be absent; nothing else may follow.
	if (r.left.len == 0)
		return HT_OK;
	struct ht_reader block = r;
	uint16_t len;
	if (!ht_u16(&block, &len))
		return HT_MORE;
	if (len < block.left.len)
		return HT_BAD;
	return read_extensions(h, block, len > block.left.len);
}

uint16_t ht_server_hello_version(const struct ht_server_hello *h) {
	if (h->seen & HT_SERVER_SELECTED_VERSION)
		return h->selected_version;
	return h->seen & HT_SERVER_VERSION ? h->legacy_version : 0;
}

// IANA "TLS Alerts": RFC 8446 6, and what older versions had (RFC 6101 5.4, RFC 2246 7.2, RFC 4346
// 7.2, RFC 5246 7.2).
const char *ht_tls_alert_name(uint8_t description) {
	switch (description) {
	case 0:
		return "close_notify";
	case 10:
		return "unexpected_message";
	case 20:
		return "bad_record_mac";
	case 21:
		return "decryption_failed";
	case 22:
		return "record_overflow";
	case 30:
		return "decompression_failure";
	case 40:
		return "handshake_failure";
	case 41:
		return "no_certificate";
	case 42:
		return "bad_certificate";
	case 43:
		return "unsupported_certificate";
	case 44:
		return "certificate_revoked";
	case 45:
		return "certificate_expired";
	case 46:
		return "certificate_unknown";
	case 47:
		return "illegal_parameter";
	case 48:
		return "unknown_ca";
	case 49:
		return "access_denied";
	case 50:
		return "decode_error";
	case 51:
		return "decrypt_error";
	case 52: // RFC 9147 11
		return "too_many_cids_requested";
	case 60:
		return "export_restriction";
	case 70:
		return "protocol_version";
	case 71:
		return "insufficient_security";
	case 80:
		return "internal_error";
	case 86: // RFC 7507
		return "inappropriate_fallback";
	case 90:
		return "user_canceled";
	case 100:
		return "no_renegotiation";
	case 109:
		return "missing_extension";
	case 110: // RFC 6066
		return "unsupported_extension";
	case 111:
		return "certificate_unobtainable";
	case 112:
		return "unrecognized_name";
	case 113:
		return "bad_certificate_status_response";
	case 114:
		return "bad_certificate_hash_value";
	case 115: // RFC 4279
		return "unknown_psk_identity";
	case 116:
		return "certificate_required";
	case 117: // draft-ietf-tls-rfc8446bis
		return "general_error";
	case 120: // RFC 7301
		return "no_application_protocol";
	case 121: // Encrypted Client Hello
		return "ech_required";
	default:
		return NULL;
	}
}
