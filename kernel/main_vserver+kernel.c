/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vserver-kernel load|unload|status [PIECE…]: the BPF programs of vpkg in the kernel, by hand and at boot.
 */
#include "kernel/kernel.h"

#include <stdarg.h>

#include "help/vserver-kernel.h"

struct request {
	bool wanted[KERNEL_PIECES];
	bool named; /* some were named: then each of them has to be */
	bool force;
};

static int complain(int code, const char *fmt, ...) PRINTF(2, 3);
static int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("vserver-kernel: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* What the process ends with, when that many of the wanted ones failed, the last one so. */
static int exit_code(const struct request *q, int failed, int status)
{
	int n = 0;

	for (int i = 0; i < KERNEL_PIECES; i++)
		n += q->wanted[i];
	if (failed == 0)
		return EXIT_DONE;
	if (status == -EBUSY)
		return EXIT_BUSY;
	return failed < n ? EXIT_SOME : EXIT_NONE;
}

/* A piece that this kernel does not take is no failure unless it was asked for by name: what it does falls back. */
static int verb_load(const struct request *q)
{
	int failed = 0, status = 0;

	for (int i = 0; i < KERNEL_PIECES; i++) {
		_cleanup_err_ struct err e = {0};
		int r = q->wanted[i] ? kernel_load((enum kernel_piece)i, &e) : 0;

		if (r == 0)
			continue;
		complain(0, "%s", e.msg);
		if (r == -EOPNOTSUPP && !q->named)
			continue;
		failed++;
		status = r;
	}
	return exit_code(q, failed, status);
}

static int verb_unload(const struct request *q)
{
	int failed = 0, status = 0;

	for (int i = KERNEL_PIECES; i-- > 0;) {
		_cleanup_err_ struct err e = {0};
		int r = q->wanted[i] ? kernel_unload((enum kernel_piece)i, q->force, &e) : 0;

		if (r == 0)
			continue;
		complain(0, "%s", e.msg);
		failed++;
		status = r;
	}
	return exit_code(q, failed, status);
}

static int verb_status(const struct request *q)
{
	static const char *const states[] = {
		[KERNEL_ABSENT] = "not loaded", [KERNEL_PARTLY] = "not complete", [KERNEL_OLDER] = "older",
		[KERNEL_NEWER] = "newer",       [KERNEL_LIVE] = "loaded",
	};
	int missing = 0;

	printf("%-10s %-13s %8s  %s\n", "PIECE", "STATE", "PROGRAMS", "LAYOUT");
	for (int i = 0; i < KERNEL_PIECES; i++) {
		struct kernel_status s;

		if (!q->wanted[i])
			continue;
		kernel_status((enum kernel_piece)i, &s);
		missing += s.state != KERNEL_LIVE;
		printf("%-10s %-13s %8u  ", kernel_piece_name((enum kernel_piece)i), states[s.state], s.programs);
		if (s.state == KERNEL_OLDER || s.state == KERNEL_NEWER)
			printf("%u, here %u\n", s.layout, s.own_layout);
		else
			printf("%u\n", s.own_layout);
	}
	return exit_code(q, missing, 0);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(const struct request *);
} verbs[] = {
	{"load", verb_load},
	{"status", verb_status},
	{"unload", verb_unload},
};

static int unknown(const char *what, const char *word, const char *const *words, size_t n)
{
	_cleanup_free_ char *text = text_unknown(what, word, words, n, "vserver-kernel");

	return complain(EXIT_USAGE, "%s", text);
}

static int add_word(struct request *q, const char *word)
{
	static const char *const options[] = {"--force", "--help"};
	const char *names[KERNEL_PIECES];

	if (strcmp(word, "--force") == 0) {
		q->force = true;
		return 0;
	}
	if (word[0] == '-')
		return unknown("option", word, options, ARRAY_LEN(options));
	for (int i = 0; i < KERNEL_PIECES; i++) {
		names[i] = kernel_piece_name((enum kernel_piece)i);
		if (strcmp(word, names[i]) == 0) {
			q->named = q->wanted[i] = true;
			return 0;
		}
	}
	return unknown("piece", word, names, KERNEL_PIECES);
}

int main(int argc, char **argv)
{
	const char *words[ARRAY_LEN(verbs)];
	struct request q = {0};

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(help_text, stdout);
		return EXIT_DONE;
	}
	if (argc < 2)
		return complain(EXIT_USAGE,
				"no verb: vserver-kernel load|unload|status [PIECE…] (vserver-kernel --help)");
	for (int i = 2; i < argc; i++) {
		int code = add_word(&q, argv[i]);

		if (code)
			return code;
	}
	for (int i = 0; !q.named && i < KERNEL_PIECES; i++)
		q.wanted[i] = true;
	if (q.force && strcmp(argv[1], "unload") != 0)
		return complain(EXIT_USAGE, "--force goes with unload alone");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		words[i] = verbs[i].name;
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (geteuid() != 0)
			return complain(EXIT_USAGE, "only root may do this; run it as root");
		return verbs[i].run(&q);
	}
	return unknown("verb", argv[1], words, ARRAY_LEN(words));
}
