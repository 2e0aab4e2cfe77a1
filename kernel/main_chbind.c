/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * chbind [--silent] [--ip ADDRESS]… [--bcast ADDRESS] COMMAND…: locks a command to addresses of the host.
 */
#include "kernel/kernel.h"

#include <getopt.h>
#include <sys/capability.h>

#include "help/chbind.h"

static int fail(struct err *e)
{
	fprintf(stderr, "chbind: %s\n", e->msg);
	err_clear(e);
	return EXIT_USAGE;
}

/* As the original printed it. */
static void tell(const struct addr_set *set)
{
	char text[ADDR_TEXT];

	fputs("ipv4root is now", stdout);
	for (size_t i = 0; i < set->n; i++)
		printf(" %s", addr_text(&set->a[i], text));
	puts(set->n ? "" : " 0.0.0.0");
	fflush(stdout);
}

/* What the command may do elsewhere it may do here: raw sockets are for who has the capability. */
static bool has_net_raw(void)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, CAP_NET_RAW, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static void warn(const struct addr_set *set)
{
	const struct addr *missing = addr_missing(set);
	char text[ADDR_TEXT];

	if (missing)
		fprintf(stderr,
			"chbind: warning: %s: no device of this host has this address: nothing can be bound to "
			"it until one does\n",
			addr_text(missing, text));
}

/* Reads the options; -1: go on with the command at optind, else what to exit with. */
static int read_options(int argc, char **argv, struct addr_set *set, bool *silent)
{
	static const struct option longs[] = {
		{"silent", no_argument, NULL, 's'},
		{"ip", required_argument, NULL, 'i'},
		{"bcast", required_argument, NULL, 'b'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct err e = {0};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:", longs, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help_text, stdout);
			return EXIT_DONE;
		}
		if (c == 's') {
			*silent = true;
		} else if (c == 'i' || c == 'b') {
			if ((c == 'i' ? addr_add : addr_add_broadcast)(set, optarg, &e) < 0)
				return fail(&e);
		} else {
			fprintf(stderr,
				c == ':' ? "chbind: %s needs an address; there is --help\n"
					 : "chbind: unknown option %s; there is --help\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return -1;
	fputs("chbind: no command named: chbind [--ip ADDRESS]… COMMAND… (chbind --help)\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct addr_set set = {0};
	struct err e = {0};
	bool silent = false;
	int r = read_options(argc, argv, &set, &silent);

	if (r >= 0)
		return r;
	if (set.n == 0 && set.broadcast) {
		fputs("chbind: --bcast without --ip: there is no address that it could belong to\n", stderr);
		return EXIT_USAGE;
	}
	if (geteuid() != 0 && set.n) {
		fputs("chbind: only root can lock a command to addresses\n", stderr);
		return EXIT_USAGE;
	}
	set.raw = has_net_raw();
	if (addr_lock_self(&set, &e) < 0)
		return fail(&e);
	warn(&set);
	if (!silent && addr_refuses_udp(&set))
		fputs("chbind: note: UDP servers on 0.0.0.0 or [::] are refused here (EOPNOTSUPP), since there are "
		      "several "
		      "addresses: bind them to one, or give a vserver NETNS=yes\n",
		      stderr);
	if (!silent)
		tell(&set);
	execvp(argv[optind], argv + optind);
	r = errno;
	fprintf(stderr, "chbind: %s: %s\n", argv[optind], strerror(r));
	return r == ENOENT ? 127 : 126;
}
