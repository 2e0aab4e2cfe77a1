/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What root of a vserver may try to change a sealed file, in a loop over a directory of them: every success is printed as
 * "HIT what file". Links are no change: they are allowed. Ends after one round ("once"), or when /stop appears; then prints the number of attempts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int done(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int do_write(const char *p)
{
	return done(open(p, O_WRONLY | O_CLOEXEC));
}
static int do_append(const char *p)
{
	return done(open(p, O_WRONLY | O_APPEND | O_CLOEXEC));
}
static int do_rdwr(const char *p)
{
	return done(open(p, O_RDWR | O_CLOEXEC));
}
static int do_open_truncate(const char *p)
{
	return done(open(p, O_WRONLY | O_TRUNC | O_CLOEXEC));
}
static int do_truncate(const char *p)
{
	return truncate(p, 1);
}
static int do_chmod(const char *p)
{
	return chmod(p, 04755);
}
static int do_chown(const char *p)
{
	return chown(p, 1, 1);
}
static int do_utimes(const char *p)
{
	return utimensat(AT_FDCWD, p, NULL, 0);
}
static int do_setxattr(const char *p)
{
	return setxattr(p, "user.attack", "x", 1, 0);
}
/* Only clearing counts, and only where there is a seal. */
static int do_unseal(const char *p)
{
	int fd = open(p, O_RDONLY | O_CLOEXEC), flags = 0, r;

	if (fd < 0)
		return -1;
	r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags ^= FS_NODUMP_FL;
	flags &= ~FS_IMMUTABLE_FL;
	r = r < 0 ? r : ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return r;
}

static const struct {
	const char *name;
	int (*run)(const char *path);
} tricks[] = {
	{"write", do_write},       {"append", do_append},
	{"rdwr", do_rdwr},         {"chmod", do_chmod},
	{"chown", do_chown},       {"utimes", do_utimes},
	{"setxattr", do_setxattr}, {"setflags", do_unseal},
	{"truncate", do_truncate}, {"open-truncate", do_open_truncate},
};

int main(int argc, char **argv)
{
	unsigned long attempts = 0;

	if (argc < 2 || chdir(argv[1]) < 0)
		return 1;
	do {
		DIR *d = opendir(".");
		struct dirent *de;

		if (!d)
			return 1;
		while ((de = readdir(d))) {
			if (de->d_name[0] == '.')
				continue;
			for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++, attempts++)
				if (tricks[i].run(de->d_name) == 0)
					printf("HIT %s %s\n", tricks[i].name, de->d_name);
		}
		closedir(d);
	} while (argc < 3 && access("/stop", F_OK) < 0);
	printf("attempts %lu\n", attempts);
	return fflush(stdout) == 0 ? 0 : 1;
}
