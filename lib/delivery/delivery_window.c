// SPDX-License-Identifier: BSD-3-Clause
// A ring of bytes: each record stands in one piece behind a header. Where one does not fit between
// the end of the ring and its begin, a header with WRAP (or no room for one) says that the next one
// is at the begin.

#include "delivery_int.h"

#include <stdlib.h>
#include <sys/mman.h>

#define WRAP UINT64_MAX

struct header {
	uint64_t number, len;
};

bool window_init(struct window *w, size_t size) {
	void *const bytes
		= mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return false;
	*w = (struct window){.bytes = bytes, .size = size};
	return true;
}

void window_free(struct window *w) {
	if (w->bytes != NULL)
		munmap(w->bytes, w->size);
	w->bytes = NULL;
}

// Where `need` bytes can go in one piece: an offset, or w->size when nowhere.
static size_t place(const struct window *w, size_t need) {
	if (w->num == 0)
		return need <= w->size ? 0 : w->size;
	if (w->end > w->oldest) {
		if (w->size - w->end >= need)
			return w->end;
		return w->oldest >= need ? 0 : w->size;
	}
	return w->oldest - w->end >= need ? w->end : w->size;
}

bool window_has_room(const struct window *w, size_t len) {
	return place(w, sizeof(struct header) + len) < w->size;
}

void window_push(struct window *w, uint64_t number, struct ht_span packed) {
	const struct header h = {number, packed.len};
	const struct header wrap = {0, WRAP};
	const size_t at = place(w, sizeof(h) + packed.len);
	if (w->num == 0)
		w->oldest = 0;
	else if (at == 0 && w->end > 0 && w->size - w->end >= sizeof(wrap))
		memcpy(w->bytes + w->end, &wrap, sizeof(wrap));
	memcpy(w->bytes + at, &h, sizeof(h));
	memcpy(w->bytes + at + sizeof(h), packed.p, packed.len);
	w->end = at + sizeof(h) + packed.len;
	w->num++;
}

// The header of the record at *at, which may stand at the begin of the ring.
static struct header look(const struct window *w, size_t *at) {
	struct header h;
	if (w->size - *at < sizeof(h)) {
		*at = 0;
	} else {
		memcpy(&h, w->bytes + *at, sizeof(h));
		if (h.len != WRAP)
			return h;
		*at = 0;
	}
	memcpy(&h, w->bytes, sizeof(h));
	return h;
}

static void skip(const struct window *w, size_t *at) {
	const struct header h = look(w, at);
	*at += sizeof(h) + h.len;
}

void window_drop(struct window *w, uint64_t n) {
	for (; n > 0 && w->num > w->num_again; n--, w->num--)
		skip(w, &w->oldest);
}

void window_rewind(struct window *w) {
	w->again = w->oldest;
	w->num_again = w->num;
}

bool window_again(const struct window *w, uint64_t *number, struct ht_span *packed) {
	if (w->num_again == 0)
		return false;
	size_t at = w->again;
	const struct header h = look(w, &at);
	*number = h.number;
	*packed = HT_SPAN(w->bytes + at + sizeof(h), h.len);
	return true;
}

void window_given(struct window *w) {
	skip(w, &w->again);
	w->num_again--;
}
