/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Many callers of a supervisor at once, and ones that die.
 *
 *	storm storm DIR N S T  T threads link, rename and unlink sealed files, N each (DIR/THREAD.0 …); S: with signals.
 *	                       N 0: each unlinks one, and that is all
 *	storm dying DIR N      each of DIR/1 … DIR/N is unlinked by a process that is killed meanwhile, then by another
 *one storm rate DIR N       unlinks DIR/1 … DIR/N, prints microseconds for each
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 1000

static void on_signal(int sig) {}
static volatile int storming = 1;
static const char *storm_dir;
static int storm_files; /* of each thread T: DIR/T.0 … */
static int failures, interrupted;
static pthread_barrier_t begin;

/* Interrupted calls have done nothing, and are tried again; so each one happens once, or a later one fails. */
#define EXACTLY_ONCE(call)                                                     \
	({                                                                     \
		int r_;                                                        \
		while ((r_ = (call)) < 0 && errno == EINTR)                    \
			__atomic_add_fetch(&interrupted, 1, __ATOMIC_SEQ_CST); \
		r_;                                                            \
	})

static void *storm_thread(void *arg)
{
	long t = (long)arg;

	pthread_barrier_wait(&begin);
	if (storm_files == 0) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%ld.0", storm_dir, t);
		if (EXACTLY_ONCE(unlink(path)) < 0)
			__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < storm_files; i++) {
		char a[4096], b[4096], c[4096];

		snprintf(a, sizeof(a), "%s/%ld.%d", storm_dir, t, i);
		snprintf(b, sizeof(b), "%s/%ld.%d.link", storm_dir, t, i);
		snprintf(c, sizeof(c), "%s/%ld.%d.other", storm_dir, t, i);
		if (EXACTLY_ONCE(link(a, b)) < 0 || EXACTLY_ONCE(rename(b, c)) < 0 || EXACTLY_ONCE(unlink(a)) < 0 ||
		    EXACTLY_ONCE(unlink(c)) < 0) {
			printf("thread %ld file %d: %s\n", t, i, strerror(errno));
			__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

static void *plain_thread(void *arg)
{
	while (storming) {
		char path[4096];
		int fd;

		snprintf(path, sizeof(path), "%s/plain.%ld", storm_dir, (long)arg);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		close(fd);
		if (fd < 0 || EXACTLY_ONCE(unlink(path)) < 0) {
			printf("plain %ld: %s\n", (long)arg, strerror(errno));
			__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

/* With signals, whose handler is without SA_RESTART, all the time. */
static int storm(const char *dir, int files, int signals, int threads)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pthread_t t[THREADS], p[2];
	pthread_attr_t small;
	pid_t self = getpid(), beat;

	storm_dir = dir;
	storm_files = files;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &sa, NULL);
	beat = fork();
	if (beat == 0) {
		while (signals && kill(self, SIGUSR1) == 0)
			usleep(500);
		_exit(0);
	}
	pthread_barrier_init(&begin, NULL, (unsigned)threads);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], &small, storm_thread, (void *)i) != 0)
			return 3;
	for (long i = 0; i < 2; i++)
		pthread_create(&p[i], NULL, plain_thread, (void *)i);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	storming = 0;
	for (int i = 0; i < 2; i++)
		pthread_join(p[i], NULL);
	kill(beat, SIGKILL);
	waitpid(beat, NULL, 0);
	printf("%d failures, %d interrupted\n", failures, interrupted);
	return failures != 0;
}

static int rate(const char *dir, int n)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 1; i <= n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%d", dir, i);
		if (unlink(path) < 0) {
			perror(path);
			return 1;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.2f\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1000 / n);
	return 0;
}

/* Callers that are killed while they ask; those that ask after them are served. */
static int dying(const char *dir, int n)
{
	int status, done = 0;

	for (int i = 1; i <= n; i++) {
		char path[4096];
		pid_t pid;

		snprintf(path, sizeof(path), "%s/%d", dir, i);
		pid = fork();
		if (pid == 0)
			_exit(unlink(path) < 0);
		usleep((useconds_t)(i * 37 % 1500));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		done += access(path, F_OK) < 0;
		if (unlink(path) < 0 && errno != ENOENT) {
			perror(path);
			return 1;
		}
	}
	printf("%d of %d were done before\n", done, n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "storm") == 0 && atoi(argv[5]) <= THREADS)
		return storm(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if (argc == 4 && strcmp(argv[1], "dying") == 0)
		return dying(argv[2], atoi(argv[3]));
	if (argc == 4 && strcmp(argv[1], "rate") == 0)
		return rate(argv[2], atoi(argv[3]));
	return 2;
}
