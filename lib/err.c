/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors that carry a sentence: set where the failure is known, wrapped with context on the way up.
 */
#include "lib/lib.h"

#include <stdarg.h>

static int set(struct err *e, int status, char *msg)
{
	if (e) {
		free(e->msg);
		e->status = status;
		e->msg = msg;
	} else {
		free(msg);
	}
	return status;
}

static char *format(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	return s;
}

int err_set(struct err *e, int status, const char *fmt, ...)
{
	va_list ap;
	char *msg;

	va_start(ap, fmt);
	msg = format(fmt, ap);
	va_end(ap);
	return set(e, status, msg);
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	_cleanup_free_ char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = format(fmt, ap);
	va_end(ap);
	return set(e, -saved, xasprintf("%s: %s", what, strerror(saved)));
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	_cleanup_free_ char *prefix = NULL;
	va_list ap;

	if (!e)
		return -EIO;
	va_start(ap, fmt);
	prefix = format(fmt, ap);
	va_end(ap);
	return set(e, e->status, xasprintf("%s: %s", prefix, e->msg ? e->msg : strerror(-e->status)));
}

void err_clear(struct err *e)
{
	free(e->msg);
	*e = (struct err){0};
}
