// SPDX-License-Identifier: BSD-3-Clause

#include "config_int.h"
#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

// --- memory -------------------------------------------------------------------------------------

#define BLOCK_BYTES 4096

struct ht_pool_block {
	struct ht_pool_block *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

void *ht_pool_get(struct ht_pool *p, size_t n) {
	const size_t align = _Alignof(max_align_t);
	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + align - 1) / align * align;
	struct ht_pool_block *b = p->blocks;
	if (b == NULL || b->size - b->used < n) {
		const size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		b = calloc(1, sizeof(*b) + size);
		if (b == NULL)
			return NULL;
		b->size = size;
		b->next = p->blocks;
		p->blocks = b;
	}
	b->used += n;
	return b->data + b->used - n;
}

void ht_pool_free(struct ht_pool *p) {
	for (struct ht_pool_block *b = p->blocks, *next; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	p->blocks = NULL;
}

// --- tables -------------------------------------------------------------------------------------

// All lists have their elements and number in the same places.
_Static_assert(
	sizeof(struct ht_option_texts) == sizeof(struct ht_option_sections)
		&& offsetof(struct ht_option_texts, num) == offsetof(struct ht_option_sections, num)
		&& sizeof(struct ht_option_u32s) == sizeof(struct ht_option_sections)
		&& offsetof(struct ht_option_u32s, num) == offsetof(struct ht_option_sections, num),
	"a list is read as any other"
);

enum ht_option_type ht_option_element(const struct ht_option *o, size_t *size) {
	switch (o->type) {
	case HT_OPTION_TEXTS:
		*size = sizeof(const char *);
		return HT_OPTION_TEXT;
	case HT_OPTION_U32S:
		*size = sizeof(uint32_t);
		return HT_OPTION_U32;
	default:
		*size = o->sub->size;
		return HT_OPTION_SECTION;
	}
}

void *ht_option_elements(const void *list, unsigned *num) {
	const struct ht_option_sections *l = list;
	*num = l->num;
	return l->v;
}

void ht_config_defaults(const struct ht_option_table *root, void *to) {
	for (unsigned i = 0; i < root->num; i++) {
		const struct ht_option *o = &root->options[i];
		void *at = ht_option_at(o, to);
		switch (o->type) {
		case HT_OPTION_BOOL:
			*(bool *)at = o->def != 0;
			break;
		case HT_OPTION_U32:
		case HT_OPTION_CHOICE:
			*(uint32_t *)at = o->def;
			break;
		case HT_OPTION_TEXT:
			*(const char **)at = o->def_text;
			break;
		case HT_OPTION_SECTION:
			ht_config_defaults(o->sub, at);
			break;
		default:
			*(struct ht_option_sections *)at = (struct ht_option_sections){0};
		}
	}
}

void ht_path_text(char *out, size_t size, const struct ht_path *path) {
	size_t n = 0;
	out[0] = '\0';
	if (path == NULL)
		return;
	ht_path_text(out, size, path->up);
	n = strlen(out);
	if (path->name != NULL)
		snprintf(out + n, size - n, "%s%s", n > 0 ? "." : "", path->name);
	else
		snprintf(out + n, size - n, "[%u]", path->index);
}

// --- loading ------------------------------------------------------------------------------------

enum ht_rc ht_config_load_text(
	struct ht_config **out,
	const char *name,
	struct ht_span text,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
) {
	struct ht_pool scratch = {0};
	struct ht_node *top;
	*errors = (struct ht_config_errors){.file = name};
	*out = NULL;
	ht_config_defaults(root, to);
	struct ht_config *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		ht_config_complain(errors, (struct ht_config_pos){0}, "out of memory");
		return HT_ERROR;
	}
	enum ht_rc rc = HT_OK;
	if (text.len > HT_CONFIG_BYTES_MAX)
		ht_config_complain(
			errors, (struct ht_config_pos){0}, "longer than %u bytes",
			HT_CONFIG_BYTES_MAX
		);
	else if ((rc = ht_config_check_text(&text, errors)) == HT_OK && (rc = ht_config_tree(&top, &scratch, text, errors)) == HT_OK)
		rc = ht_config_read(c, top, &scratch, root, to, errors);
	ht_pool_free(&scratch);
	if (rc == HT_OK && errors->num > 0)
		rc = HT_BAD;
	if (rc == HT_OK) {
		*out = c;
		return HT_OK;
	}
	ht_config_free(c); // and with it what `to` points to
	ht_config_defaults(root, to);
	return rc;
}

enum ht_rc ht_config_load(
	struct ht_config **out,
	const char *path,
	const struct ht_option_table *root,
	void *to,
	struct ht_config_errors *errors
) {
	const bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	uint8_t *text = malloc(HT_CONFIG_BYTES_MAX + 1);
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	enum ht_rc rc;
	// A byte more than there may be, where there is one.
	if (text == NULL || fd < 0 || !ht_read_most(fd, text, HT_CONFIG_BYTES_MAX + 1, &len)) {
		const int why = text == NULL ? ENOMEM : errno;
		*errors = (struct ht_config_errors){.file = name};
		*out = NULL;
		ht_config_defaults(root, to);
		ht_config_complain(errors, (struct ht_config_pos){0}, "%s", strerror(why));
		rc = HT_ERROR;
	} else {
		rc = ht_config_load_text(out, name, HT_SPAN(text, len), root, to, errors);
	}
	if (fd > STDIN_FILENO) // standard input is not ours to close
		close(fd);
	free(text);
	return rc;
}

void ht_config_free(struct ht_config *c) {
	if (c == NULL)
		return;
	ht_pool_free(&c->kept);
	free(c->places);
	free(c);
}

// --- where --------------------------------------------------------------------------------------

static struct ht_config_pos where(const struct ht_config *c, const void *at, bool section) {
	for (size_t i = 0; i < c->num_places; i++)
		if (c->places[i].at == at && c->places[i].section == section)
			return c->places[i].pos;
	return (struct ht_config_pos){0};
}

struct ht_config_pos ht_config_where(const struct ht_config *c, const void *value) {
	return where(c, value, false);
}

struct ht_config_pos ht_config_where_section(const struct ht_config *c, const void *section) {
	return where(c, section, true);
}
