/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A hash table from a 64-bit number (an inode's) to an index: open addressing, never shrinks.
 */
#include "unify/internal.h"

static size_t slot_of(const struct map *m, uint64_t key)
{
	size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (m->cap - 1);

	while (m->slot[i].value && m->slot[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

size_t inode_map_get(const struct map *m, uint64_t key)
{
	size_t i;

	if (m->cap == 0)
		return MAP_NONE;
	i = slot_of(m, key);
	return m->slot[i].value ? m->slot[i].value - 1 : MAP_NONE;
}

static void grow(struct map *m)
{
	struct map bigger = {.cap = m->cap ? 2 * m->cap : 1024, .n = m->n};

	bigger.slot = xcalloc(bigger.cap, sizeof(*bigger.slot));
	for (size_t i = 0; i < m->cap; i++)
		if (m->slot[i].value)
			bigger.slot[slot_of(&bigger, m->slot[i].key)] = m->slot[i];
	free(m->slot);
	*m = bigger;
}

void inode_map_put(struct map *m, uint64_t key, size_t value)
{
	size_t i;

	if (m->n * 2 >= m->cap)
		grow(m);
	i = slot_of(m, key);
	m->n += m->slot[i].value == 0;
	m->slot[i].key = key;
	m->slot[i].value = value + 1;
}

void inode_map_free(struct map *m)
{
	free(m->slot);
	*m = (struct map){0};
}
