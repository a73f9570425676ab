// SPDX-License-Identifier: BSD-3-Clause
// Options of an output: behind the ? of a spec, copied, compared, checked.

#include "config.h"
#include "delivery.h"
#include "spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void *at(const struct ht_option *o, const void *values) {
	return (char *)(uintptr_t)values + o->offset;
}

const struct ht_link_ops *ht_link_of(const char *to) {
	for (const struct ht_link_ops *const *k = ht_link_kinds; *k != NULL; k++) {
		const size_t len = strlen((*k)->name);
		if (strncmp(to, (*k)->name, len) != 0)
			continue;
		if ((*k)->url ? strncmp(to + len, "://", 3) == 0
			      : to[len] == ':' || to[len] == '\0')
			return *k;
	}
	return NULL;
}

// The kind that a spec without one was most likely to have, or NULL; *rest is what belongs behind
// it.
static const struct ht_link_ops *meant(const char *to, const char **rest) {
	const size_t len = strcspn(to, ":=/?");
	const char *const dot = strrchr(to, '.');
	*rest = to + len + strspn(to + len, ":=/");
	if (len == strlen("ipfix") && strncasecmp(to, "ipfix", len) == 0)
		return ht_link_of("ipfix+tcp://");
	for (const struct ht_link_ops *const *k = ht_link_kinds; *k != NULL; k++) {
		if (strlen((*k)->name) != len || strncasecmp(to, (*k)->name, len) != 0)
			continue;
		if (!(*k)->url && to[len] != '\0') // a path begins behind the first one
			*rest = to + len + 1;
		return *k;
	}
	*rest = to;
	return dot != NULL && strstr(to, "://") == NULL ? ht_link_of(dot + 1) : NULL;
}

static enum ht_rc no_kind(const char *to, char *err, size_t err_len) {
	const char *rest;
	const struct ht_link_ops *ops = meant(to, &rest);
	size_t n = (size_t)snprintf(err, err_len, "%s: no such kind of output:", to);
	if (ops != NULL && n < err_len) {
		snprintf(
			err + n, err_len - n, " did you mean %s%s%s?", ops->name,
			ops->url	  ? "://"
			: rest[0] != '\0' ? ":"
					  : "",
			rest
		);
		return HT_BAD;
	}
	for (unsigned i = 0; ht_link_kinds[i] != NULL && n < err_len; i++)
		n += (size_t)snprintf(
			err + n, err_len - n, "%s %s%s", i > 0 ? "," : "", ht_link_kinds[i]->name,
			ht_link_kinds[i]->url ? "://" : "[:PATH]"
		);
	return HT_BAD;
}

// --- a spec -------------------------------------------------------------------------------------

static const struct ht_option *option_of(const char *name, size_t len) {
	for (unsigned i = 0; i < ht_sink_options_table.num; i++) {
		const struct ht_option *o = &ht_sink_options_table.options[i];
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}

// How long a name of an option is that a text begins with: right or mistyped.
static size_t word(const char *text) {
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
}

// The ? before the options of a spec, or NULL: a path may have a ? as well. One that looks like the
// name of an option and is none is no path: who mistypes one would have a file of that name.
static const char *options_in(const char *spec) {
	const char *mark = strrchr(spec, '?');
	if (mark == NULL)
		return NULL;
	const size_t len = word(mark + 1);
	const char end = mark[1 + len];
	const bool all = end == '\0' && (len == 0 || option_of(mark + 1, len) != NULL);
	return all || (len > 0 && (end == '=' || end == '&')) ? mark : NULL;
}

// Whether a path goes on with an option of an output behind a &: the ? was forgotten.
static bool lacks_mark(const char *to) {
	for (const char *p = to; (p = strchr(p, '&')) != NULL;) {
		const size_t len = word(++p);
		if (p[len] == '=' && option_of(p, len) != NULL)
			return true;
	}
	return false;
}

// Decodes %XX in place. False: there is a % without two digits, or a zero.
static bool decode(char *text) {
	char *out = text;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '%') {
			*out++ = *p;
			continue;
		}
		uint8_t byte;
		if (!ht_unhex(&byte, 1, p + 1) || byte == 0)
			return false;
		*out++ = (char)byte;
		p += 2;
	}
	*out = '\0';
	return true;
}

struct reader {
	struct ht_sink_options *to;
	const char **texts; // room for the lists that were not named yet
	const char *spec;
	char *err;
	size_t err_len;
};

static enum ht_rc wrong(const struct reader *r, const struct ht_option *o, const char *value) {
	size_t n = (size_t)snprintf(r->err, r->err_len, "%s: %s=%s: ", r->spec, o->name, value);
	if (n >= r->err_len)
		return HT_BAD;
	if (o->type == HT_OPTION_U32) {
		snprintf(r->err + n, r->err_len - n, "must be %u to %u", o->least, o->most);
		return HT_BAD;
	}
	n += (size_t)snprintf(r->err + n, r->err_len - n, "must be");
	for (unsigned i = 0; o->choices[i] != NULL && n < r->err_len; i++)
		n += (size_t
		)snprintf(r->err + n, r->err_len - n, "%s %s", i > 0 ? " or" : "", o->choices[i]);
	return HT_BAD;
}

static enum ht_rc
read_number(const struct reader *r, const struct ht_option *o, const char *value) {
	char *end;
	errno = 0;
	const unsigned long long v = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || v < o->least
	    || v > o->most)
		return wrong(r, o, value);
	*(uint32_t *)at(o, r->to) = (uint32_t)v;
	return HT_OK;
}

static enum ht_rc
read_choice(const struct reader *r, const struct ht_option *o, const char *value) {
	for (uint32_t i = 0; o->choices[i] != NULL; i++)
		if (strcmp(o->choices[i], value) == 0) {
			*(uint32_t *)at(o, r->to) = i;
			return HT_OK;
		}
	return wrong(r, o, value);
}

// Each list has room for its most elements, from when it is named first.
static enum ht_rc read_list(struct reader *r, const struct ht_option *o, char *value) {
	struct ht_option_texts *const list = at(o, r->to);
	if (list->num == 0) {
		list->v = r->texts;
		r->texts += o->max;
	}
	for (char *next; value != NULL; value = next) {
		next = strchr(value, ',');
		if (next != NULL)
			*next++ = '\0';
		if (!decode(value)) {
			snprintf(
				r->err, r->err_len, "%s: %s: %% wants two hex digits", r->spec,
				o->name
			);
			return HT_BAD;
		}
		if (list->num == o->max) {
			snprintf(
				r->err, r->err_len, "%s: %s: more than %u", r->spec, o->name, o->max
			);
			return HT_BAD;
		}
		list->v[list->num++] = value;
	}
	return HT_OK;
}

// What was meant, or what there is, and how a file is named that was meant.
static enum ht_rc
no_option(const struct reader *r, const struct ht_option *o, const char *text, size_t len) {
	const struct ht_link_ops *ops = ht_link_of(r->to->to);
	const char *near = ht_option_near(&ht_sink_options_table, HT_SPAN(text, len));
	size_t n = (size_t)snprintf(
		r->err, r->err_len, "%s: %.*s: %s", r->spec, (int)len, text,
		o != NULL && strcmp(o->name, "to") != 0 ? "wants a value: NAME=VALUE"
							: "no option of an output"
	);
	if (o == NULL && near != NULL && strcmp(near, "to") != 0 && n < r->err_len)
		n += (size_t)snprintf(r->err + n, r->err_len - n, "; did you mean %s?", near);
	for (unsigned i = 1; o == NULL && near == NULL && i < ht_sink_options_table.num; i++)
		if (n < r->err_len)
			n += (size_t)snprintf(
				r->err + n, r->err_len - n, "%s%s", i > 1 ? " " : "; there are ",
				ht_sink_options_table.options[i].name
			);
	if (ops != NULL && !ops->url && n < r->err_len)
		snprintf(
			r->err + n, r->err_len - n,
			" (if the ? is part of the file's name, write one more ? behind it)"
		);
	return HT_BAD;
}

static enum ht_rc read_one(struct reader *r, char *text) {
	char *value = strchr(text, '=');
	const size_t len = value != NULL ? (size_t)(value - text) : strlen(text);
	const struct ht_option *o = option_of(text, len);
	if (o == NULL || value == NULL || strcmp(o->name, "to") == 0)
		return no_option(r, o, text, len);
	value++;
	if (o->type == HT_OPTION_TEXTS)
		return read_list(r, o, value);
	if (!decode(value)) {
		snprintf(r->err, r->err_len, "%s: %s: %% wants two hex digits", r->spec, o->name);
		return HT_BAD;
	}
	if (o->type == HT_OPTION_U32)
		return read_number(r, o, value);
	if (o->type == HT_OPTION_CHOICE)
		return read_choice(r, o, value);
	*(const char **)at(o, r->to) = value;
	return HT_OK;
}

// The elements that all lists together can have.
static size_t list_room(void) {
	size_t num = 0;
	for (unsigned i = 0; i < ht_sink_options_table.num; i++)
		if (ht_sink_options_table.options[i].type == HT_OPTION_TEXTS)
			num += ht_sink_options_table.options[i].max;
	return num;
}

enum ht_rc
ht_sink_parse(struct ht_sink_options **out, const char *spec, char *err, size_t err_len) {
	const char *options = options_in(spec);
	if (options == NULL && lacks_mark(spec)) {
		snprintf(
			err, err_len,
			"%s: options stand behind a ? (if this is a name, write a ? behind it)",
			spec
		);
		return HT_BAD;
	}
	const size_t room = list_room();
	struct ht_sink_options *const o
		= calloc(1, sizeof(*o) + room * sizeof(char *) + strlen(spec) + 1);
	if (o == NULL) {
		snprintf(err, err_len, "%s: %s", spec, strerror(ENOMEM));
		return HT_ERROR;
	}
	ht_config_defaults(&ht_sink_options_table, o);
	struct reader r = {o, (const char **)(o + 1), spec, err, err_len};
	char *const text = strcpy((char *)(r.texts + room), spec);
	enum ht_rc rc = HT_OK;
	o->to = text;
	if (options != NULL) {
		char *next = text + (options - spec);
		*next++ = '\0';
		next = *next != '\0' ? next : NULL;
		while (next != NULL && rc == HT_OK) {
			char *const one = next;
			next = strchr(one, '&');
			if (next != NULL)
				*next++ = '\0';
			rc = read_one(&r, one);
		}
	}
	if (rc != HT_OK) {
		free(o);
		return rc;
	}
	*out = o;
	return HT_OK;
}

// --- copies -------------------------------------------------------------------------------------

struct room {
	size_t texts, bytes;
};

static struct room room_of(const struct ht_sink_options *o) {
	struct room n = {0};
	for (unsigned i = 0; i < ht_sink_options_table.num; i++) {
		const struct ht_option *p = &ht_sink_options_table.options[i];
		const char *const *text = at(p, o);
		const struct ht_option_texts *list = at(p, o);
		if (p->type == HT_OPTION_TEXT && *text != NULL)
			n.bytes += strlen(*text) + 1;
		for (unsigned k = 0; p->type == HT_OPTION_TEXTS && k < list->num; k++) {
			n.bytes += strlen(list->v[k]) + 1;
			n.texts++;
		}
	}
	return n;
}

static const char *copy_text(char **to, const char *text) {
	char *const copy = *to;
	*to = stpcpy(copy, text) + 1;
	return copy;
}

struct ht_sink_options *ht_sink_copy(const struct ht_sink_options *o) {
	const struct room n = room_of(o);
	struct ht_sink_options *const c = malloc(sizeof(*c) + n.texts * sizeof(char *) + n.bytes);
	if (c == NULL)
		return NULL;
	*c = *o;
	const char **texts = (const char **)(c + 1);
	char *bytes = (char *)(texts + n.texts);
	for (unsigned i = 0; i < ht_sink_options_table.num; i++) {
		const struct ht_option *p = &ht_sink_options_table.options[i];
		const char **text = at(p, c);
		struct ht_option_texts *list = at(p, c);
		if (p->type == HT_OPTION_TEXT && *text != NULL)
			*text = copy_text(&bytes, *text);
		if (p->type != HT_OPTION_TEXTS)
			continue;
		for (unsigned k = 0; k < list->num; k++)
			texts[k] = copy_text(&bytes, list->v[k]);
		list->v = texts;
		texts += list->num;
	}
	return c;
}

static void differs(void *ctx, const char *path, const struct ht_option *o) {
	(void)path;
	(void)o;
	*(bool *)ctx = true;
}

bool ht_sink_same(const struct ht_sink_options *a, const struct ht_sink_options *b) {
	bool different = false;
	ht_config_changes(&ht_sink_options_table, a, b, differs, &different);
	return !different;
}

// --- kinds of record ----------------------------------------------------------------------------

unsigned ht_sink_records(const struct ht_sink_options *o, unsigned asked) {
	const struct ht_link_ops *ops = ht_link_of(o->to);
	unsigned kinds = o->records.num > 0 ? 0 : asked;
	for (unsigned i = 0; i < o->records.num; i++)
		kinds |= ht_kind_of(HT_SPAN(o->records.v[i], strlen(o->records.v[i])));
	return ops != NULL ? kinds & ops->kinds : kinds;
}

static enum ht_rc check_kinds(
	const struct ht_sink_options *o, const struct ht_link_ops *ops, char *err, size_t err_len
) {
	for (unsigned i = 0; i < o->records.num; i++) {
		const char *const word = o->records.v[i];
		const unsigned kind = ht_kind_of(HT_SPAN(word, strlen(word)));
		if (kind == 0)
			snprintf(
				err, err_len,
				"records: %s: hello, event, flow, aggregate or stats was expected",
				word
			);
		else if (!(kind & ops->kinds))
			snprintf(err, err_len, "records: %s: not for %s", word, ops->name);
		else
			continue;
		return HT_BAD;
	}
	return HT_OK;
}

// --- what goes together -------------------------------------------------------------------------

// For which kinds of output an option is: their names begin so. What is not here is for all.
static const struct {
	const char *option;
	const char *kinds[3];
	bool files, collectors; // all that are no URL, or all that are
} belongs[] = {
	{"retry_max_s", {0}, false, true},	  {"spool", {0}, false, true},
	{"spool_mib", {0}, false, true},	  {"rotate_mib", {0}, true, false},
	{"rotate_s", {0}, true, false},		  {"compress", {0}, true, false},
	{"tls_ca", {"ipfix+tls"}, false, false},  {"tls_cert", {"ipfix+tls"}, false, false},
	{"tls_key", {"ipfix+tls"}, false, false}, {"tls_name", {"ipfix+tls"}, false, false},
	{"profiles", {"ipfix"}, false, false},	  {"pen", {"ipfix"}, false, false},
	{"domain", {"ipfix"}, false, false},	  {"template_s", {"ipfix+udp"}, false, false},
	{"mtu", {"ipfix+udp"}, false, false},	  {"encoding", {"kafka"}, false, false},
	{"key", {"kafka"}, false, false},	  {"kafka", {"kafka"}, false, false},
};

static bool takes(const struct ht_link_ops *ops, const char *option) {
	for (size_t i = 0; i < HT_ARRAY_LEN(belongs); i++) {
		if (strcmp(belongs[i].option, option) != 0)
			continue;
		bool yes = ops->url ? belongs[i].collectors : belongs[i].files;
		for (unsigned k = 0; belongs[i].kinds[k] != NULL; k++)
			yes = yes
			      || strncmp(ops->name, belongs[i].kinds[k], strlen(belongs[i].kinds[k])
				 ) == 0;
		return yes;
	}
	return true;
}

struct misplaced {
	const struct ht_link_ops *ops;
	const char *option; // the first that does not go with it
};

static void set(void *ctx, const char *path, const struct ht_option *o) {
	struct misplaced *m = ctx;
	(void)path;
	if (m->option == NULL && !takes(m->ops, o->name))
		m->option = o->name;
}

enum ht_rc ht_sink_check(const struct ht_sink_options *o, char *err, size_t err_len) {
	struct misplaced m = {ht_link_of(o->to), NULL};
	struct ht_sink_options defaults = {0};
	if (m.ops == NULL)
		return no_kind(o->to, err, err_len);
	if (check_kinds(o, m.ops, err, err_len) != HT_OK)
		return HT_BAD;
	ht_config_defaults(&ht_sink_options_table, &defaults);
	ht_config_changes(&ht_sink_options_table, &defaults, o, set, &m);
	if (m.option != NULL) {
		snprintf(err, err_len, "%s: not for %s", m.option, m.ops->name);
		return HT_BAD;
	}
	if (o->fsync != HT_FSYNC_NEVER && m.ops->url && o->spool == NULL) {
		snprintf(err, err_len, "fsync: is for files, and for a spool");
		return HT_BAD;
	}
	return m.ops->check(o, err, err_len);
}

enum ht_rc ht_sink_probe(const struct ht_sink_options *o, char *err, size_t err_len) {
	const struct ht_link_ops *ops = ht_link_of(o->to);
	const struct ht_spool_params p = {.folder = o->spool, .name = o->to};
	char why[512];
	if (o->spool != NULL && ht_spool_probe(&p, why, sizeof(why)) != HT_OK) {
		snprintf(err, err_len, "spool: %s", why);
		return HT_ERROR;
	}
	return ops->probe != NULL ? ops->probe(o, err, err_len) : HT_OK;
}
