/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names of vservers: which can be one, which are taken, which one was perhaps meant.
 */
#include "vserver/internal.h"

#include <dirent.h>

#define NAME_MAX_LEN 64

/* Verbs of vpkg and vserver: `vpkg upgrade x` could not be told from a vserver named "upgrade". */
static const char *const verbs[] = {
	"ALL",    "install",   "upgrade", "remove",  "fetch",  "list",    "verify",    "history", "rollback",
	"status", "bootstrap", "doctor",  "recover", "clean",  "start",   "stop",      "restart", "exec",
	"enter",  "delete",    "running", "build",   "suexec", "service", "chkconfig", "help",
};

int vs_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (!len)
		return err_set(e, -EINVAL, "a vserver's name cannot be empty");
	if (len > NAME_MAX_LEN)
		return err_set(e, -EINVAL, "\"%.20s…\" cannot be a vserver's name: longer than %d characters", name,
			       NAME_MAX_LEN);
	for (const char *p = name; *p; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
		_cleanup_free_ char *shown = NULL;

		if (alnum || (p > name && strchr("._-", *p)))
			continue;
		shown = text_escape(name, len);
		if (p == name && strchr("._-", *p))
			return err_set(e, -EINVAL,
				       "\"%s\" cannot be a vserver's name: it must begin with a letter or digit",
				       shown);
		return err_set(e, -EINVAL,
			       "\"%s\" cannot be a vserver's name: only letters, digits, '.', '_' and '-' are allowed",
			       shown);
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(name, verbs[i]) == 0)
			return err_set(
				e, -EINVAL,
				"\"%s\" cannot be a vserver's name: it is a word of vpkg's or vserver's command line",
				name);
	return 0;
}

int vs_conf_names(struct strv *ret, struct err *e)
{
	_cleanup_free_ char *path = place("/etc/vservers");
	struct strv names = {0};
	struct dirent *de;
	DIR *d = opendir(path);

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	while ((de = readdir(d))) {
		size_t len = strlen(de->d_name);

		if (len > 5 && strcmp(de->d_name + len - 5, ".conf") == 0)
			strv_take(&names, xstrndup(de->d_name, len - 5));
	}
	closedir(d);
	strv_sort(&names);
	*ret = names;
	return 0;
}

int vs_unknown(const char *name, struct err *e)
{
	_cleanup_strv_ struct strv names = {0};
	const char *near = NULL;

	if (vs_conf_names(&names, NULL) == 0 && names.n)
		near = text_nearest(name, (const char *const *)names.v, names.n);
	return err_set(e, -ENOENT, "no vserver %s: %s/etc/vservers/%s.conf does not exist%s%s%s", name, place_sysroot(),
		       name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}
