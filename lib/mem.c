/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory, string lists and growing buffers. Out of memory ends the process (lib.h says why that is safe).
 */
#include "lib/lib.h"

#include <stdarg.h>

static void *checked(void *p)
{
	if (!p) {
		static const char text[] = "vpkg: out of memory\n";
		ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

		(void)n;
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}
void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}
void *xrealloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}
char *xstrdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}
char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

static char *vformat(const char *fmt, va_list ap)
{
	char *s = NULL;

	return vasprintf(&s, fmt, ap) < 0 ? checked(NULL) : s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vformat(fmt, ap);
	va_end(ap);
	return s;
}

void cleanup_free(void *p)
{
	free(*(void **)p);
}

int close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void close_all_but(const int *keep, size_t n)
{
	_cleanup_free_ int *sorted = xcalloc(n, sizeof(int));
	unsigned from = 3;

	if (n)
		memcpy(sorted, keep, n * sizeof(int));
	qsort(sorted, n, sizeof(int), by_number);
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] < (int)from)
			continue;
		if (sorted[i] > (int)from)
			close_range(from, (unsigned)sorted[i] - 1, 0);
		from = (unsigned)sorted[i] + 1;
	}
	close_range(from, ~0u, 0);
}

void cleanup_close(int *fd)
{
	close_fd(*fd);
}

void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

void strv_take(struct strv *l, char *s)
{
	/* Grows by doubling: the capacity is the power of two at or above n + 2. */
	if (l->n == 0 || ((l->n + 1) & l->n) == 0)
		l->v = xrealloc(l->v, 2 * (l->n + 1) * sizeof(char *));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strv_add(struct strv *l, const char *s)
{
	strv_take(l, xstrdup(s));
}

void strv_addf(struct strv *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(l, vformat(fmt, ap));
	va_end(ap);
}

void strv_split(struct strv *l, const char *s, const char *separators)
{
	while (*(s += strspn(s, separators))) {
		size_t n = strcspn(s, separators);

		strv_take(l, xstrndup(s, n));
		s += n;
	}
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(char *), by_bytes);
}

void strv_free(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){0};
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		b->cap = (b->len + n + 1) * 2;
		b->p = xrealloc(b->p, b->cap);
	}
	if (n)
		memcpy(b->p + b->len, data, n);
	b->len += n;
	b->p[b->len] = 0;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	_cleanup_free_ char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = vformat(fmt, ap);
	va_end(ap);
	buf_adds(b, s);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}
