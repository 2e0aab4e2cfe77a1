/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg recover: finishes what killed runs left, in every vserver and in the store.
 */
#include "vpkg/fleet.h"
#include "vpkg/internal.h"

/* Whoever was killed may have a worker that is undoing just now. Seconds. */
#define PATIENCE 120

static int recover_one(const char *name, struct err *e)
{
	_cleanup_vs_ struct vserver *v = NULL;
	_cleanup_strv_ struct strv lost = {0};
	int r;

	if (journal_state(name) == JOURNAL_NONE)
		return 0;
	r = vs_open(name, &v, e);
	if (r == 0)
		r = vs_lock(v, PATIENCE, e);
	if (r == 0)
		r = journal_recover(v, &lost, e);
	for (size_t i = 0; i < lost.n; i++)
		fprintf(stderr, "%s: could not be put back: %s\n", name, lost.v[i]);
	if (r > 0 && !lost.n)
		printf("%s: an interrupted transaction was finished\n", name);
	return r < 0 ? r : lost.n ? err_set(e, -EUCLEAN, "%s: not all could be put back", name) : 0;
}

int cmd_recover(int argc, char **argv)
{
	_cleanup_strv_ struct strv names = {0};
	_cleanup_err_ struct err e = {0};
	size_t bad = 0;

	if (argc != 1) {
		fprintf(stderr, "vpkg recover: takes no arguments\n");
		return EXIT_USAGE;
	}
	intr_setup();
	if (vs_list(&names, &e) < 0) {
		fprintf(stderr, "vpkg: %s\n", e.msg);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (recover_one(names.v[i], &e) < 0) {
			fprintf(stderr, "vpkg: %s\n", e.msg);
			err_clear(&e);
			bad++;
		}
	}
	repo_cache_temp_sweep();
	if (unify_collect(&e) < 0) {
		fprintf(stderr, "vpkg: %s\n", e.msg);
		bad++;
	}
	return bad ? EXIT_SOME : EXIT_DONE;
}
