/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One operation on the names of a file in a loop: names_ops OPERATION DIRECTORY MILLISECONDS prints how many
 * nanoseconds it takes. rename is one call; unlink and link are made with one that puts things back, and both are
 * counted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int rename_once(void)
{
	static int there;

	there = !there;
	return there ? rename("a", "b") : rename("b", "a");
}

static int unlink_once(void)
{
	int fd = open("c", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 || close(fd) < 0 ? -1 : unlink("c");
}

static int link_once(void)
{
	return link("d", "e") < 0 ? -1 : unlink("e");
}

static int stat_once(void)
{
	struct stat st;

	return stat("d", &st);
}

static int write_once(void)
{
	int fd = open("d", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static const struct {
	const char *name;
	int (*once)(void);
} operations[] = {
	{"rename", rename_once}, {"unlink", unlink_once}, {"link", link_once},
	{"stat", stat_once},     {"write", write_once},
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int measure(int (*once)(void), int64_t ns)
{
	int64_t begin = now(), n = 0;

	do {
		for (int i = 0; i < 64; i++)
			if (once() < 0) {
				perror("names_ops");
				return 1;
			}
		n += 64;
	} while (now() - begin < ns);
	printf("%lld\n", (long long)((now() - begin) / n));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4 || chdir(argv[2]) < 0)
		return 2;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(argv[1], operations[i].name) != 0)
			continue;
		for (const char *f = "ad"; *f; f++)
			close(open((char[]){*f, 0}, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		return measure(operations[i].once, atoll(argv[3]) * 1000000);
	}
	return 2;
}
