/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What makes a fresh tree this vserver and no other: machine id, host name, hosts, resolv.conf, and that nobody can log
 * in as root before the administrator sets a password. Keys of an ssh server are its own already: they were made while
 * it was configured in this tree. The tree's own programs have run by now: only path_* touches it.
 */
#include "bootstrap/internal.h"

#include <arpa/inet.h>
#include <sys/random.h>

#define HOST_FILE_MAX (1u << 20)

int boot_address(const char *word, char **ret, struct err *e)
{
	const char *at = word;
	for (int i = 0; i < 2; i++) {
		size_t n = strcspn(at, "/");
		_cleanup_free_ char *address = xstrndup(at, n);
		unsigned char bin[sizeof(struct in6_addr)];
		bool v6 = inet_pton(AF_INET6, address, bin) == 1;
		uint64_t bits = 1;
		if (v6 || inet_pton(AF_INET, address, bin) == 1) {
			if (at[n] && text_uint(at + n + 1, 1, v6 ? 128 : 32, &bits) < 0)
				return err_set(e, -EINVAL, "'%s': the length of the network behind '/' is 1 to %d",
					       word, v6 ? 128 : 32);
			*ret = TAKE_PTR(address);
			return 0;
		}
		/* A device before the first colon; an IPv6 address alone has been recognized by now. */
		const char *colon = strchr(at, ':');
		if (!colon || colon == at)
			break;
		at = colon + 1;
	}
	return err_set(e, -EINVAL, "'%s' is no address; write it as [DEVICE:]ADDRESS[/LENGTH], like eth0:192.0.2.11/24",
		       word);
}

static int put(struct boot_build *b, const char *path, const struct buf *text, mode_t mode, struct err *e)
{
	return path_write(b->tree, path, text->p ? text->p : "", text->len, mode, e);
}

static int machine_id(struct boot_build *b, struct err *e)
{
	uint8_t id[16];
	if (getrandom(id, sizeof id, 0) != sizeof id)
		return err_sys(e, "cannot get random bytes for the machine id");
	/* A random UUID, as machine-id(5) wants it. */
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	char hex[2 * sizeof id + 1];
	text_hex(hex, id, sizeof id);
	_cleanup_buf_ struct buf text = {0};
	buf_addf(&text, "%.32s\n", hex);
	return put(b, "/etc/machine-id", &text, 0444, e);
}

static int names(struct boot_build *b, const char *hostname, struct err *e)
{
	_cleanup_buf_ struct buf text = {0}, hosts = {0};
	buf_addf(&text, "%s\n", hostname);
	buf_adds(&hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	for (size_t i = 0; b->o->ip && i < b->o->ip->n; i++) {
		_cleanup_free_ char *address = NULL;
		int r = boot_address(b->o->ip->v[i], &address, e);
		if (r < 0)
			return r;
		buf_addf(&hosts, "%s\t%s\n", address, hostname);
	}
	if (!b->o->ip || b->o->ip->n == 0)
		buf_addf(&hosts, "127.0.1.1\t%s\n", hostname);
	int r = put(b, "/etc/hostname", &text, 0644, e);
	return r < 0 ? r : put(b, "/etc/hosts", &hosts, 0644, e);
}

static int host_file(const char *path, struct buf *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	if (fd < 0)
		return -errno;
	for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) {
		buf_add(ret, chunk, (size_t)n);
		if (ret->len > HOST_FILE_MAX)
			return -EFBIG;
	}
	return 0;
}

/* The host's name servers, but for those that answer on the host's loopback only (a local stub of systemd-resolved): a
 * vserver has a loopback of its own. Then the stub's own list is taken. */
static int resolver(struct boot_build *b, struct err *e)
{
	static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
	_cleanup_buf_ struct buf text = {0};
	bool server = false;
	for (size_t f = 0; f < ARRAY_LEN(files) && !server; f++) {
		_cleanup_buf_ struct buf host = {0};
		_cleanup_strv_ struct strv lines = {0};
		if (host_file(files[f], &host) < 0)
			continue;
		text.len = 0;
		strv_split(&lines, host.p ? host.p : "", "\n");
		for (size_t i = 0; i < lines.n; i++) {
			_cleanup_strv_ struct strv w = {0};
			strv_split(&w, lines.v[i], " \t\r");
			bool is_server = w.n >= 2 && strcmp(w.v[0], "nameserver") == 0;
			if (is_server && (strncmp(w.v[1], "127.", 4) == 0 || strcmp(w.v[1], "::1") == 0))
				continue;
			server = server || is_server;
			if (w.n >= 2 && w.v[0][0] != '#' && w.v[0][0] != ';')
				buf_addf(&text, "%s\n", lines.v[i]);
		}
	}
	return put(b, "/etc/resolv.conf", &text, 0644, e);
}

/* An empty password field lets anybody in; '*' lets nobody in until `passwd` is run in the vserver. */
static int lock_root(struct boot_build *b, const char *path, mode_t mode, struct err *e)
{
	_cleanup_buf_ struct buf text = {0}, out = {0};
	struct stat st;
	if (path_stat(b->tree, path, &st) < 0)
		return 0;
	int r = path_read(b->tree, path, HOST_FILE_MAX, &text, e);
	if (r < 0)
		return r;
	const char *root = strncmp(text.p, "root::", 6) == 0 ? text.p : strstr(text.p, "\nroot::");
	if (!root)
		return 0;
	size_t at = (size_t)(strstr(root, "root:") + 5 - text.p);
	buf_add(&out, text.p, at);
	buf_adds(&out, "*");
	buf_add(&out, text.p + at, text.len - at);
	return put(b, path, &out, mode, e);
}

int boot_identity(struct boot_build *b, struct err *e)
{
	int r = path_mkdirs(b->tree, "/etc", 0755, e);
	if (r == 0)
		r = machine_id(b, e);
	if (r == 0)
		r = names(b, b->o->hostname ? b->o->hostname : b->o->name, e);
	if (r == 0)
		r = resolver(b, e);
	if (r == 0)
		r = lock_root(b, "/etc/shadow", 0640, e);
	if (r == 0)
		r = lock_root(b, "/etc/passwd", 0644, e);
	if (r == 0 && b->o->distro->family == VS_DEBIAN)
		r = boot_sources(b, e);
	return r < 0 ? err_wrap(e, "identity of the new tree") : 0;
}
