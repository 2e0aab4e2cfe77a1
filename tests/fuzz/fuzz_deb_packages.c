/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A package list all the way into libsolv: rewritten, parsed, indexed, and its relations followed.
 */
#include "repo/solver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Pool *pool = pool_make(REPO_DEB, "amd64", true);
	Repo *repo = repo_create(pool, "fuzz");
	struct buf filtered = {0};
	Queue jobs;

	queue_init(&jobs);
	stanza_filter((const char *)data, size, "amd64", &filtered);
	if (pool_add_stanzas(repo, &filtered, NULL) == 0) {
		pool_addfileprovides(pool);
		pool_createwhatprovides(pool);
		choice_prefer_real(pool, REPO_DEB, &jobs);
		for (Id p = 2; p < pool->nsolvables; p++) {
			struct repo_package package = {0};

			if (!pool->solvables[p].repo)
				continue;
			pool_extra(&pool->solvables[p]);
			pool_package(&pool->solvables[p], &package);
			repo_package_free(&package);
		}
	}
	queue_free(&jobs);
	buf_free(&filtered);
	pool_free(pool);
	return 0;
}
