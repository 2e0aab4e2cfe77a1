/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dpkg's database for packages that we unpacked: written so that the tree's own dpkg takes them for unpacked by itself
 * and configures them. (Formats: dpkg's lib/dpkg/dump.c, trigdb, infodb-format.)
 */
#include "bootstrap/debian.h"

#define DPKG "/var/lib/dpkg"

void debian_entry_free(struct debian_entry *n)
{
	buf_free(&n->status);
	strv_free(&n->file_triggers);
	strv_free(&n->triggers);
}

/* The lines "interest…" of a package's triggers file. Activations need nothing: every interested package of the
 * required set is configured after this anyway. */
static void triggers_parse(const struct buf *text, const char *as, struct debian_entry *ret)
{
	static const struct {
		const char *word, *suffix;
	} kinds[] = {{"interest", ""}, {"interest-await", ""}, {"interest-noawait", "/noawait"}};
	_cleanup_strv_ struct strv lines = {0};
	strv_split(&lines, text->p ? text->p : "", "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strv_ struct strv w = {0};
		lines.v[i][strcspn(lines.v[i], "#")] = 0;
		strv_split(&w, lines.v[i], " \t\r");
		for (size_t k = 0; k < ARRAY_LEN(kinds) && w.n == 2; k++) {
			if (strcmp(w.v[0], kinds[k].word) != 0)
				continue;
			if (w.v[1][0] == '/')
				strv_addf(&ret->file_triggers, "%s %s%s", w.v[1], as, kinds[k].suffix);
			else if (!strchr(w.v[1], '/') && w.v[1][0] != '.')
				strv_addf(&ret->triggers, "%s %s%s", w.v[1], as, kinds[k].suffix);
		}
	}
}

static void status_paragraph(const struct deb_control *c, struct buf *ret)
{
	buf_adds(ret, "Package: ");
	buf_adds(ret, c->package);
	buf_adds(ret, "\nStatus: install ok unpacked\n");
	for (const char *p = c->text.p; *p;) {
		size_t n = strcspn(p, "\n");
		if (n && strncasecmp(p, "Package:", 8) != 0) {
			buf_add(ret, p, n);
			buf_adds(ret, "\n");
		}
		p += n + (p[n] == '\n');
	}
	if (c->conffiles.n)
		buf_adds(ret, "Conffiles:\n");
	for (size_t i = 0; i < c->conffiles.n; i++)
		buf_addf(ret, " %s newconffile\n", c->conffiles.v[i]);
	buf_adds(ret, "\n");
}

int debian_register(const struct deb_control *c, const struct buf *list, struct debian_entry *ret, struct err *e)
{
	_cleanup_free_ char *as = c->same ? xasprintf("%s:%s", c->package, c->arch) : xstrdup(c->package);
	_cleanup_free_ char *list_path = xasprintf(DPKG "/info/%s.list", as);
	int r = debian_put(list_path, list->p, list->len, 0644, time(NULL), e);
	for (size_t i = 0; i < c->n_files && r == 0; i++) {
		const struct deb_file *f = &c->files[i];
		_cleanup_free_ char *path = xasprintf(DPKG "/info/%s.%s", as, f->name);
		r = debian_put(path, f->data.p, f->data.len, f->mode, f->mtime, e);
		if (strcmp(f->name, "triggers") == 0)
			triggers_parse(&f->data, as, ret);
	}
	if (r == 0)
		status_paragraph(c, &ret->status);
	return r;
}

/* Three parts, each ended by a NUL: the paragraph, the file triggers, the named ones; none can hold a NUL. */
void debian_entry_pack(const struct debian_entry *n, struct buf *ret)
{
	const struct strv *lists[] = {&n->file_triggers, &n->triggers};
	buf_add(ret, n->status.p, strlen(n->status.p) + 1);
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < lists[l]->n; i++)
			buf_addf(ret, "%s\n", lists[l]->v[i]);
		buf_add(ret, "", 1);
	}
}

int debian_entry_unpack(const char *bytes, size_t len, struct debian_entry *ret, struct err *e)
{
	const char *part[3], *end = bytes + len;
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		part[i] = bytes;
		const char *nul = bytes < end ? memchr(bytes, 0, (size_t)(end - bytes)) : NULL;
		if (!nul)
			return err_set(e, -EIO, "the unpacking process ended in the middle of its answer");
		bytes = nul + 1;
	}
	buf_adds(&ret->status, part[0]);
	strv_split(&ret->file_triggers, part[1], "\n");
	strv_split(&ret->triggers, part[2], "\n");
	return 0;
}

int debian_skeleton(int tree, bool merged_usr, const char *arch, struct err *e)
{
	/* Which of them an architecture has: what its C library's loader path needs beside the three that all have. */
	static const struct {
		const char *link, *to, *arch;
	} links[] = {
		{"bin", "usr/bin", NULL},        {"sbin", "usr/sbin", NULL},        {"lib", "usr/lib", NULL},
		{"lib64", "usr/lib64", "amd64"}, {"lib64", "usr/lib64", "ppc64el"}, {"lib64", "usr/lib64", "loong64"},
	};
	for (size_t i = 0; merged_usr && i < ARRAY_LEN(links); i++) {
		if (links[i].arch && strcmp(links[i].arch, arch) != 0)
			continue;
		int r = path_mkdirs(tree, links[i].to, 0755, e);
		if (r < 0)
			return r;
		if (symlinkat(links[i].to, tree, links[i].link) < 0)
			return err_sys(e, "cannot make the link /%s of the new tree", links[i].link);
	}
	static const char *const dirs[] = {DPKG "/alternatives", DPKG "/info", DPKG "/parts", DPKG "/triggers",
					   DPKG "/updates"};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int r = path_mkdirs(tree, dirs[i], 0755, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The named triggers, one file each with the lines of all packages. */
static int write_named(int tree, struct strv *all, struct err *e)
{
	strv_sort(all);
	for (size_t i = 0; i < all->n;) {
		size_t n = strcspn(all->v[i], " ") + 1;
		_cleanup_buf_ struct buf text = {0};
		_cleanup_free_ char *path = xasprintf(DPKG "/triggers/%.*s", (int)n - 1, all->v[i]);
		size_t j = i;
		for (; j < all->n && strncmp(all->v[i], all->v[j], n) == 0; j++)
			buf_addf(&text, "%s\n", all->v[j] + n);
		i = j;
		int r = path_write(tree, path, text.p, text.len, 0644, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int debian_database(int tree, const struct debian_entry *entries, size_t n, struct err *e)
{
	_cleanup_buf_ struct buf status = {0}, files = {0};
	_cleanup_strv_ struct strv paths = {0}, named = {0};
	for (size_t i = 0; i < n; i++) {
		buf_add(&status, entries[i].status.p, entries[i].status.len);
		for (size_t j = 0; j < entries[i].file_triggers.n; j++)
			strv_add(&paths, entries[i].file_triggers.v[j]);
		for (size_t j = 0; j < entries[i].triggers.n; j++)
			strv_add(&named, entries[i].triggers.v[j]);
	}
	strv_sort(&paths);
	for (size_t i = 0; i < paths.n; i++)
		buf_addf(&files, "%s\n", paths.v[i]);
	const struct {
		const char *path, *data;
		size_t len;
	} out[] = {
		{DPKG "/status", status.p, status.len},
		{DPKG "/available", "", 0},
		{DPKG "/info/format", "1\n", 2},
		{DPKG "/triggers/Unincorp", "", 0},
		{DPKG "/triggers/File", files.p, files.len},
	};
	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		if (!out[i].data)
			continue; /* dpkg has no such file when there is nothing to say */
		int r = path_write(tree, out[i].path, out[i].data, out[i].len, 0644, e);
		if (r < 0)
			return r;
	}
	return write_named(tree, &named, e);
}
