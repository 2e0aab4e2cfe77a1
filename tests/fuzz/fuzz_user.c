/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tree's /etc/passwd and /etc/group: a guest's bytes, which decide under whose ids a command of the host's runs. The
 * input is the name, passwd and group, apart by zero bytes.
 */
#include "kernel/user.h"

/* Exactly as long as the part, and without a zero behind it that could hide a read too far. */
static char *part(const uint8_t **data, size_t *left, size_t *ret_len)
{
	const uint8_t *zero = *left ? memchr(*data, 0, *left) : NULL;
	size_t n = zero ? (size_t)(zero - *data) : *left;
	char *p = xmalloc(n);

	if (n)
		memcpy(p, *data, n);
	*data += zero ? n + 1 : n;
	*left -= zero ? n + 1 : n;
	*ret_len = n;
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t name_len, passwd_len, group_len;
	char *raw = part(&data, &size, &name_len), *passwd = part(&data, &size, &passwd_len);
	char *group = part(&data, &size, &group_len), *name = xstrndup(raw, name_len);
	struct user u = {0};
	struct err e = {0};
	int r = user_parse(passwd, passwd_len, group, group_len, name, &u, &e);

	/* An id that the kernel takes for "unchanged" would leave the command root. */
	if (r == 0 && (u.uid == (uid_t)-1 || u.gid == (gid_t)-1 || !u.n_groups || u.groups[0] != u.gid || !*name))
		abort();
	for (size_t i = 0; r == 0 && i < u.n_groups; i++)
		if (u.groups[i] == (gid_t)-1)
			abort();
	if (r < 0 && (u.groups || !e.msg || strchr(e.msg, '\n')))
		abort();
	user_free(&u);
	err_clear(&e);
	free(raw);
	free(name);
	free(passwd);
	free(group);
	return 0;
}
