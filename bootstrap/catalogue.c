/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which distributions there are: the definitions in /etc/vpkg/distros over the shipped ones, by name, alias or path,
 * made ready for use on this host (keyrings found, the host's own mirror first).
 */
#include "bootstrap/internal.h"

#include <dirent.h>

#define DEFINITION_MAX (1u << 20)

/* Every definition file once: "debian-12.conf" of /etc hides the shipped one of that name. */
static void definition_files(struct strv *ret)
{
	_cleanup_strv_ struct strv dirs = {0};
	strv_take(&dirs, place("/etc/vpkg/distros"));
	/* README.md is in the shipped directory only; it tells where that is, whatever /etc holds. */
	char *readme = place_data("distros/README.md");
	if (readme) {
		*strrchr(readme, '/') = 0;
		strv_take(&dirs, readme);
	}
	_cleanup_strv_ struct strv names = {0};
	for (size_t i = 0; i < dirs.n; i++) {
		DIR *d = opendir(dirs.v[i]);
		for (struct dirent *f; d && (f = readdir(d));) {
			size_t n = strlen(f->d_name);
			if (n < 6 || strcmp(f->d_name + n - 5, ".conf") != 0 || strv_has(&names, f->d_name))
				continue;
			strv_add(&names, f->d_name);
			strv_addf(ret, "%s/%s", dirs.v[i], f->d_name);
		}
		if (d)
			closedir(d);
	}
	strv_sort(ret);
}

static int definition_load(const char *file, struct boot_distro *ret, struct err *e)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "definition %s", file);
	if (!S_ISREG(st.st_mode) || st.st_size > DEFINITION_MAX)
		return err_set(e, -EBADMSG, "definition %s: not a regular file of at most 1 MiB", file);
	_cleanup_buf_ struct buf text = {0};
	char chunk[8192];
	for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
		if (n < 0)
			return err_sys(e, "definition %s", file);
		buf_add(&text, chunk, (size_t)n);
	}
	return boot_distro_parse(text.p ? text.p : "", text.len, file, ret, e);
}

/* A keyring's path: absolute, beside the definition, or shipped. */
static char *keyring_path(const char *file, const char *keyring)
{
	if (keyring[0] == '/')
		return xstrdup(keyring);
	const char *slash = strrchr(file, '/');
	char *path = xasprintf("%.*skeyrings/%s", slash ? (int)(slash + 1 - file) : 0, file, keyring);
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	_cleanup_free_ char *shipped = xasprintf("distros/keyrings/%s", keyring);
	path = place_data(shipped);
	return path ? path : place_data(shipped + strlen("distros/"));
}

static void url_first(struct strv *urls, char *first)
{
	struct strv l = {0};
	strv_take(&l, first);
	for (size_t i = 0; i < urls->n; i++)
		if (strcmp(urls->v[i], first) != 0)
			strv_add(&l, urls->v[i]);
	strv_free(urls);
	*urls = l;
}

static int definition_ready(struct boot_distro *d, const char *file, struct err *e)
{
	for (size_t i = 0; i < d->n_repos; i++) {
		struct repo_source *s = &d->repos[i];
		char *keyring = keyring_path(file, s->keyring);
		if (!keyring || access(keyring, R_OK) < 0) {
			free(keyring);
			return err_set(e, -ENOENT,
				       "%s: [repo %s]: no keyring %s in keyrings/ beside it or among the "
				       "shipped ones",
				       file, s->name, s->keyring);
		}
		free(s->keyring);
		s->keyring = keyring;
		char *mirror = d->repo_host_mirror[i] ? repo_host_mirror(d->repo_security[i]) : NULL;
		if (mirror)
			url_first(&s->urls, mirror);
	}
	return 0;
}

static int find_ready(const char *file, struct boot_distro *d, struct boot_distro *ret, struct err *e)
{
	int r = definition_ready(d, file, e);
	if (r < 0)
		boot_distro_free(d);
	else
		*ret = *d;
	return r;
}

/* "./mine.conf", "/srv/mine.conf", "mine/mine-1.conf": no distribution's name ends so. */
static bool is_path(const char *name)
{
	return name[0] == '/' || name[0] == '.' || text_match("*.conf", name);
}

int boot_distro_find(const char *name, struct boot_distro *ret, struct err *e)
{
	struct boot_distro d = {0};
	if (is_path(name)) {
		int r = definition_load(name, &d, e);
		return r < 0 ? r : find_ready(name, &d, ret, e);
	}
	_cleanup_strv_ struct strv files = {0}, words = {0};
	definition_files(&files);
	for (size_t i = 0; i < files.n; i++) {
		/* A broken definition matters only to the one who asks for it. */
		_cleanup_err_ struct err why = {0};
		int r = definition_load(files.v[i], &d, &why);
		if (r < 0) {
			const char *base = strrchr(files.v[i], '/') + 1;
			_cleanup_free_ char *meant = xstrndup(base, strlen(base) - 5);
			char *dash = strchr(meant, '-');
			if (dash)
				*dash = '/';
			if (strcmp(meant, name) == 0)
				return err_set(e, r, "%s", why.msg);
			continue;
		}
		if (strcmp(d.name, name) == 0 || strv_has(&d.aliases, name))
			return find_ready(files.v[i], &d, ret, e);
		strv_add(&words, d.name);
		for (size_t j = 0; j < d.aliases.n; j++)
			strv_add(&words, d.aliases.v[j]);
		boot_distro_free(&d);
	}
	if (!files.n)
		return err_set(e, -ENOENT,
			       "unknown distribution '%s': no definition is installed, neither in %s/etc/vpkg/distros "
			       "nor in " VPKG_PREFIX "/share/vpkg/distros",
			       name, place_sysroot());
	const char *near = text_nearest(name, (const char *const *)words.v, words.n);
	return err_set(e, -ENOENT, "unknown distribution '%s'%s%s%s (vpkg bootstrap --list shows all)", name,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int boot_distro_list(struct strv *ret, struct err *e)
{
	_cleanup_strv_ struct strv files = {0}, names = {0};
	definition_files(&files);
	for (size_t i = 0; i < files.n; i++) {
		struct boot_distro d = {0};
		int r = definition_load(files.v[i], &d, e);
		if (r < 0)
			return r;
		strv_add(&names, d.name);
		boot_distro_free(&d);
	}
	strv_sort(&names);
	*ret = names;
	names = (struct strv){0};
	return 0;
}
