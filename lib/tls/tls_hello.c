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

// What is to be read in the body of an extension, and thereby where it waits for that.
enum content {
	CONTENT_NONE, // that it is there says all
	CONTENT_SERVER_NAME,
	CONTENT_ALPN,
	CONTENT_VERSIONS,
	CONTENT_GROUPS,
	CONTENT_SIG_ALGS,
	CONTENT_POINT_FORMATS,
	CONTENT_KEY_SHARE,
	CONTENT_KEY_SHARE_DRAFT,
	CONTENT_QUIC_PARAMETERS, // and what drafts of QUIC sent
	NUM_CONTENTS
};

struct known {
	uint32_t seen; // HT_SEEN_* when it is there
	uint8_t content;
};

static const struct known *known_of(uint16_t type) {
	static const struct known low[64] = {
		[EXT_SERVER_NAME] = {HT_SEEN_SNI_EXT, CONTENT_SERVER_NAME},
		[EXT_ALPN] = {0, CONTENT_ALPN},
		[EXT_SUPPORTED_VERSIONS] = {0, CONTENT_VERSIONS},
		[EXT_SUPPORTED_GROUPS] = {0, CONTENT_GROUPS},
		[EXT_SIGNATURE_ALGORITHMS] = {0, CONTENT_SIG_ALGS},
		[EXT_EC_POINT_FORMATS] = {0, CONTENT_POINT_FORMATS},
		[EXT_KEY_SHARE] = {0, CONTENT_KEY_SHARE},
		[EXT_KEY_SHARE_DRAFT] = {0, CONTENT_KEY_SHARE_DRAFT},
		[EXT_QUIC_PARAMETERS] = {0, CONTENT_QUIC_PARAMETERS},
		[EXT_PRE_SHARED_KEY] = {HT_SEEN_PSK, CONTENT_NONE},
		[EXT_EARLY_DATA] = {HT_SEEN_EARLY_DATA, CONTENT_NONE},
		[EXT_STATUS_REQUEST] = {HT_SEEN_STATUS_REQUEST, CONTENT_NONE},
		[EXT_SESSION_TICKET] = {HT_SEEN_SESSION_TICKET, CONTENT_NONE},
		[EXT_COOKIE] = {HT_SEEN_COOKIE, CONTENT_NONE},
	};
	static const struct known ech = {HT_SEEN_ECH, CONTENT_NONE};
	static const struct known quic_draft = {0, CONTENT_QUIC_PARAMETERS};
	static const struct known none = {0, CONTENT_NONE};
	return type < 64			   ? &low[type]
	       : type == EXT_ECH		   ? &ech
	       : type == EXT_QUIC_PARAMETERS_DRAFT ? &quic_draft
						   : &none;
}

static enum ht_rc
read_content(struct ht_hello *h, enum content content, uint16_t type, struct ht_reader ext) {
	bool ok = true;
	switch (content) {
	case CONTENT_SERVER_NAME:
		ok = read_sni(h, ext);
		break;
	case CONTENT_ALPN:
		ok = read_alpn(h, ext);
		break;
	case CONTENT_VERSIONS:
		ok = read_versions(h, ext);
		break;
	case CONTENT_GROUPS: // RFC 8446 4.2.7
		ok = read_u16_list(&h->groups, ext);
		if (ok)
			h->seen |= HT_SEEN_GROUPS;
		break;
	case CONTENT_SIG_ALGS: // RFC 8446 4.2.3
		ok = read_u16_list(&h->sig_algs, ext);
		if (ok)
			h->seen |= HT_SEEN_SIG_ALGS;
		break;
	case CONTENT_POINT_FORMATS:
		ok = read_point_formats(h, ext);
		break;
	case CONTENT_KEY_SHARE:
		return read_key_shares(h, ext);
	case CONTENT_KEY_SHARE_DRAFT:
		// Number 40 was given back by draft 23: what does not read as key shares is nothing
		// of ours, and a real key_share wins.
		if (!(h->seen & HT_SEEN_KEY_SHARE))
			(void)!read_key_shares(h, ext);
		break;
	case CONTENT_QUIC_PARAMETERS:
		if (type == EXT_QUIC_PARAMETERS)
			return read_quic_parameters(h, ext);
		// Drafts before 27 framed it otherwise, behind a 16-bit length of the whole: told
		// only where it reads as today.
		if (ext.left.len < 2 || ht_be16(ext.left.p) != ext.left.len - 2)
			(void)read_quic_parameters(h, ext);
		break;
	case CONTENT_NONE:
	case NUM_CONTENTS:
		break;
	}
	return ok ? HT_OK : HT_BAD;
}

// Extensions whose content was not read yet. Some clients (Chrome) shuffle them; kept like this
// they are read in one order all the same, whose branches a CPU learns: a fifth less for such a
// hello.
struct waiting {
	uint32_t contents; // a bit for each
	const uint8_t *at[NUM_CONTENTS]; // type, length and body, all of it there
	enum ht_rc worst; // the fault of the last extension that has one
	const uint8_t *worst_at;
};

static void read_waiting(struct ht_hello *h, struct waiting *w) {
	for (uint32_t left = w->contents; left != 0; left &= left - 1) {
		enum content content = (enum content)__builtin_ctz(left);
		const uint8_t *at = w->at[content];
		struct ht_reader ext = ht_reader(HT_SPAN(at + 4, ht_be16(at + 2)));
		// A fault inside one extension is bounded by its length: the others are still read.
		enum ht_rc rc = read_content(h, content, ht_be16(at), ext);
		if (rc != HT_OK && (w->worst == HT_OK || at > w->worst_at)) {
			w->worst = rc;
			w->worst_at = at;
		}
	}
	w->contents = 0;
}

// The headers of the extensions, to the end or to what is not right (HT_BAD). HT_LIMIT: there are
// more than are listed. Those behind them are read like the others: servers do so, too, and a
// server name there is one.
static enum ht_rc read_headers(struct ht_hello *h, struct waiting *w, struct ht_reader block) {
	uint32_t seen = HT_SEEN_EXTENSIONS;
	uint16_t num = 0;
	enum ht_rc rc = HT_OK;
	while (block.left.len > 0) {
		const uint8_t *const at = block.left.p;
		uint16_t type;
		struct ht_reader ext;
		if (!ht_u16(&block, &type) || !ht_vec16(&block, &ext)) {
			rc = rc == HT_OK ? HT_BAD : rc;
			break;
		}
		if (num < HT_HELLO_MAX_EXTENSIONS)
			memcpy(h->extensions + 2 * num++, at, 2);
		else
			rc = HT_LIMIT;
		const struct known *k = known_of(type);
		seen |= k->seen;
		// The same once more: among these the order counts.
		if (HT_UNLIKELY(w->contents >> k->content & 1))
			read_waiting(h, w);
		w->at[k->content] = at;
		w->contents |= 1u << k->content & ~(1u << CONTENT_NONE);
	}
	h->num_extensions = num;
	h->seen |= seen;
	return rc;
}

// The extensions that are all there are read even when the block is cut (`cut`).
static enum ht_rc read_extensions(struct ht_hello *h, struct ht_reader block, bool cut) {
	struct waiting w;
	w.contents = 0;
	w.worst = HT_OK;
	enum ht_rc rc = read_headers(h, &w, block);
	read_waiting(h, &w);
	if (rc != HT_OK)
		return cut ? HT_MORE : rc;
	return w.worst != HT_OK ? w.worst : cut ? HT_MORE : HT_OK;
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
