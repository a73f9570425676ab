// SPDX-License-Identifier: BSD-3-Clause

#include "findings_build.h"

#include <stdlib.h>

// --- fields -------------------------------------------------------------------------------------

const char *field_name(unsigned field) {
	return field < HT_NUM_FIELDS	    ? ht_fields[field].name
	       : field == FIELD_COMPRESSION ? "compression"
					    : NULL;
}

static enum kind type_kind(enum ht_type type) {
	switch (type) {
	case HT_TYPE_U8:
		return KIND_U8;
	case HT_TYPE_U16:
		return KIND_U16;
	case HT_TYPE_U32:
		return KIND_U32;
	case HT_TYPE_STR:
		return KIND_WORD;
	case HT_TYPE_TEXT:
	case HT_TYPE_ASCII:
		return KIND_TEXT;
	case HT_TYPE_U16S:
		return KIND_U16S;
	case HT_TYPE_U8S:
		return KIND_U8S;
	case HT_TYPE_NAMES:
		return KIND_NAMES;
	case HT_TYPE_STRS:
		return KIND_WORDS;
	default:
		return KIND_NONE;
	}
}

// A policy sees what the sensor says of a hello. Findings, and what is added to the record behind
// them, are not there yet; where a frame stands in its file says nothing of a client.
enum kind field_kind(unsigned field, bool *hidden) {
	*hidden = false;
	if (field == FIELD_COMPRESSION)
		return KIND_U8S;
	if (field == HT_FIELD_tls_version)
		return KIND_VERSION;
	const struct ht_field *f = &ht_fields[field];
	const ht_fieldset not_seen = HT_HAS(findings) | HT_HAS(matches) | HT_HAS(frame);
	*hidden = !(f->kinds & HT_KIND_HELLO) || f->kinds == HT_KINDS_ALL
		  || (not_seen >> field & 1) != 0;
	return *hidden ? KIND_NONE : type_kind((enum ht_type)f->type);
}

// What follows is known of an incomplete hello, too.
bool field_of_hello(unsigned field) {
	const ht_fieldset connection
		= HT_HAS(src_ip) | HT_HAS(src_port) | HT_HAS(dst_ip) | HT_HAS(dst_port)
		  | HT_HAS(src_mac) | HT_HAS(dst_mac) | HT_HAS(transport) | HT_HAS(community_id)
		  | HT_HAS(encap) | HT_HAS(service) | HT_HAS(protocol) | HT_HAS(via)
		  | HT_HAS(complete) | HT_HAS(incomplete_reason) | HT_HAS(hello_number)
		  | HT_HAS(quic_version) | HT_HAS(quic_dcid) | HT_HAS(quic_scid);
	return field == FIELD_COMPRESSION || !(connection >> field & 1);
}

// By the versions that they are alike to: DTLS 1.0 is TLS 1.1 (RFC 4347), DTLS 1.2 TLS 1.2.
uint32_t version_rank(const char *word, size_t len) {
	const bool dtls = len == 8 && word[0] == 'D';
	if (len != (dtls ? 8u : 7u)
	    || memcmp(word + dtls, word[dtls] == 'S' ? "SSL " : "TLS ", 4) != 0
	    || word[dtls + 5] != '.')
		return 0;
	const char major = word[dtls + 4], minor = word[dtls + 6];
	if (word[dtls] == 'S')
		return !dtls && minor == '0' && (major == '2' || major == '3')
			       ? (uint32_t)(major - '0') << 8
			       : 0;
	if (major != '1' || minor < '0' || minor > '3' || (dtls && minor == '1'))
		return 0;
	return 0x0301u + (uint32_t)(minor - '0') + (dtls && minor == '0');
}

const char *ht_policy_field(const struct ht_field *f) {
	bool hidden;
	const enum kind kind = field_kind((unsigned)(f - ht_fields), &hidden);
	if (f->type == HT_TYPE_FLAG)
		return "";
	if (hidden)
		return NULL;
	return kind == KIND_NONE			    ? ""
	       : kind_is_list(kind) && kind_is_text(kind)   ? "any"
	       : kind_is_list(kind)			    ? "any all"
	       : kind_is_text(kind) && kind != KIND_VERSION ? "= != in"
							    : "= != < <= > >= in";
}

const char *ht_policy_predicate(unsigned i, const char **help) {
	static const char *const all[][2] = {
#define P(id, name, text) {#name, text},
		PREDICATES(P)
#undef P
	};
	if (i >= NUM_PREDICATES)
		return NULL;
	*help = all[i][1];
	return all[i][0];
}

// --- a policy -----------------------------------------------------------------------------------

unsigned ht_policy_num(const struct ht_policy *p) {
	return p->num_findings;
}

const struct ht_finding *ht_policy_finding(const struct ht_policy *p, unsigned i) {
	return &p->finding[i];
}

void ht_policy_free(struct ht_policy *p) {
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->num_sources; i++) {
		struct source *s = &p->source[i];
		if (s->numbers != NULL) {
			free(s->numbers->classes);
			free(s->numbers->high);
		}
		if (s->texts != NULL)
			free(s->texts->text);
		free(s->numbers);
		free(s->texts);
	}
	free(p->term);
	free(p->part);
	free(p->texts);
	free(p);
}

static void build_free(struct build *b) {
	if (b == NULL)
		return;
	free(b->set);
	free(b->range);
	free(b->text);
	free(b->node);
	free(b->fact);
	free(b->term);
	free(b);
}

static struct build *build_new(struct ht_span text, struct ht_policy_report *rep) {
	struct build *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->rep = rep;
	b->policy = calloc(1, sizeof(*b->policy));
	b->set = calloc(HT_POLICY_SETS_MAX, sizeof(b->set[0]));
	b->range = calloc(HT_POLICY_RANGES_MAX, sizeof(b->range[0]));
	b->text = calloc(HT_POLICY_TEXTS_MAX, sizeof(b->text[0]));
	b->node = calloc(HT_POLICY_NODES_MAX, sizeof(b->node[0]));
	b->fact = calloc(MAX_FACTS, sizeof(b->fact[0]));
	b->term = calloc(MAX_TERMS, sizeof(b->term[0]));
	// A byte of a text that is read is kept once, and in a condition once more with a blank.
	b->max_bytes = 4 * (text.len + ht_policy_default().len + 64);
	b->bytes = malloc(b->max_bytes);
	if (b->policy != NULL)
		b->policy->texts = b->bytes;
	if (b->policy != NULL && b->set != NULL && b->range != NULL && b->text != NULL
	    && b->node != NULL && b->fact != NULL && b->term != NULL && b->bytes != NULL)
		return b;
	if (b->policy == NULL)
		free(b->bytes);
	ht_policy_free(b->policy);
	build_free(b);
	return NULL;
}

static void of_connection(struct ht_policy *p) {
	bool hidden;
	for (unsigned i = 0; i < HT_NUM_FIELDS; i++) {
		field_kind(i, &hidden);
		if (!hidden && !field_of_hello(i))
			p->of_connection |= (ht_fieldset)1 << i;
	}
}

struct ht_span ht_policy_default(void) {
	return HT_SPAN(findings_default, findings_default_len);
}

enum ht_rc ht_policy_parse(
	struct ht_policy **out,
	struct ht_span text,
	const struct ht_services *services,
	struct ht_policy_report *rep
) {
	*out = NULL;
	*rep = (struct ht_policy_report){0};
	if (text.len > HT_POLICY_BYTES_MAX) {
		rep->errors[rep->num++]
			= (struct ht_policy_error){1, 1, false, "a policy is 1 MiB at the most"};
		return HT_BAD;
	}
	struct build *b = build_new(text, rep);
	if (b == NULL)
		return HT_ERROR;
	struct ht_policy *p = b->policy;
	b->services = services;
	policy_read(b, text);
	policy_terms(b);
	if (rep->num == 0)
		policy_tables(b);
	of_connection(p);
	const enum ht_rc rc = b->no_memory ? HT_ERROR : rep->num > 0 ? HT_BAD : HT_OK;
	build_free(b);
	if (rc == HT_OK)
		*out = p;
	else
		ht_policy_free(p);
	return rc;
}
