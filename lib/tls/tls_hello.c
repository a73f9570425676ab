// SPDX-License-Identifier: BSD-3-Clause
// The body of a ClientHello: RFC 8446 4.1.2, RFC 5246 7.4.1.2, RFC 6347 4.2.1, RFC 5246 E.2.

#include "reader.h"
#include "tls.h"

// Extension types: IANA TLS ExtensionType Values.
enum {
	EXT_SERVER_NAME = 0,
	EXT_STATUS_REQUEST = 5,
	EXT_SUPPORTED_GROUPS = 10,
	EXT_EC_POINT_FORMATS = 11,
	EXT_SIGNATURE_ALGORITHMS = 13,
	EXT_ALPN = 16,
	EXT_SESSION_TICKET = 35,
	EXT_PRE_SHARED_KEY = 41,
	EXT_EARLY_DATA = 42,
	EXT_SUPPORTED_VERSIONS = 43,
	EXT_COOKIE = 44,
	EXT_KEY_SHARE = 51,
	EXT_QUIC_PARAMETERS = 57,
	EXT_KEY_SHARE_DRAFT = 40, // drafts 16 to 22 of TLS 1.3
	EXT_QUIC_PARAMETERS_DRAFT = 0xffa5, // drafts up to 32 of QUIC
	EXT_ECH = 0xfe0d,
};

// RFC 6066 3: ServerName server_name_list<1..2^16-1>. The first host_name counts: "MUST NOT contain
// more than one name of the same name_type". An empty extension or list is kept as seen and without
// a name.
static bool read_sni(struct ht_hello *h, struct ht_reader ext) {
	struct ht_reader list, name;
	if (ext.left.len == 0)
		return true;
	if (!ht_vec16(&ext, &list) || ext.left.len != 0)
		return false;
	while (list.left.len > 0) {
		uint8_t type;
		if (!ht_u8(&list, &type) || !ht_vec16(&list, &name))
			return false;
		if (type == 0 && !h->sni_name) {
			h->sni_name = true;
			h->sni = name.left;
			h->seen |= HT_SEEN_SNI;
		}
	}
	return true;
}

// RFC 7301 3.1: ProtocolName protocol_name_list<2..2^16-1>, each name 1 to 255 bytes. An empty name
// is forbidden there but does not hide the others.
static bool read_alpn(struct ht_hello *h, struct ht_reader ext) {
	struct ht_reader list, name;
	if (!ht_vec16(&ext, &list) || ext.left.len != 0)
		return false;
	struct ht_span all = list.left;
	while (list.left.len > 0)
		if (!ht_vec8(&list, &name))
			return false;
	h->alpn = all;
	h->seen |= HT_SEEN_ALPN;
	return true;
}

// A vector of 16-bit numbers behind a 2-byte length, nothing after it.
static bool read_u16_list(struct ht_span *out, struct ht_reader ext) {
	struct ht_reader list;
	if (!ht_vec16(&ext, &list) || ext.left.len != 0 || list.left.len % 2 != 0)
		return false;
	*out = list.left;
	return true;
}

// RFC 8446 4.2.1: ProtocolVersion versions<2..254>.
static bool read_versions(struct ht_hello *h, struct ht_reader ext) {
	struct ht_reader list;
	if (!ht_vec8(&ext, &list) || ext.left.len != 0 || list.left.len % 2 != 0)
		return false;
	h->versions = list.left;
	h->seen |= HT_SEEN_VERSIONS;
	return true;
}

// RFC 8422 5.1.2: ECPointFormat ec_point_format_list<1..2^8-1>.
static bool read_point_formats(struct ht_hello *h, struct ht_reader ext) {
	struct ht_reader list;
	if (!ht_vec8(&ext, &list) || ext.left.len != 0)
		return false;
	h->point_formats = list.left;
	h->seen |= HT_SEEN_POINT_FORMATS;
	return true;
}

// RFC 8446 4.2.8: KeyShareEntry client_shares<0..2^16-1>.
static enum ht_rc read_key_shares(struct ht_hello *h, struct ht_reader ext) {
	struct ht_reader list, key;
	if (!ht_vec16(&ext, &list) || ext.left.len != 0)
		return HT_BAD;
	// Kept only when all of it reads: what stands there of an earlier one stays otherwise.
	uint8_t groups[sizeof(h->key_shares)];
	uint16_t num = 0;
	while (list.left.len > 0) {
		uint16_t group;
		if (!ht_u16(&list, &group) || !ht_vec16(&list, &key))
			return HT_BAD;
		if (num == HT_HELLO_MAX_KEY_SHARES)
			return HT_LIMIT;
		ht_put_be16(groups + 2 * num++, group);
	}
	memcpy(h->key_shares, groups, 2 * (size_t)num);
	h->num_key_shares = num;
	h->seen |= HT_SEEN_KEY_SHARE;
	return HT_OK;
}

// RFC 9000 18: a sequence of (id, length, value), all lengths variable-length integers.
static enum ht_rc read_quic_parameters(struct ht_hello *h, struct ht_reader ext) {
	struct ht_span all = ext.left, value, agent = HT_SPAN_EMPTY;
	uint8_t ids[sizeof(h->quic_ids)];
	size_t ids_len = 0;
	while (ext.left.len > 0) {
		struct ht_reader from = ext;
		uint64_t id, len;
		if (!ht_varint(&ext, &id))
			return HT_BAD;
		size_t id_len = from.left.len - ext.left.len;
		if (!ht_varint(&ext, &len) || len > ext.left.len
		    || !ht_take(&ext, (size_t)len, &value))
			return HT_BAD;
		if (ids_len + id_len > sizeof(ids))
			return HT_LIMIT;
		memcpy(ids + ids_len, from.left.p, id_len);
		ids_len += id_len;
		if (id == 0x3129) // google_user_agent, google/quiche
			agent = value;
	}
	memcpy(h->quic_ids, ids, ids_len);
	h->quic_ids_len = (uint16_t)ids_len;
	h->quic_user_agent = agent;
	h->quic_parameters = all;
	h->seen |= HT_SEEN_QUIC_PARAMETERS;
	return HT_OK;
}

static enum ht_rc read_extension(struct ht_hello *h, uint16_t type, struct ht_reader ext) {
	bool ok = true;
	switch (type) {
	case EXT_SERVER_NAME:
		h->seen |= HT_SEEN_SNI_EXT;
		ok = read_sni(h, ext);
		break;
	case EXT_ALPN:
		ok = read_alpn(h, ext);
		break;
	case EXT_SUPPORTED_VERSIONS:
		ok = read_versions(h, ext);
		break;
	case EXT_SUPPORTED_GROUPS: // RFC 8446 4.2.7
		ok = read_u16_list(&h->groups, ext);
		if (ok)
			h->seen |= HT_SEEN_GROUPS;
		break;
	case EXT_SIGNATURE_ALGORITHMS: // RFC 8446 4.2.3
		ok = read_u16_list(&h->sig_algs, ext);
		if (ok)
			h->seen |= HT_SEEN_SIG_ALGS;
		break;
	case EXT_EC_POINT_FORMATS:
		ok = read_point_formats(h, ext);
		break;
	case EXT_KEY_SHARE:
		return read_key_shares(h, ext);
	case EXT_KEY_SHARE_DRAFT:
		// Number 40 was given back by draft 23: what does not read as key shares is nothing
		// of ours, and a real key_share wins.
		if (!(h->seen & HT_SEEN_KEY_SHARE))
			(void)!read_key_shares(h, ext);
		return HT_OK;
	case EXT_QUIC_PARAMETERS:
		return read_quic_parameters(h, ext);
	case EXT_QUIC_PARAMETERS_DRAFT:
		// Drafts before 27 framed it otherwise, behind a 16-bit length of the whole: told
		// only where it reads as today.
		if (ext.left.len < 2 || ht_be16(ext.left.p) != ext.left.len - 2)
			(void)read_quic_parameters(h, ext);
		break;
	case EXT_PRE_SHARED_KEY:
		h->seen |= HT_SEEN_PSK;
		break;
	case EXT_EARLY_DATA:
		h->seen |= HT_SEEN_EARLY_DATA;
		break;
	case EXT_STATUS_REQUEST:
		h->seen |= HT_SEEN_STATUS_REQUEST;
		break;
	case EXT_SESSION_TICKET:
		h->seen |= HT_SEEN_SESSION_TICKET;
		break;
	case EXT_ECH:
		h->seen |= HT_SEEN_ECH;
		break;
	case EXT_COOKIE:
		h->seen |= HT_SEEN_COOKIE;
		break;
	default:
		break;
	}
	return ok ? HT_OK : HT_BAD;
}

// The extensions that are all there are read in order even when the block is cut (`cut`).
static enum ht_rc read_extensions(struct ht_hello *h, struct ht_reader block, bool cut) {
	h->seen |= HT_SEEN_EXTENSIONS;
	enum ht_rc worst = HT_OK;
	while (block.left.len > 0) {
		uint16_t type;
		struct ht_reader ext;
		if (!ht_u16(&block, &type) || !ht_vec16(&block, &ext))
			return cut ? HT_MORE : HT_BAD;
		if (h->num_extensions == HT_HELLO_MAX_EXTENSIONS)
			return HT_LIMIT;
		ht_put_be16(h->extensions + 2 * h->num_extensions++, type);
		// A fault inside one extension is bounded by its length: the others are still read.
		enum ht_rc rc = read_extension(h, type, ext);
		if (rc != HT_OK)
			worst = rc;
	}
	return worst != HT_OK ? worst : cut ? HT_MORE : HT_OK;
}

// RFC 8446 4.1.2 struct ClientHello; RFC 6347 4.2.1 puts the cookie behind the session id.
static enum ht_rc parse_tls(struct ht_hello *h, struct ht_reader r) {
	struct ht_reader sid, cookie, ciphers, compression;
	if (!ht_u16(&r, &h->legacy_version))
		return HT_MORE;
	h->seen |= HT_SEEN_VERSION;
	if (!ht_take(&r, 32, &h->random) || !ht_vec8(&r, &sid))
		return HT_MORE;
	h->session_id = sid.left;
	if (h->kind == HT_HELLO_DTLS) {
		if (!ht_vec8(&r, &cookie))
			return HT_MORE;
		h->cookie = cookie.left;
	}
	if (!ht_vec16(&r, &ciphers))
		return HT_MORE;
	h->ciphers = ciphers.left;
	if (ciphers.left.len % 2 != 0)
		return HT_BAD;
	if (!ht_vec8(&r, &compression))
		return HT_MORE;
	h->compression = compression.left;
	h->seen |= HT_SEEN_BODY;
	if (sid.left.len > 32) // opaque legacy_session_id<0..32>
		return HT_BAD;

	// RFC 5246 7.4.1.2: extensions may be absent; nothing else may follow.
	if (r.left.len == 0)
		return HT_OK;
	struct ht_reader block = r;
	uint16_t len;
	if (!ht_u16(&block, &len))
		return HT_MORE;
	if (len > block.left.len)
		return read_extensions(h, block, true);
	if (len < block.left.len)
		return HT_BAD;
	return read_extensions(h, block, false);
}

// RFC 5246 E.2: msg_type 1, version, three lengths, cipher specs of 3 bytes, session id, challenge.
static enum ht_rc parse_ssl2(struct ht_hello *h, struct ht_reader r) {
	uint8_t type;
	uint16_t num_ciphers, sid_len, challenge_len;
	if (!ht_u8(&r, &type) || !ht_u16(&r, &h->legacy_version))
		return HT_MORE;
	h->seen |= HT_SEEN_VERSION;
	if (!ht_u16(&r, &num_ciphers) || !ht_u16(&r, &sid_len) || !ht_u16(&r, &challenge_len)
	    || !ht_take(&r, num_ciphers, &h->ciphers) || !ht_take(&r, sid_len, &h->session_id)
	    || !ht_take(&r, challenge_len, &h->random))
		return HT_MORE;
	if (type != 1 || num_ciphers % 3 != 0 || sid_len > 32 || r.left.len != 0)
		return HT_BAD;
	h->seen |= HT_SEEN_BODY;
	return HT_OK;
}

enum ht_rc ht_hello_parse(struct ht_hello *h, enum ht_hello_kind kind, struct ht_span body) {
	h->seen = 0;
	h->kind = (uint8_t)kind;
	h->sni_name = false;
	h->num_extensions = 0;
	h->num_key_shares = 0;
	h->cookie = HT_SPAN_EMPTY;
	h->compression = HT_SPAN_EMPTY; // SSL 2.0 has none
	h->quic_user_agent = HT_SPAN_EMPTY;
	struct ht_reader r = ht_reader(body);
	return kind == HT_HELLO_SSL2 ? parse_ssl2(h, r) : parse_tls(h, r);
}

// Newer versions get a higher rank. DTLS numbers count down (RFC 6347 4.1), and 0x0100 is what
// OpenSSL sent before RFC 4347 was final.
static unsigned version_rank(uint16_t v) {
	if (v == 0x0100)
		return 0xff00;
	return v >> 8 == 0xfe ? 0x10000u + (0xffffu - v) : v;
}

// Drafts of TLS 1.3 offered 0x7f00 + draft number (RFC 8446 4.2.1 as of draft 28).
static uint16_t final_version(uint16_t v) {
	return v >> 8 == 0x7f ? 0x0304 : v;
}

uint16_t ht_hello_version(const struct ht_hello *h) {
	if (!(h->seen & HT_SEEN_VERSIONS))
		return h->seen & HT_SEEN_VERSION ? h->legacy_version : 0;
	uint16_t best = 0;
	for (size_t i = 0; i + 1 < h->versions.len; i += 2) {
		uint16_t v = ht_be16(h->versions.p + i);
		if (!ht_is_grease(v) && version_rank(v) > version_rank(best))
			best = v;
	}
	return best;
}

const char *ht_tls_version_name(uint16_t version) {
	switch (final_version(version)) {
	case 0x0002:
		return "SSL 2.0";
	case 0x0300:
		return "SSL 3.0";
	case 0x0301:
		return "TLS 1.0";
	case 0x0302:
		return "TLS 1.1";
	case 0x0303:
		return "TLS 1.2";
	case 0x0304:
		return "TLS 1.3";
	case 0x0100:
	case 0xfeff:
		return "DTLS 1.0";
	case 0xfefd:
		return "DTLS 1.2";
	case 0xfefc:
		return "DTLS 1.3";
	default:
		return NULL;
	}
}

bool ht_group_is_pq(uint16_t group) {
	switch (group) {
	case 0x0200: // MLKEM512
	case 0x0201: // MLKEM768
	case 0x0202: // MLKEM1024
	case 0x11eb: // SecP256r1MLKEM768
	case 0x11ec: // X25519MLKEM768
	case 0x11ed: // SecP384r1MLKEM1024
	case 0x11ee: // curveSM2MLKEM768
	case 0x6399: // X25519Kyber768Draft00
	case 0x639a: // SecP256r1Kyber768Draft00
	case 0xfe30: // X25519Kyber512Draft00
	case 0xfe31: // X25519Kyber768Draft00, private use before 0x6399
	case 0xfe32: // P256Kyber768Draft00, private use before 0x639a
	case 0x4138: // CECPQ2
		return true;
	default:
		return false;
	}
}
