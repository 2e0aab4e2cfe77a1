/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a library tells what it does, and the usual answer of a program: notes as lines, and progress as one line that is
 * redrawn while the work lasts. Totals of 64 KiB and more are taken as bytes, smaller ones as a number of things.
 */
#include "lib/lib.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <time.h>

#define BYTES_FROM (64 * 1024)
#define REDRAW_NS 100000000L /* ten times a second */
#define WHAT_MAX 60
#define RATE_AFTER 0.5 /* seconds; before that a rate is noise */

void report_note(const struct report *r, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (!r || !r->note)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	r->note(text, r->arg);
}

void report_progress(const struct report *r, const char *what, uint64_t done, uint64_t total)
{
	if (r && r->progress)
		r->progress(what, done, total, r->arg);
}

struct terminal {
	FILE *f;
	bool tty, shown; /* a progress line stands there now */
	char what[256];  /* what is measured, "" between two works */
	struct timespec start, drawn;
	char line[512];
};

static double since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

static void wipe(struct terminal *t)
{
	if (t->shown)
		fputs("\r\033[K", t->f);
	t->shown = false;
}

/* Cut to the width of the terminal: a wrapped line cannot be redrawn. */
static void draw(struct terminal *t)
{
	struct winsize w = {0};
	size_t width = ioctl(fileno(t->f), TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1u : 79;

	wipe(t);
	fprintf(t->f, "%.*s", (int)width, t->line);
	fflush(t->f);
	t->shown = true;
}

static void amount(char out[32], uint64_t n, bool bytes)
{
	if (bytes)
		text_bytes(out, n);
	else
		snprintf(out, 32, "%llu", (unsigned long long)n);
}

static void left(char out[32], double seconds)
{
	unsigned s = seconds > 359999 ? 359999 : (unsigned)(seconds + 0.5);

	if (s >= 3600)
		snprintf(out, 32, ", %u:%02u h left", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, 32, ", %u:%02u min left", s / 60, s % 60);
	else
		snprintf(out, 32, ", %u s left", s);
}

static void compose(struct terminal *t, uint64_t done, uint64_t total)
{
	bool bytes = total >= BYTES_FROM || (!total && done >= BYTES_FROM);
	char have[32], all[32] = "", rate[48] = "", rest[32] = "", number[32];
	double seconds = since(&t->start), speed = seconds > 0 ? (double)done / seconds : 0;
	struct buf b = {0};

	amount(have, done, bytes);
	amount(all, total, bytes);
	if (seconds >= RATE_AFTER && speed > 0) {
		amount(number, (uint64_t)speed, bytes);
		if (bytes)
			snprintf(rate, sizeof(rate), ", %s/s", number);
		if (total > done)
			left(rest, (double)(total - done) / speed);
	}
	if (total)
		buf_addf(&b, "%s: %u%%, %s of %s%s%s", t->what, (unsigned)((double)done * 100 / (double)total), have,
			 all, rate, rest);
	else
		buf_addf(&b, "%s: %s%s", t->what, have, rate);
	snprintf(t->line, sizeof(t->line), "%s", b.p);
	buf_free(&b);
}

static void finish(struct terminal *t, uint64_t total)
{
	double seconds = since(&t->start);
	char all[32], rate[48] = "", speed[32];

	amount(all, total, total >= BYTES_FROM);
	if (total >= BYTES_FROM && seconds > 0.05) {
		text_bytes(speed, (uint64_t)((double)total / seconds));
		snprintf(rate, sizeof(rate), ", %s/s", speed);
	}
	wipe(t);
	fprintf(t->f, "%s: %s in %.1f s%s\n", t->what, all, seconds, rate);
	fflush(t->f);
	t->what[0] = 0;
}

static void terminal_progress(const char *what, uint64_t done, uint64_t total, void *arg)
{
	struct terminal *t = arg;
	_cleanup_free_ char *safe = text_escape(what, strnlen(what, WHAT_MAX));
	bool first = strcmp(t->what, safe) != 0;

	if (first) {
		/* A finished work may be reported finished again; that begins nothing. */
		if (done == total && !total)
			return;
		snprintf(t->what, sizeof(t->what), "%s", safe);
		clock_gettime(CLOCK_MONOTONIC, &t->start);
	}
	if (done == total) {
		finish(t, total);
		return;
	}
	if (!t->tty || (!first && since(&t->drawn) * 1e9 < REDRAW_NS))
		return;
	clock_gettime(CLOCK_MONOTONIC, &t->drawn);
	compose(t, done, total);
	draw(t);
}

static void terminal_note(const char *text, void *arg)
{
	struct terminal *t = arg;
	/* Part of a note may be what a guest or a mirror said. */
	_cleanup_free_ char *safe = text_escape(text, strlen(text));
	bool again = t->shown;

	wipe(t);
	fprintf(t->f, "%s\n", safe);
	fflush(t->f);
	if (again)
		draw(t);
}

const struct report *report_terminal(FILE *f, bool quiet)
{
	static struct terminal t;
	static struct report r;

	t = (struct terminal){.f = f, .tty = isatty(fileno(f))};
	r = (struct report){.note = terminal_note, .progress = quiet ? NULL : terminal_progress, .arg = &t};
	return &r;
}
