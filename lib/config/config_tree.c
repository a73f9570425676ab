// SPDX-License-Identifier: BSD-3-Clause
// A text read into a tree. Events of libyaml and not its documents: these resolve aliases, and
// their nodes are in no bound; and libyaml 0.2.5 has no bound for the depth either.

#include "config_int.h"
#include "ht_config.h"

#include <stdlib.h>

bool ht_node_is_null(const struct ht_node *n) {
	return n->kind == HT_NODE_SCALAR && n->plain
	       && (n->len == 0 || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0
		   || strcmp(n->text, "Null") == 0 || strcmp(n->text, "NULL") == 0);
}

#if !HT_HAVE_YAML

enum ht_rc ht_config_tree(
	struct ht_node **top,
	struct ht_pool *pool,
	struct ht_span text,
	struct ht_config_errors *errors
) {
	(void)pool;
	(void)text;
	*top = NULL;
	ht_config_complain(errors, (struct ht_config_pos){0}, "built without libyaml");
	return HT_ERROR;
}

#else

#include <yaml.h>

struct reading {
	yaml_parser_t parser;
	struct ht_pool *pool;
	struct ht_span text;
	struct ht_config_errors *errors;
};

static struct ht_config_pos pos_of(yaml_mark_t m) {
	return (struct ht_config_pos){(uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

static enum ht_rc no_memory(struct reading *r) {
	ht_config_complain(r->errors, (struct ht_config_pos){0}, "out of memory");
	return HT_ERROR;
}

// Whether a line is indented with a tab, which is a common slip that libyaml does not name.
static bool has_tab(struct ht_span text, size_t line) {
	const char *p = (const char *)text.p, *end = p + text.len;
	for (; line > 0 && p < end; p++)
		line -= *p == '\n';
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t';
}

static enum ht_rc syntax_error(struct reading *r) {
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	char began[32] = "";
	if (p->context != NULL && p->context_mark.line != p->problem_mark.line)
		snprintf(began, sizeof(began), " from line %zu on", p->context_mark.line + 1);
	ht_config_complain(
		r->errors, pos_of(p->problem_mark), "%s%s%s%s%s",
		p->problem != NULL ? p->problem : "no YAML", p->context != NULL ? ", " : "",
		p->context != NULL ? p->context : "", began,
		has_tab(r->text, p->problem_mark.line) ? " (a tab cannot indent: use spaces)" : ""
	);
	return HT_BAD;
}

// The caller deletes the event, of HT_OK alone.
static enum ht_rc next_event(struct reading *r, yaml_event_t *e) {
	return yaml_parser_parse(&r->parser, e) ? HT_OK : syntax_error(r);
}

// --- nodes --------------------------------------------------------------------------------------

static enum ht_rc read_node(struct reading *r, unsigned depth, struct ht_node **out);

static void refuse_extras(
	struct reading *r,
	struct ht_config_pos at,
	const yaml_char_t *anchor,
	const yaml_char_t *tag
) {
	if (anchor != NULL)
		ht_config_complain(r->errors, at, "anchors (&) are refused");
	if (tag != NULL)
		ht_config_complain(r->errors, at, "tags (!) are refused: the option has its type");
}

static enum ht_rc take_scalar(struct reading *r, const yaml_event_t *e, struct ht_node *n) {
	const char *v = (const char *)e->data.scalar.value;
	const size_t len = e->data.scalar.length;
	n->kind = HT_NODE_SCALAR;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(v, '\0', len) != NULL) {
		ht_config_complain(r->errors, n->pos, "a NUL in a text is refused");
		n->kind = HT_NODE_REFUSED;
		return HT_OK;
	}
	char *text = ht_pool_get(r->pool, len + 1);
	if (text == NULL)
		return no_memory(r);
	memcpy(text, v, len);
	n->text = text;
	n->len = len;
	return HT_OK;
}

static enum ht_rc take_children(struct reading *r, struct ht_node *n, unsigned depth) {
	if (depth >= HT_CONFIG_DEPTH_MAX) {
		ht_config_complain(
			r->errors, n->pos, "nested deeper than %u levels", HT_CONFIG_DEPTH_MAX
		);
		return HT_BAD;
	}
	enum ht_rc rc;
	for (struct ht_node **at = &n->first; (rc = read_node(r, depth + 1, at)) == HT_OK;) {
		struct ht_node *child = *at;
		if (n->kind == HT_NODE_MAPPING) {
			rc = read_node(r, depth + 1, &child->value);
			if (rc != HT_OK)
				return rc;
		}
		n->num++;
		at = &child->next;
	}
	return rc == HT_SKIP ? HT_OK : rc;
}

// HT_SKIP: the event ends what the node would be in.
static enum ht_rc
take_node(struct reading *r, const yaml_event_t *e, unsigned depth, struct ht_node **out) {
	if (e->type == YAML_SEQUENCE_END_EVENT || e->type == YAML_MAPPING_END_EVENT)
		return HT_SKIP;
	struct ht_node *n = ht_pool_get(r->pool, sizeof(*n));
	if (n == NULL)
		return no_memory(r);
	*out = n;
	n->pos = pos_of(e->start_mark);
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		refuse_extras(r, n->pos, e->data.scalar.anchor, e->data.scalar.tag);
		return take_scalar(r, e, n);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(r, n->pos, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		n->kind = HT_NODE_LIST;
		return take_children(r, n, depth);
	case YAML_MAPPING_START_EVENT:
		refuse_extras(r, n->pos, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		n->kind = HT_NODE_MAPPING;
		return take_children(r, n, depth);
	default: // an alias: nothing else begins a node
		ht_config_complain(r->errors, n->pos, "aliases (*) are refused");
		n->kind = HT_NODE_REFUSED;
		return HT_OK;
	}
}

static enum ht_rc read_node(struct reading *r, unsigned depth, struct ht_node **out) {
	yaml_event_t e;
	enum ht_rc rc = next_event(r, &e);
	if (rc != HT_OK)
		return rc;
	rc = take_node(r, &e, depth, out);
	if (rc == HT_SKIP)
		*out = NULL;
	yaml_event_delete(&e);
	return rc;
}

// --- the stream ---------------------------------------------------------------------------------

// A file without a document is one with an empty document.
static enum ht_rc no_document(struct reading *r, struct ht_node **top) {
	*top = ht_pool_get(r->pool, sizeof(**top));
	if (*top == NULL)
		return no_memory(r);
	**top = (struct ht_node){HT_NODE_SCALAR, .plain = true, .pos = {1, 1}, .text = ""};
	return HT_OK;
}

static enum ht_rc read_stream(struct reading *r, struct ht_node **top) {
	for (;;) {
		yaml_event_t e;
		enum ht_rc rc = next_event(r, &e);
		if (rc != HT_OK)
			return rc;
		const yaml_event_type_t type = e.type;
		const struct ht_config_pos pos = pos_of(e.start_mark);
		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT)
			return *top != NULL ? HT_OK : no_document(r, top);
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (*top != NULL) {
			ht_config_complain(
				r->errors, pos, "a second document begins here; a file has one"
			);
			return HT_BAD;
		}
		rc = read_node(r, 0, top);
		if (rc != HT_OK)
			return rc;
	}
}

enum ht_rc ht_config_tree(
	struct ht_node **top,
	struct ht_pool *pool,
	struct ht_span text,
	struct ht_config_errors *errors
) {
	struct reading r = {.pool = pool, .text = text, .errors = errors};
	*top = NULL;
	if (!yaml_parser_initialize(&r.parser))
		return no_memory(&r);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, text.p, text.len);
	enum ht_rc rc = read_stream(&r, top);
	yaml_parser_delete(&r.parser);
	return rc;
}

#endif
