/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A context's /dev: a small tmpfs with nodes of its own, so that what its root does to them stays its own, and the
 * stubs that keep services from starting while packages are installed.
 */
#include "kernel/inside.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>

static const struct {
	const char *name;
	unsigned major, minor;
} nodes[] = {
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},         {"core", "/proc/kcore"},
};

/* Enabling a unit is a matter of links, which the real systemctl makes without a manager; everything else is a service
 * that must not run here. */
static const char systemctl[] =
	"#!/bin/sh\n"
	"for a in \"$@\"; do case $a in -*) ;; *) verb=$a; break ;; esac; done\n"
	"case ${verb-} in\n"
	"enable|disable|reenable|preset|preset-all|mask|unmask|link|is-enabled|list-unit-files|set-default|get-default)"
	"\n"
	"	for p in /usr/bin/systemctl /bin/systemctl; do [ -x $p ] && exec $p --root=/ \"$@\"; done ;;\n"
	"is-active|is-failed|status) exit 3 ;;\n"
	"esac\n"
	"exit 0\n";
static const char nothing[] = "#!/bin/sh\nexit 0\n";

static const struct {
	const char *name, *text;
} stubs_table[] = {
	{"systemctl", systemctl},       {"invoke-rc.d", nothing}, {"service", nothing}, {"deb-systemd-invoke", nothing},
	{"start-stop-daemon", nothing}, {"initctl", nothing},     {"telinit", nothing}, {"udevadm", nothing},
};

static int add_nodes(int dev, uint32_t base)
{
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		if (mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
		    fchmodat(dev, nodes[i].name, 0666, 0) < 0 ||
		    fchownat(dev, nodes[i].name, base, base, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 ||
		    fchownat(dev, links[i].name, base, base, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	return 0;
}

static int add_dir(int dev, const char *name, mode_t mode, uint32_t base)
{
	if (mkdirat(dev, name, mode) < 0 || fchmodat(dev, name, mode, 0) < 0 || fchownat(dev, name, base, base, 0) < 0)
		return -errno;
	return 0;
}

static int add_stubs(int dev, uint32_t base)
{
	_cleanup_close_ int bin = openat(dev, "vpkg/bin", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (bin < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(stubs_table); i++) {
		size_t len = strlen(stubs_table[i].text);
		_cleanup_close_ int fd =
			openat(bin, stubs_table[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

		if (fd < 0 || write(fd, stubs_table[i].text, len) != (ssize_t)len || fchmod(fd, 0755) < 0 ||
		    fchown(fd, base, base) < 0)
			return -errno;
	}
	return 0;
}

int device_mount(uint32_t uid_base, bool stubs, struct err *e)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), dev = -1;
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = {{"pts", 0755}, {"shm", 01777}, {"vpkg", 0755}, {"vpkg/bin", 0755}, {"vpkg/pkg", 0755}};
	int r = 0;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "256m", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "a context's /dev (tmpfs)");
	dev = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	if (dev < 0)
		return err_sys(e, "a context's /dev (tmpfs)");
	if (fchownat(dev, "", uid_base, uid_base, AT_EMPTY_PATH) < 0)
		r = -errno;
	if (r == 0)
		r = add_nodes(dev, uid_base);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(dirs); i++)
		r = add_dir(dev, dirs[i].name, dirs[i].mode, uid_base);
	if (r == 0 && stubs)
		r = add_stubs(dev, uid_base);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "a context's /dev");
	}
	return TAKE_FD(dev);
}
